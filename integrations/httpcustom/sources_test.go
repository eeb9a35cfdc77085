package httpcustom_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpcustom"
	"github.com/sallyport/sallyport/integrations/httpproxy"
	"github.com/sallyport/sallyport/integrations/integrationstest"
)

// request is one as the backend saw it.
type request struct {
	method, target, body string
	header               http.Header
}

// recorded is a server that remembers its last request and answers as it is told.
func recorded(t *testing.T, answer http.HandlerFunc) (url string, last *request) {
	t.Helper()
	last = &request{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*last = request{r.Method, r.RequestURI, string(body), r.Header}
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, last
}

func handshake() *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventConnect, API: "chat", Stage: "dev", Route: "$connect",
		Context: []byte(`{"connectionId":"C1=","identity":{"sourceIp":"192.0.2.1"},"authorizer":{"n":7},"stageVariables":{"table":"pets"},` +
			`"rawQueryString":"q=a&q=b%20c&one=%2F","multiValueQueryStringParameters":{"q":["a","b c"],"one":["/"]}}`),
		Header: gateway.Header{"Origin": {"http://page"}, "x-Tag": {"a", "b"}, "Sec-WebSocket-Key": {"key"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}},
	}
}

// TestSources has a row for each row of contract/websocket-api.md §8.1: what a source gives each target, for every kind
// that calls HTTP backends. A missing source leaves its parameter out; its path placeholder fails the call.
func TestSources(t *testing.T) {
	const body = `{"text":"a b/ü","n":1.50,"yes":true,"none":null,"list":["x","y"],"rooms":[{"id":1,"open":true},{"id":2}],"o":{"a": 1},"with-hyphen":"h"}`
	tests := []struct {
		row, source         string
		ev                  *gateway.Event
		header, query, path string // as they arrive; path escaped
		missing             bool
	}{
		{"query string", "route.request.querystring.one", handshake(), "/", "p=%2F", "%2F", false},
		{"query string, the last of several", "route.request.querystring.q", handshake(), "b c", "p=b+c", "b%20c", false},
		{"header", "route.request.header.Origin", handshake(), "http://page", "p=http%3A%2F%2Fpage", "http:%2F%2Fpage", false},
		{"header in another case", "route.request.header.origin", handshake(), "http://page", "p=http%3A%2F%2Fpage", "http:%2F%2Fpage", false},
		{"header, the last of several", "route.request.header.X-Tag", handshake(), "b", "p=b", "b", false},
		{"multi-value query string", "route.request.multivaluequerystring.q", handshake(), "a,b c", "p=a&p=b+c", "b%20c", false},
		{"multi-value header", "route.request.multivalueheader.X-Tag", handshake(), "a,b", "p=a&p=b", "b", false},
		{"older spelling", "method.request.header.Origin", handshake(), "http://page", "p=http%3A%2F%2Fpage", "http:%2F%2Fpage", false},
		{"query string of a message", "route.request.querystring.q", message(body), "", "", "", true},
		{"header of a message", "route.request.header.Origin", message(body), "", "", "", true},
		{"body, text", "route.request.body.text", message(body), "a b/ü", "p=a+b%2F%C3%BC", "a%20b%2F%C3%BC", false},
		{"body, number", "route.request.body.n", message(body), "1.50", "p=1.50", "1.50", false},
		{"body, boolean", "route.request.body.yes", message(body), "true", "p=true", "true", false},
		{"body, hyphen", "route.request.body.with-hyphen", message(body), "h", "p=h", "h", false},
		{"body, element", "route.request.body.list[1]", message(body), "y", "p=y", "y", false},
		{"body, list", "route.request.body.list", message(body), "[x, y]", "p=%5Bx%2C+y%5D", "%5Bx%2C%20y%5D", false},
		{"body, object", "route.request.body.o", message(body), `{"a":1}`, "p=%7B%22a%22%3A1%7D", "%7B%22a%22:1%7D", false},
		{"body, filter", "route.request.body.rooms[?(@.open)].id", message(body), "[1]", "p=%5B1%5D", "%5B1%5D", false},
		{"body, null", "route.request.body.none", message(body), "", "", "", true},
		{"body, missing", "route.request.body.nope", message(body), "", "", "", true},
		{"body, no JSON", "route.request.body.text", message("text"), "", "", "", true},
		{"body at $connect", "route.request.body.text", handshake(), "", "", "", true},
		{"the whole body", "route.request.body", message("hi"), "hi", "p=hi", "hi", false},
		{"stage variable", "stageVariables.table", handshake(), "pets", "p=pets", "pets", false},
		{"stage variable of a message", "stageVariables.v", message(body), "1", "p=1", "1", false},
		{"stage variable, missing", "stageVariables.nope", message(body), "", "", "", true},
		{"context", "context.connectionId", message(body), "C1=", "p=C1%3D", "C1=", false},
		{"context, nested", "context.identity.sourceIp", handshake(), "192.0.2.1", "p=192.0.2.1", "192.0.2.1", false},
		{"context, of the authorizer", "context.authorizer.n", handshake(), "7", "p=7", "7", false},
		{"context, missing", "context.identity.cognitoIdentityId", handshake(), "", "", "", true},
		{"constant", "'some text'", message(body), "some text", "p=some+text", "some%20text", false},
		{"constant, empty", "''", message(body), "", "p=", "", false},
		{"constant, not a source", "'context.connectionId'", message(body), "context.connectionId", "p=context.connectionId", "context.connectionId", false},
	}
	for _, test := range tests {
		for name, kind := range kinds(t) {
			t.Run(test.row+"/"+name, func(t *testing.T) {
				url, last := recorded(t, nil)
				in := func(suffix string, target string) *gateway.Integration {
					in := &gateway.Integration{Type: kind.Type(), URI: url + suffix, RequestParameters: map[string]string{target: test.source}}
					if kind.Type() != gateway.IntegrationHTTPProxy {
						in.Responses = map[string]*gateway.IntegrationResponse{"default": {}}
					}
					return in
				}
				invoke(t, kind, in("/p", "integration.request.header.X-Mapped"), test.ev)
				if got, set := last.header["X-Mapped"]; set == test.missing || !test.missing && got[0] != test.header {
					t.Errorf("header %q, want %q", got, test.header)
				}
				invoke(t, kind, in("/p", "integration.request.querystring.p"), test.ev)
				if _, query, _ := strings.Cut(last.target, "?"); !strings.HasSuffix(query, test.query) || test.missing && strings.Contains(query, "p=") {
					t.Errorf("query %q, want %q", query, test.query)
				}
				_, err := ready(t, kind, in("/x/{p}/y", "integration.request.path.p")).Invoke(t.Context(), test.ev)
				if test.missing || test.path == "" { // an empty value fills no path: it would mean all that is below it
					want := gateway.CodeIntegration
					if test.ev.Kind == gateway.EventConnect {
						want = gateway.CodeInternal // 500
					}
					if gateway.ErrorCode(err) != want {
						t.Errorf("path: error %v, want %s", err, want)
					}
					return
				}
				if path, _, _ := strings.Cut(last.target, "?"); err != nil || path != "/x/"+test.path+"/y" {
					t.Errorf("path %q (%v), want %q", path, err, test.path)
				}
			})
		}
	}
}

func kinds(t *testing.T) map[string]integrations.Kind {
	t.Helper()
	client := backend.New(backend.Config{})
	t.Cleanup(client.Close)
	proxy, err := httpproxy.New(httpproxy.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	custom, err := httpcustom.New(httpcustom.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]integrations.Kind{"HTTP_PROXY": proxy, "HTTP": custom}
}

func ready(t *testing.T, kind integrations.Kind, in *gateway.Integration) gateway.Invoker {
	t.Helper()
	if faults := kind.Check(in, gateway.ProtocolWebSocket); len(faults) > 0 {
		t.Fatal(faults)
	}
	return opened(t, kind, in, true)
}

func opened(t *testing.T, kind integrations.Kind, in *gateway.Integration, twoWay bool) gateway.Invoker {
	t.Helper()
	invoker, err := kind.Open(in, integrations.Route{
		API: "chat", Stage: "dev", Key: "send", Protocol: gateway.ProtocolWebSocket, Timeout: time.Minute, TwoWay: twoWay,
		MaxReplyBytes: integrationstest.MaxReplyBytes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return invoker
}

func invoke(t *testing.T, kind integrations.Kind, in *gateway.Integration, ev *gateway.Event) *gateway.Reply {
	t.Helper()
	reply, err := ready(t, kind, in).Invoke(t.Context(), ev)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}
