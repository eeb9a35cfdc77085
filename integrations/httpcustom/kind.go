// Package httpcustom calls HTTP backends with mapped requests: the HTTP integration (contract/websocket-api.md §7.4).
// Nothing of the client goes on but what parameters and templates take; integrations/transform makes the body and reads
// the answer, integrations/backend makes the call. integrations/httpproxy is the kind that passes everything on.
package httpcustom

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpproxy"
	"github.com/sallyport/sallyport/integrations/transform"
	"github.com/sallyport/sallyport/router/mapping"
)

// Config says what a Kind works with.
type Config struct {
	// Client makes the calls. Required.
	Client *backend.Client
}

// Kind is the HTTP integration type.
type Kind struct {
	client *backend.Client
	proxy  *httpproxy.Kind // its rules for uri, method and parameters hold here too
}

var _ integrations.Kind = (*Kind)(nil)

// New returns the kind.
func New(c Config) (*Kind, error) {
	if c.Client == nil {
		return nil, errors.New("httpcustom: Config.Client is missing")
	}
	proxy, err := httpproxy.New(httpproxy.Config{Client: c.Client})
	return &Kind{client: c.Client, proxy: proxy}, err
}

// Type returns HTTP.
func (*Kind) Type() gateway.IntegrationType { return gateway.IntegrationHTTP }

// Check reports what HTTP_PROXY does, templates that can't be parsed, and missing responses.
func (k *Kind) Check(in *gateway.Integration, p gateway.Protocol) []gateway.Fault {
	call := *in
	// What transform knows and a proxy does not have.
	call.RequestTemplates, call.Responses = nil, nil
	call.TemplateSelectionExpression, call.PassthroughBehavior, call.ContentHandling = "", "", ""
	faults := k.proxy.Check(&call, p)
	if p != gateway.ProtocolWebSocket {
		faults = append(faults, gateway.Fault{Path: []string{"type"}, Problem: "HTTP is for WEBSOCKET APIs", Hint: "HTTP_PROXY"})
	}
	_, wrong := transform.Parse(in)
	return append(faults, wrong...)
}

// Open reads the mapping, and resolves the uri for the route's stage.
func (k *Kind) Open(in *gateway.Integration, r integrations.Route) (gateway.Invoker, error) {
	if _, err := k.proxy.Open(in, r); err != nil { // the uri must be right with the stage's variables
		return nil, err
	}
	mapped, faults := transform.Parse(in)
	if len(faults) > 0 {
		return nil, &integrations.FaultError{Fault: faults[0]}
	}
	uri, err := mapping.ParseURI(in.URI)
	if err != nil {
		return nil, err
	}
	parameters, _ := mapping.ParseParameters(in.RequestParameters) // proxy.Open has read them
	method := in.HTTPMethod
	if method == "" || method == "ANY" {
		method = http.MethodPost // WebSocket events have no method of their own
	}
	target := transform.Target{Method: method, URI: uri, Variables: r.Variables, Parameters: parameters}
	return &call{client: k.client, route: r, target: target, mapped: mapped}, nil
}

type call struct {
	client *backend.Client
	route  integrations.Route
	target transform.Target
	mapped *transform.Transform
}

// Invoke renders the request, calls the backend and renders the result. The result of a one-way event is its status.
func (c *call) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	ctx, cancel := integrations.Deadline(ctx, ev)
	defer cancel()
	made, err := c.mapped.Request(ev)
	if err != nil {
		return nil, err
	}
	request, err := c.target.Fill(ev, made)
	if err != nil {
		return nil, err
	}
	backend.Identify(ctx, request.Header, c.route.API)
	limit := c.route.AnswerLimit(ev.Kind)
	got, err := c.client.Do(ctx, request, made.Body, limit)
	if err != nil {
		return nil, err
	}
	answer := transform.Answer{Value: strconv.Itoa(got.Status), Status: got.Status, Header: gateway.Header(got.Header), Body: got.Body}
	if limit == backend.DiscardAnswer {
		return c.mapped.Outcome(answer, made.Overrides)
	}
	return c.mapped.Response(ev, answer, made.Overrides, limit)
}
