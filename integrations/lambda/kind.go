package lambda

import (
	"errors"
	"net/url"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/router/mapping"
)

// Config says what a Kind works with.
type Config struct {
	// Client makes the calls. Required.
	Client *backend.Client
}

// Kind is the LAMBDA integration type.
type Kind struct{ client *backend.Client }

var _ integrations.Kind = (*Kind)(nil)

// New returns the kind.
func New(c Config) (*Kind, error) {
	if c.Client == nil {
		return nil, errors.New("lambda: Config.Client is missing")
	}
	return &Kind{client: c.Client}, nil
}

// Type returns LAMBDA.
func (*Kind) Type() gateway.IntegrationType { return gateway.IntegrationLambda }

// Check reports a uri that is no endpoint, a method that Lambda does not take, and members that a proxy event has no
// use for.
func (*Kind) Check(in *gateway.Integration, _ gateway.Protocol) []gateway.Fault {
	faults := integrations.Unused(in, integrations.FieldURI, integrations.FieldHTTPMethod,
		integrations.FieldPayloadFormatVersion)
	wrong := backend.CheckURI(in.URI)
	for i := range wrong {
		wrong[i].Hint = "http://127.0.0.1:9000/2015-03-31/functions/function/invocations"
	}
	if len(wrong) == 0 && takesPath(in.URI) {
		wrong = []gateway.Fault{{
			Path:    []string{string(integrations.FieldURI)},
			Problem: "a function's endpoint can't depend on path parameters",
			Hint:    "use a stage variable; the event holds the parameters",
		}}
	}
	faults = append(faults, wrong...)
	if in.HTTPMethod != "" && in.HTTPMethod != method {
		faults = append(faults, gateway.Fault{
			Path:    []string{string(integrations.FieldHTTPMethod)},
			Problem: "functions are invoked with POST alone",
			Hint:    "leave httpMethod out",
		})
	}
	return append(faults, integrations.CheckPayloadFormatVersion(in)...)
}

// Open resolves the endpoint of the route's stage.
func (k *Kind) Open(in *gateway.Integration, r integrations.Route) (gateway.Invoker, error) {
	endpoint, err := endpoint(in.URI, r.Variables)
	if err != nil {
		return nil, &integrations.FaultError{Fault: gateway.Fault{
			Path:    []string{string(integrations.FieldURI)},
			Problem: backend.Cause(err),
			Hint:    "look at the variables of stage " + string(r.Stage),
		}}
	}
	return &function{client: k.client, endpoint: endpoint, version: in.PayloadFormatVersion, route: r}, nil
}

func endpoint(uri string, variables map[string]string) (*url.URL, error) {
	expanded, err := mapping.ExpandURI(uri, variables, nil)
	if err != nil {
		return nil, err
	}
	return backend.ParseURL(expanded)
}

func takesPath(uri string) bool {
	parsed, err := mapping.ParseURI(uri)
	return err == nil && len(parsed.PathParameters()) > 0
}
