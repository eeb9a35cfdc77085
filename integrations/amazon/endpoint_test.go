package amazon

import (
	"net/url"
	"strings"
	"testing"
)

// TestEndpoints: whose endpoint is called, and where Amazon's own are.
func TestEndpoints(t *testing.T) {
	all := Endpoints{All: "http://127.0.0.1:4566/base/", Of: map[string]string{
		"EVENTBRIDGE": "http://bridge", "EVENTS": "http://events", "STATES": "http://states", "COGNITO_IDP": "http://users", "DYNAMODB_STREAMS": "http://streams",
	}}
	for _, test := range []struct {
		name      string
		endpoints Endpoints
		uri       string
		base      string
		host      string
	}{
		{"of all", all, "arn:aws:apigateway:us-east-1:sqs:path/q", "http://127.0.0.1:4566/base", ""},
		{"a subdomain", all, "arn:aws:apigateway:us-east-1:b.s3:path/q", "http://127.0.0.1:4566/base", "b.127.0.0.1:4566"},
		{"by the SDKs' name", all, "arn:aws:apigateway:us-east-1:events:action/PutEvents", "http://bridge", ""},
		{"by the ARN's name", all, "arn:aws:apigateway:us-east-1:states:action/StartExecution", "http://states", ""},
		{"hyphens", all, "arn:aws:apigateway:us-east-1:cognito-idp:action/ListUsers", "http://users", ""},
		{"another service by its subdomain", all, "arn:aws:apigateway:us-east-1:streams.dynamodb:action/ListStreams", "http://streams", "streams.streams"},
		{"Amazon's", Endpoints{}, "arn:aws:apigateway:eu-central-1:dynamodb:action/PutItem", "https://dynamodb.eu-central-1.amazonaws.com", ""},
		{"Amazon's in China", Endpoints{}, "arn:aws-cn:apigateway:cn-north-1:sqs:path/q", "https://sqs.cn-north-1.amazonaws.com.cn", ""},
		{"Amazon's for governments", Endpoints{}, "arn:aws-us-gov:apigateway:us-gov-west-1:sqs:path/q", "https://sqs.us-gov-west-1.amazonaws.com", ""},
		{"with a subdomain", Endpoints{}, "arn:aws:apigateway:us-east-1:runtime.sagemaker:path/endpoints/e", "https://runtime.sagemaker.us-east-1.amazonaws.com", ""},
		{"IoT's own data", Endpoints{}, "arn:aws:apigateway:us-east-1:a1b2-ats.iotdata:path/topics/t", "https://a1b2-ats.iot.us-east-1.amazonaws.com", ""},
		{"IoT's data", Endpoints{}, "arn:aws:apigateway:us-east-1:iotdata:path/topics/t", "https://data-ats.iot.us-east-1.amazonaws.com", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := parseAddress(test.uri)
			if err != nil {
				t.Fatal(err)
			}
			if base, host, err := test.endpoints.base(a); err != nil || base != test.base || host != test.host {
				t.Errorf("%q, Host %q (%v); want %q, %q", base, host, err, test.base, test.host)
			}
		})
	}
}

// TestEndpointFaults name the variable and not its value.
func TestEndpointFaults(t *testing.T) {
	a, err := parseAddress("arn:aws:apigateway:us-east-1:sqs:path/q")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		endpoints Endpoints
		want      string
	}{
		"no scheme":   {Endpoints{All: "secret:4566"}, "AWS_ENDPOINT_URL: uri does not begin with http"},
		"of one":      {Endpoints{All: "http://h", Of: map[string]string{"SQS": "http://u:secret@h"}}, "AWS_ENDPOINT_URL_SQS: uri holds a user"},
		"a query":     {Endpoints{All: "http://h/?a=secret"}, "AWS_ENDPOINT_URL: an endpoint has no query"},
		"placeholder": {Endpoints{All: "http://h/{secret}"}, "AWS_ENDPOINT_URL: an endpoint has no query"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := test.endpoints.base(a); err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// FuzzAddress: nothing panics, and whatever parses leads to a host of Amazon's.
func FuzzAddress(f *testing.F) {
	for _, uri := range []string{
		"arn:aws:apigateway:us-east-1:dynamodb:action/PutItem", "arn:aws-cn:apigateway:cn-north-1:a.b.s3:path/x?y=z",
		"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:0:function:f/invocations",
		"arn:aws:apigateway:us-east-1:sns:action/Publish&Version=1", "arn:aws:apigateway:@evil:x:path/", "arn:aws:apigateway:us-east-1:x.:path/\n",
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		a, err := parseAddress(uri)
		if err != nil {
			return
		}
		base, host, err := Endpoints{}.base(a)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(base)
		if err != nil || host != "" || !amazonHost(u.Host) || u.Path != "" {
			t.Fatalf("%q leads to %q (%v)", uri, base, err)
		}
		a.invokes()
	})
}

func amazonHost(host string) bool {
	for _, c := range host {
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	for _, end := range []string{".amazonaws.com", ".amazonaws.com.cn"} {
		if len(host) > len(end) && host[len(host)-len(end):] == end {
			return true
		}
	}
	return false
}
