package httpproxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpproxy"
)

func newKind(t testing.TB) *httpproxy.Kind {
	t.Helper()
	client := backend.New(backend.Config{})
	t.Cleanup(client.Close)
	k, err := httpproxy.New(httpproxy.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// seen is a request as the backend got it.
type seen struct {
	*http.Request
	body string
}

// recorder is a backend that remembers the last request; answer may be nil.
type recorder struct {
	answer http.HandlerFunc
	last   seen
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body) // what is missing shows in the comparison
	r.last = seen{request, string(body)}
	if r.answer != nil {
		r.answer(w, request)
	}
}

// call opens in, with its uri behind the recorder's address, for the event's route and runs the event.
func (r *recorder) call(t *testing.T, in gateway.Integration, route integrations.Route, ev *gateway.Event) (*gateway.Reply, error) {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	in.Type, in.URI = gateway.IntegrationHTTPProxy, server.URL+in.URI
	k := newKind(t)
	if faults := k.Check(&in, route.Protocol); len(faults) > 0 {
		t.Fatal(faults)
	}
	route.API, route.Stage = ev.API, ev.Stage
	invoker, err := k.Open(&in, route)
	if err != nil {
		t.Fatal(err)
	}
	return invoker.Invoke(t.Context(), ev)
}

func (r *recorder) mustCall(t *testing.T, in gateway.Integration, route integrations.Route, ev *gateway.Event) *gateway.Reply {
	t.Helper()
	reply, err := r.call(t, in, route, ev)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func webSocket(key gateway.RouteKey, twoWay bool) integrations.Route {
	return integrations.Route{
		Key: key, Protocol: gateway.ProtocolWebSocket, TwoWay: twoWay, Timeout: time.Minute, MaxReplyBytes: 1 << 20,
		Variables: map[string]string{"path": "send"},
	}
}

func httpRoute(key gateway.RouteKey) integrations.Route {
	return integrations.Route{
		Key: key, Protocol: gateway.ProtocolHTTP, TwoWay: true, Timeout: time.Minute, MaxReplyBytes: 1 << 20,
	}
}

func connect() *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventConnect, API: "chat", Stage: "dev", Route: "$connect", Connection: "AbCdEfGhIjKlMnO=",
		Context: []byte(`{"apiId":"chat","connectionId":"AbCdEfGhIjKlMnO=","domainName":"localhost",` +
			`"identity":{"sourceIp":"192.0.2.1"},"rawQueryString":"room=a%20b&room=c&token=t",` +
			`"multiValueQueryStringParameters":{"room":["a b","c"],"token":["t"]}}`),
		Header: gateway.Header{
			"Host": {"gateway.example:8080"}, "Connection": {"keep-alive, Upgrade, X-Hop"}, "Upgrade": {"websocket"},
			"X-Hop": {"1"}, "cookie": {"sid=1"}, "Origin": {"http://page"}, "Sec-WebSocket-Key": {"dGhlIHNhbXBsZQ=="},
			"User-Agent": {"wscat"}, "X-Bad": {"a\x00b"},
		},
	}
}

func request(method, query string, body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventRequest, API: "shop", Stage: "dev", Route: "ANY /pets/{rest+}", Request: "RbCdEfGhIjKlMnO=",
		Context: []byte(`{"apiId":"shop","stage":"dev","domainName":"shop.localhost","identity":{"sourceIp":"2001:db8::1"},` +
			`"method":"` + method + `","path":"/dev/pets/a%20b/c","protocol":"HTTP/1.1","rawQueryString":"` + query + `",` +
			`"pathParameters":{"rest":"a b/c","id":"7/8"}}`),
		Header: gateway.Header{
			"host": {"shop.localhost:8080"}, "accept": {"a", "b"}, "Content-Length": {"999"}, "TE": {"trailers"},
			"Transfer-Encoding": {"chunked"}, "Expect": {"100-continue"}, "Proxy-Authorization": {"Basic x"},
			"Accept-Encoding": {"br"}, "Via": {"1.1 front"}, "Forwarded": {"for=203.0.113.9"}, "Cookie": {"a=1"},
		},
		Body: []byte(body),
	}
}

var traceID = regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`)

// headers checks the request's headers exactly, but for the trace id, which is checked by its form and removed.
func headers(t *testing.T, r seen, want http.Header) {
	t.Helper()
	got := r.Header.Clone()
	if id := got.Get("X-Amzn-Trace-Id"); !traceID.MatchString(id) {
		t.Errorf("X-Amzn-Trace-Id %q", id)
	}
	got.Del("X-Amzn-Trace-Id")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestConnect(t *testing.T) {
	r := recorder{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Sec-WebSocket-Protocol", "v2")
		w.WriteHeader(http.StatusCreated)
	}}
	reply := r.mustCall(t, gateway.Integration{URI: "/connect?key=1", HTTPMethod: "POST"}, webSocket("$connect", true), connect())
	if r.last.Method != "POST" || r.last.RequestURI != "/connect?key=1&room=a%20b&room=c&token=t" || r.last.body != "" {
		t.Errorf("%s %s %q", r.last.Method, r.last.RequestURI, r.last.body)
	}
	if strings.Contains(r.last.Host, "gateway.example") {
		t.Errorf("Host %q was not rewritten", r.last.Host)
	}
	headers(t, r.last, http.Header{
		"Cookie": {"sid=1"}, "Origin": {"http://page"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZQ=="}, "User-Agent": {"wscat"},
		"X-Amzn-Apigateway-Api-Id": {"chat"}, "Content-Length": {"0"},
	})
	if reply.Status != http.StatusCreated || reply.Header.Get("sec-websocket-protocol") != "v2" {
		t.Errorf("reply %d %v", reply.Status, reply.Header)
	}
}

func TestConnectRefused(t *testing.T) {
	r := recorder{answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "who are you?", http.StatusUnauthorized) }}
	reply := r.mustCall(t, gateway.Integration{URI: "/"}, webSocket("$connect", false), connect())
	if reply.Status != http.StatusUnauthorized || string(reply.Body) != "who are you?\n" || reply.Header.Get("Content-Type") == "" {
		t.Errorf("reply %d %q %v", reply.Status, reply.Body, reply.Header)
	}
}

func TestMessage(t *testing.T) {
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	r := recorder{answer: answer("pong")}
	in := gateway.Integration{
		URI: "/${stageVariables.path}/{word}?v=1", RequestParameters: map[string]string{
			"integration.request.header.connectionId": "context.connectionId",
			"integration.request.header.X-Word":       "route.request.body.word",
			"integration.request.querystring.q":       "route.request.body.word",
			"integration.request.path.word":           "route.request.body.word",
			"integration.request.header.X-Absent":     "route.request.body.absent",
		},
	}
	const body = `{"word":"a b\r\nX-Injected: 1"}`
	reply := r.mustCall(t, in, webSocket("send", true), message(body))
	if r.last.Method != "POST" || r.last.body != body ||
		r.last.RequestURI != "/send/a%20b%0D%0AX-Injected:%201?v=1&q=a+b%0D%0AX-Injected%3A+1" {
		t.Errorf("%s %s %q", r.last.Method, r.last.RequestURI, r.last.body)
	}
	headers(t, r.last, http.Header{
		"Content-Type": {"application/json"}, "Connectionid": {"AbCdEfGhIjKlMnO="}, "X-Word": {"a b  X-Injected: 1"},
		"X-Amzn-Apigateway-Api-Id": {"chat"}, "User-Agent": {"AmazonAPIGateway_chat"}, "Content-Length": {"31"},
	})
	if diff := cmp.Diff(&gateway.Reply{Status: 200, Body: []byte("pong")}, reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestMessageOneWay(t *testing.T) {
	long := strings.Repeat("x", 2<<20) // over the route's bound, and nobody reads it
	r := recorder{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, long)
	}}
	reply := r.mustCall(t, gateway.Integration{URI: "/"}, webSocket("send", false), message("x"))
	if diff := cmp.Diff(&gateway.Reply{Status: http.StatusTeapot}, reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestDisconnect(t *testing.T) {
	r := recorder{answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "bye") }}
	ev := message("never sent")
	ev.Kind, ev.Header = gateway.EventDisconnect, gateway.Header{"X-Client": {"1"}}
	reply := r.mustCall(t, gateway.Integration{URI: "/gone", HTTPMethod: "DELETE"}, webSocket("$disconnect", false), ev)
	if r.last.Method != "DELETE" || r.last.body != "" {
		t.Errorf("%s %q", r.last.Method, r.last.body)
	}
	headers(t, r.last, http.Header{"X-Amzn-Apigateway-Api-Id": {"chat"}, "User-Agent": {"AmazonAPIGateway_chat"}})
	if diff := cmp.Diff(&gateway.Reply{Status: 200}, reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestRequest(t *testing.T) {
	r := recorder{answer: func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Set-Cookie"] = []string{"a=1", "b=2"}
		h.Set("Connection", "X-Hop")
		h.Set("X-Hop", "1")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Proxy-Authenticate", "Basic")
		h.Set("Location", "/elsewhere")
		h.Set("Date", "Mon, 01 Jan 2024 00:00:00 GMT")
		h.Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, "not really gzip")
	}}
	in := gateway.Integration{URI: "/v1/{rest+}?fixed=1", RequestParameters: map[string]string{
		"integration.request.querystring.q": "'mapped'",
	}}
	ev := request("PATCH", "q=1&x=%20y&q=2&flag", "body")
	reply := r.mustCall(t, in, httpRoute("ANY /pets/{rest+}"), ev)
	if r.last.Method != "PATCH" || r.last.body != "body" || r.last.RequestURI != "/v1/a%20b/c?fixed=1&x=%20y&flag&q=mapped" {
		t.Errorf("%s %s %q", r.last.Method, r.last.RequestURI, r.last.body)
	}
	headers(t, r.last, http.Header{
		"Accept": {"a", "b"}, "Accept-Encoding": {"br"}, "Cookie": {"a=1"}, "Content-Length": {"4"},
		"Via":        {"1.1 front", "HTTP/1.1 AmazonAPIGateway"},
		"Forwarded":  {"for=203.0.113.9", `for="[2001:db8::1]";host="shop.localhost:8080";proto=http`},
		"User-Agent": {"AmazonAPIGateway_shop"}, "X-Amzn-Apigateway-Api-Id": {"shop"},
	})
	want := &gateway.Reply{Status: http.StatusFound, Body: []byte("not really gzip"), Header: gateway.Header{
		"Set-Cookie": {"a=1", "b=2"}, "Location": {"/elsewhere"}, "Content-Encoding": {"gzip"},
		"Date": {"Mon, 01 Jan 2024 00:00:00 GMT"},
	}}
	if diff := cmp.Diff(want, reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestRequestMethods(t *testing.T) {
	for _, test := range []struct{ httpMethod, client, want string }{
		{"", "DELETE", "DELETE"}, {"ANY", "OPTIONS", "OPTIONS"}, {"PUT", "GET", "PUT"}, {"", "HEAD", "HEAD"},
	} {
		r := recorder{answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "42") }}
		if test.want != "HEAD" {
			r.answer = nil
		}
		reply := r.mustCall(t, gateway.Integration{URI: "/", HTTPMethod: test.httpMethod}, httpRoute("ANY /"), request(test.client, "", ""))
		if r.last.Method != test.want || len(reply.Body) != 0 {
			t.Errorf("httpMethod %q, client %s: backend saw %s, body %q", test.httpMethod, test.client, r.last.Method, reply.Body)
		}
	}
}

// TestClientCannotLeaveThePath: what a client chooses stays below the path that the definition says.
func TestClientCannotLeaveThePath(t *testing.T) {
	for name, ev := range map[string]*gateway.Event{
		"dots":         path("../../admin"),
		"encoded dots": path("a/../b"),
		"query":        request("GET", `a b`, ""),
		"query break":  request("GET", `a\r\nX: 1`, ""),
	} {
		t.Run(name, func(t *testing.T) {
			r := recorder{}
			if _, err := r.call(t, gateway.Integration{URI: "/v1/{rest+}"}, httpRoute("ANY /pets/{rest+}"), ev); gateway.ErrorCode(err) != gateway.CodeBadRequest {
				t.Errorf("error %v, want bad_request", err)
			}
			if r.last.Request != nil {
				t.Errorf("the backend saw %s", r.last.RequestURI)
			}
		})
	}
	r := recorder{}
	r.mustCall(t, gateway.Integration{URI: "/v1/{rest+}"}, httpRoute("ANY /pets/{rest+}"), path("x?y#z%"))
	if r.last.RequestURI != "/v1/x%3Fy%23z%25" {
		t.Errorf("backend saw %s", r.last.RequestURI)
	}
}

func path(rest string) *gateway.Event {
	ev := request("GET", "", "")
	ev.Context = []byte(`{"method":"GET","pathParameters":{"rest":"` + rest + `"}}`)
	return ev
}

func TestMappedHost(t *testing.T) {
	r := recorder{}
	r.mustCall(t, gateway.Integration{URI: "/", RequestParameters: map[string]string{
		"integration.request.header.host": "'tenant.example'",
	}}, webSocket("send", false), message("x"))
	if r.last.Host != "tenant.example" {
		t.Errorf("Host %q", r.last.Host)
	}
}

func TestCheck(t *testing.T) {
	k := newKind(t)
	parameters := func(target string) map[string]string { return map[string]string{target: "'x'"} }
	tests := map[string]struct {
		in   gateway.Integration
		want []string
	}{
		"fine":              {gateway.Integration{URI: "https://${stageVariables.host}:${stageVariables.port}/{a}/{b+}?c={d}", HTTPMethod: "ANY"}, nil},
		"whole variable":    {gateway.Integration{URI: "${stageVariables.url}/x"}, nil},
		"missing":           {gateway.Integration{}, []string{"uri: uri is missing"}},
		"other scheme":      {gateway.Integration{URI: "file:///etc/passwd"}, []string{"uri: uri does not begin with http"}},
		"no scheme":         {gateway.Integration{URI: "127.0.0.1:3000/x"}, []string{"uri: uri"}},
		"no host":           {gateway.Integration{URI: "http:///x"}, []string{"uri: uri has no host"}},
		"credentials":       {gateway.Integration{URI: "http://user:secret@h/"}, []string{"uri: uri holds a user or password"}},
		"fragment":          {gateway.Integration{URI: "http://h/#a"}, []string{"uri: uri has a fragment"}},
		"space in query":    {gateway.Integration{URI: "http://h/?a=b c"}, []string{"uri: uri has a space in its query"}},
		"too long":          {gateway.Integration{URI: "http://h/" + strings.Repeat("a", 2048)}, []string{"uri: uri is longer"}},
		"client's host":     {gateway.Integration{URI: "http://{tenant}.internal/"}, []string{"uri: a path parameter stands in the host"}},
		"method":            {gateway.Integration{URI: "http://h", HTTPMethod: "post"}, []string{"httpMethod: unknown method"}},
		"CONNECT":           {gateway.Integration{URI: "http://h", HTTPMethod: "CONNECT"}, []string{"httpMethod: unknown method"}},
		"subject":           {gateway.Integration{URI: "http://h", Subject: "a"}, []string{"subject: subject is not used by HTTP_PROXY"}},
		"no message":        {gateway.Integration{URI: "http://h", ContentHandling: gateway.ConvertToText}, []string{"contentHandling: contentHandling is not used by HTTP_PROXY"}},
		"framing header":    {gateway.Integration{URI: "http://h", RequestParameters: parameters("integration.request.header.content-length")}, []string{"requestParameters.integration.request.header.content-length: this header belongs"}},
		"no such parameter": {gateway.Integration{URI: "http://h", RequestParameters: parameters("integration.request.path.id")}, []string{"requestParameters.integration.request.path.id: the uri has no {id}"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.in.Type = gateway.IntegrationHTTPProxy
			faults := k.Check(&test.in, gateway.ProtocolHTTP)
			if len(faults) != len(test.want) {
				t.Fatalf("faults %v, want %v", faults, test.want)
			}
			for i, f := range faults {
				if !strings.HasPrefix(f.String(), test.want[i]) || f.Hint == "" || strings.Contains(f.String(), "secret") {
					t.Errorf("fault %v, want %q and a hint", f, test.want[i])
				}
			}
		})
	}
}

func TestOpenNeedsTheStage(t *testing.T) {
	k := newKind(t)
	for name, test := range map[string]struct {
		uri  string
		vars map[string]string
	}{
		"no variable":       {"http://${stageVariables.host}/", nil},
		"variable is junk":  {"${stageVariables.url}/", map[string]string{"url": "gopher://h"}},
		"variable is empty": {"http://${stageVariables.host}/", map[string]string{"host": ""}},
		// The variable makes a host out of what looked like a path.
		"variable moves a parameter into the host": {"${stageVariables.url}/{id}", map[string]string{"url": "http:/"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.Open(&gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: test.uri}, integrations.Route{Variables: test.vars})
			var fault *integrations.FaultError
			if f, ok := err.(*integrations.FaultError); ok {
				fault = f
			}
			if fault == nil || !slices.Equal(fault.Fault.Path, []string{"uri"}) {
				t.Errorf("Open = %v, want a FaultError at uri", err)
			}
		})
	}
}

func BenchmarkInvoke(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "pong")
	}))
	defer server.Close()
	invoker, err := newKind(b).Open(&gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: server.URL, RequestParameters: map[string]string{
		"integration.request.header.connectionId": "context.connectionId",
	}}, webSocket("send", true))
	if err != nil {
		b.Fatal(err)
	}
	ev := message(`{"action":"send","text":"hello"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := invoker.Invoke(b.Context(), ev); err != nil {
			b.Fatal(err)
		}
	}
}
