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
	return &call{client: k.client, route: r, method: method, uri: uri, parameters: parameters, mapped: mapped}, nil
}

type call struct {
	client     *backend.Client
	route      integrations.Route
	method     string
	uri        *mapping.URI
	parameters *mapping.Parameters
	mapped     *transform.Transform
}

// Invoke renders the request, calls the backend and renders the result. The result of a one-way event is its status.
func (c *call) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	ctx, cancel := integrations.Deadline(ctx, ev)
	defer cancel()
	made, err := c.mapped.Request(ev)
	if err != nil {
		return nil, err
	}
	request, err := c.request(ctx, ev)
	if err != nil {
		return nil, err
	}
	limit := backend.DiscardAnswer
	if c.route.Answers(ev.Kind) {
		limit = c.route.ReplyLimit()
	}
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

func (c *call) request(ctx context.Context, ev *gateway.Event) (*http.Request, error) {
	mapped := c.parameters.Apply(ev)
	expanded, err := c.uri.Expand(c.route.Variables, mapped.Path)
	if err != nil {
		return nil, err
	}
	u, err := backend.ParseURL(expanded)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(err)
	}
	if len(mapped.Query) > 0 {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += mapped.Query.Encode()
	}
	header, host := http.Header{"Content-Type": {transform.TypeJSON}}, u.Host
	for name, value := range mapped.Header {
		if name = http.CanonicalHeaderKey(name); name == "Host" {
			host = value
			continue
		}
		header[name] = []string{value}
	}
	backend.Identify(ctx, header, c.route.API)
	return &http.Request{Method: c.method, URL: u, Host: host, Header: header}, nil
}
