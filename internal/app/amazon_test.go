package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/integrations/amazon"
)

// TestAmazonFrom: which variables AWS integrations read.
func TestAmazonFrom(t *testing.T) {
	variables := map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "AWS_ENDPOINT_URL": "http://all",
		"AWS_ENDPOINT_URL_DYNAMODB": "http://tables?=", "AWS_ENDPOINT_URL_SQS": "", "AWS_ENDPOINT_URL_": "http://none", "AWS_REGION": "eu-central-1",
	}
	environ := func() []string {
		var all []string
		for name, value := range variables {
			all = append(all, name+"="+value)
		}
		return append(all, "odd")
	}
	got := amazonFrom(func(name string) string { return variables[name] }, environ)
	want := amazon.Config{
		Credentials: amazon.Credentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "token"},
		Endpoints:   amazon.Endpoints{All: "http://all", Of: map[string]string{"DYNAMODB": "http://tables?="}},
	}
	if diff := cmp.Diff(want.Credentials, got.Credentials); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want.Endpoints, got.Endpoints); diff != "" {
		t.Error(diff)
	}
	if got := amazonFrom(func(string) string { return "" }, nil); got.Endpoints.All != "" || len(got.Endpoints.Of) > 0 {
		t.Errorf("of nothing: %+v", got)
	}
}
