package httpproxy

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/router/mapping"
)

// methodAny passes a client's own method on, as does leaving httpMethod out.
const methodAny = "ANY"

// methods are the values of httpMethod. CONNECT and TRACE are not for backends.
func methods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodHead, http.MethodOptions, methodAny}
}

// Config says what a Kind works with.
type Config struct {
	// Client makes the calls. Required.
	Client *backend.Client
}

// Kind is the HTTP_PROXY integration type.
type Kind struct{ client *backend.Client }

var _ integrations.Kind = (*Kind)(nil)

// New returns the kind.
func New(c Config) (*Kind, error) {
	if c.Client == nil {
		return nil, errors.New("httpproxy: Config.Client is missing")
	}
	return &Kind{client: c.Client}, nil
}

// Type returns HTTP_PROXY.
func (*Kind) Type() gateway.IntegrationType { return gateway.IntegrationHTTPProxy }

// Check reports a uri that is no URL, an unknown method, and request parameters that can't be set.
func (*Kind) Check(in *gateway.Integration, p gateway.Protocol) []gateway.Fault {
	used := []integrations.Field{integrations.FieldURI, integrations.FieldHTTPMethod, integrations.FieldRequestParameters}
	if p == gateway.ProtocolWebSocket {
		used = append(used, integrations.FieldContentHandling) // of messages
	}
	faults := integrations.Unused(in, used...)
	faults = append(faults, backend.CheckURI(in.URI)...)
	if in.HTTPMethod != "" && !slices.Contains(methods(), in.HTTPMethod) {
		faults = append(faults, gateway.Fault{
			Path:    []string{string(integrations.FieldHTTPMethod)},
			Problem: "unknown method",
			Hint:    "one of " + strings.Join(methods(), ", "),
		})
	}
	return append(faults, backend.CheckParameters(in.URI, in.RequestParameters)...)
}

// Open resolves the uri for the route's stage.
func (k *Kind) Open(in *gateway.Integration, r integrations.Route) (gateway.Invoker, error) {
	parameters, faults := mapping.ParseParameters(in.RequestParameters)
	if len(faults) > 0 {
		return nil, &integrations.FaultError{Fault: integrations.Under(integrations.FieldRequestParameters, faults)[0]}
	}
	p := &proxy{client: k.client, route: r, parameters: parameters, handling: in.ContentHandling}
	if in.HTTPMethod != methodAny {
		p.method = in.HTTPMethod
	}
	if err := p.resolve(in.URI); err != nil {
		return nil, &integrations.FaultError{Fault: gateway.Fault{
			Path:    []string{string(integrations.FieldURI)},
			Problem: backend.Cause(err),
			Hint:    "look at the variables of stage " + string(r.Stage),
		}}
	}
	return p, nil
}

// resolve prepares the URL: whole when nothing in it depends on a request, else checked with sample values.
func (p *proxy) resolve(uri string) error {
	parsed, err := mapping.ParseURI(uri)
	if err != nil {
		return err
	}
	names := parsed.PathParameters()
	samples := make(map[string]string, len(names))
	for _, name := range names {
		samples[name] = "/" // never valid in a host, where no client's value may stand
	}
	expanded, err := parsed.Expand(p.route.Variables, samples)
	if err != nil {
		return err
	}
	u, err := backend.ParseURL(expanded)
	if err != nil {
		return err
	}
	p.uri = parsed
	if len(names) == 0 {
		p.fixed = u
	}
	return nil
}

// proxy is one route's backend.
type proxy struct {
	client     *backend.Client
	route      integrations.Route
	method     string // "" is the client's own, POST for WebSocket events
	parameters *mapping.Parameters
	handling   gateway.ContentHandling // of messages
	uri        *mapping.URI
	fixed      *url.URL // nil when the uri has path parameters
}
