package httpproxy

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/transform"
	"github.com/sallyport/sallyport/router/mapping"
)

const (
	typeJSON   = "application/json" // of messages: REST's default, contract/websocket-api.md §7.3 leaves it open
	typeBinary = "application/octet-stream"

	headerContentType = "Content-Type"
	headerHost        = "Host"
)

// Invoke calls the backend with ev.
func (p *proxy) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	ctx, cancel := integrations.Deadline(ctx, ev)
	defer cancel()
	request, err := p.request(ctx, ev)
	if err != nil {
		return nil, integrations.Misconfigured(ev.Kind, err)
	}
	var body []byte
	switch ev.Kind {
	case gateway.EventMessage:
		if body, err = transform.Convert(ev.Body, p.handling); err != nil {
			return nil, err
		}
	case gateway.EventRequest:
		body = ev.Body
	}
	limit := p.route.AnswerLimit(ev.Kind)
	answer, err := p.client.Do(ctx, request, body, limit)
	if err != nil {
		return nil, err
	}
	return p.reply(ev.Kind, answer), nil
}

func (p *proxy) request(ctx context.Context, ev *gateway.Event) (*http.Request, error) {
	mapped := p.parameters.Apply(ev)
	client := facts{}
	if ev.Kind != gateway.EventMessage { // a message's context has nothing that the call needs by itself
		client = readFacts(ev.Context)
	}
	u, err := p.url(client, mapped)
	if err != nil {
		return nil, err
	}
	header := p.requestHeader(ev, client)
	host := u.Host
	for name, value := range mapped.Header {
		name = http.CanonicalHeaderKey(name)
		if name == headerHost {
			host = value
			continue
		}
		header[name] = []string{value}
	}
	backend.Identify(ctx, header, p.route.API)
	return &http.Request{Method: p.methodFor(client), URL: u, Host: host, Header: header}, nil
}

// methodFor is what contract/websocket-api.md §7.3 and contract/http-api.md §7.1 say.
func (p *proxy) methodFor(client facts) string {
	switch {
	case p.method != "":
		return p.method
	case client.method != "":
		return client.method
	}
	return http.MethodPost
}

// facts are the members of an event's context (schemas/event) that a call needs. They are picked out of the bytes: a
// whole decode would cost more than the rest of the request.
type facts struct {
	method, rawQuery, domain, sourceIP string
	path                               gjson.Result
}

func readFacts(context []byte) facts {
	var f facts
	gjson.ParseBytes(context).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "method":
			f.method = value.Str
		case "rawQueryString":
			f.rawQuery = value.Str
		case "domainName":
			f.domain = value.Str
		case "identity":
			f.sourceIP = value.Get("sourceIp").Str
		case "pathParameters":
			f.path = value
		}
		return true
	})
	return f
}

// url is the route's URL with path parameters filled in, the client's query and the mapped one.
func (p *proxy) url(client facts, mapped mapping.Mapped) (*url.URL, error) {
	u := p.fixed
	if u == nil {
		expanded, err := p.uri.Expand(p.route.Variables, pathValues(client.path, mapped.Path))
		if err != nil {
			return nil, err
		}
		if u, err = backend.ParseURL(expanded); err != nil {
			return nil, gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(err)
		}
	}
	if client.rawQuery == "" && len(mapped.Query) == 0 {
		return u, nil // shared and never changed
	}
	if strings.ContainsFunc(client.rawQuery, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "Bad Request") // it would break the request line
	}
	own := *u
	own.RawQuery = joinQuery(u.RawQuery, without(client.rawQuery, mapped.Query), mapped.Query.Encode())
	return &own, nil
}

// pathValues are the request's path parameters and the mapped ones, which win.
func pathValues(request gjson.Result, mapped map[string]string) map[string]string {
	values := make(map[string]string, len(mapped)+1)
	request.ForEach(func(key, value gjson.Result) bool {
		values[key.Str] = value.Str
		return true
	})
	for name, value := range mapped {
		values[name] = value
	}
	return values
}

// without drops the pairs of raw that mapped replaces; the rest stays as the client wrote it.
func without(raw string, mapped url.Values) string {
	if raw == "" || len(mapped) == 0 {
		return raw
	}
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		key, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if _, replaced := mapped[name]; err != nil || !replaced {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}

func joinQuery(parts ...string) string {
	filled := parts[:0]
	for _, part := range parts {
		if part != "" {
			filled = append(filled, part)
		}
	}
	return strings.Join(filled, "&")
}
