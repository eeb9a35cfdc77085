package app

import (
	"strings"

	"github.com/sallyport/sallyport/integrations/amazon"
)

// endpointVariable names the address of all services of AWS, and with a service's name behind it that of one.
const endpointVariable = "AWS_ENDPOINT_URL"

// amazonFrom reads what AWS integrations need from the variables that the AWS SDKs read, once at the start: credentials,
// and where services are. environ lists the variables as os.Environ does; nil is none but those of a fixed name.
func amazonFrom(getenv func(string) string, environ func() []string) amazon.Config {
	c := amazon.Config{
		Credentials: amazon.Credentials{
			AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: getenv("AWS_SESSION_TOKEN"),
		},
		Endpoints: amazon.Endpoints{All: getenv(endpointVariable), Of: map[string]string{}},
	}
	if environ == nil {
		return c
	}
	for _, pair := range environ() {
		name, value, _ := strings.Cut(pair, "=")
		if service, ok := strings.CutPrefix(name, endpointVariable+"_"); ok && service != "" && value != "" {
			c.Endpoints.Of[service] = value
		}
	}
	return c
}
