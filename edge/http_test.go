package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// compileHTTP puts an HTTP API on a stage; routes are by key, and a nil integration means one for native subscribers.
func compileHTTP(t testing.TB, id gateway.APIID, stage gateway.StageName, limits *gateway.LimitSettings, routes map[gateway.RouteKey]*gateway.Integration) *router.Program {
	t.Helper()
	return compileAPI(t, &gateway.API{APIID: id, Name: string(id), Protocol: gateway.ProtocolHTTP, Limits: limits}, stage, routes)
}

func compileWS(t testing.TB, id gateway.APIID, stage gateway.StageName, limits *gateway.LimitSettings) *router.Program {
	t.Helper()
	return compileAPI(t, &gateway.API{APIID: id, Name: string(id), Protocol: gateway.ProtocolWebSocket, Limits: limits,
		RouteSelectionExpression: "$request.body.action"}, stage, map[gateway.RouteKey]*gateway.Integration{gateway.RouteDefault: nil})
}

func compileAPI(t testing.TB, api *gateway.API, stage gateway.StageName, routes map[gateway.RouteKey]*gateway.Integration) *router.Program {
	t.Helper()
	api.Routes = map[gateway.RouteKey]*gateway.Route{}
	for key, i := range routes {
		if i == nil {
			i = &gateway.Integration{Type: gateway.IntegrationNATS}
		}
		api.Routes[key] = &gateway.Route{Integration: &gateway.IntegrationRef{Inline: i}}
	}
	api.Stages = map[gateway.StageName]*gateway.Stage{stage: {Variables: map[string]string{"env": "test"}}}
	p, faults := router.Compile(&gateway.Deployment{ID: "d-1", API: api, Stage: stage}, router.Config{
		Subject: func(api gateway.APIID, stage gateway.StageName, _ gateway.Protocol, key gateway.RouteKey) string {
			return fmt.Sprintf("test.%s.%s.%s", api, stage, key)
		},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}

func liveTable(programs ...*router.Program) *router.Live {
	live := new(router.Live)
	live.Swap(router.NewTable(programs, "localhost"))
	return live
}

// recorder is an Observe function that remembers.
type recorder struct {
	mu      sync.Mutex
	records []event.Record
}

func (r *recorder) observe(rec event.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, rec)
}

func (r *recorder) one(t *testing.T) event.Record {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) != 1 {
		t.Fatalf("%d records, want one: %+v", len(r.records), r.records)
	}
	return r.records[0]
}

// scripted is an Invoker with one answer, which remembers what it was asked.
type scripted struct {
	reply *gateway.Reply
	err   error

	mu     sync.Mutex
	events []*gateway.Event
}

func (s *scripted) Invoke(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, ev)
	return s.reply, s.err
}

func (s *scripted) one(t *testing.T) *gateway.Event {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) != 1 {
		t.Fatalf("the invoker got %d events, want one", len(s.events))
	}
	return s.events[0]
}

func small(n int) *gateway.LimitSettings { return &gateway.LimitSettings{MaxBodyBytes: &n} }

func shop(t testing.TB) *router.Live {
	routes := map[gateway.RouteKey]*gateway.Integration{
		"GET /pets/{id}": nil, "POST /pets": nil, "ANY /all/{proxy+}": nil, "GET /": nil,
		"POST /one": {Type: gateway.IntegrationNATS, PayloadFormatVersion: "1.0"},
		"POST /two": {Type: gateway.IntegrationNATS, PayloadFormatVersion: "2.0"},
	}
	return liveTable(
		compileHTTP(t, "shop", "dev", small(1000), routes),
		compileHTTP(t, "store", gateway.StageDefault, nil, map[gateway.RouteKey]*gateway.Integration{gateway.RouteDefault: nil}),
		compileWS(t, "chat", "dev", nil),
	)
}

// do sends one request through a front to a scripted backend.
func do(t *testing.T, invoker gateway.Invoker, r *http.Request) (*http.Response, string, event.Record) {
	t.Helper()
	var seen recorder
	front := newHTTPFront(httpConfig{Live: shop(t), Invoker: invoker, Observe: seen.observe})
	w := httptest.NewRecorder()
	front.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body), seen.one(t)
}

func TestRequestBecomesEvent(t *testing.T) {
	backend := &scripted{reply: &gateway.Reply{Status: 201, Header: gateway.Header{"content-type": {"text/css"}, "X-Two": {"a", "b"}}, Body: []byte("done")}}
	r := httptest.NewRequest("POST", "http://shop.localhost:8080/dev/all/x%2Fy/z%20?q=1&q=%202", strings.NewReader("body"))
	r.RemoteAddr = "[::ffff:192.0.2.7]:4711"
	r.Header = http.Header{
		"Content-Type": {"text/plain"}, "X-Two": {"1", "2"}, "User-Agent": {"test/1"}, "Connection": {"close, X-Mine"}, "X-Mine": {"here"},
		"Keep-Alive": {"1"}, "Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"}, "Te": {"trailers"}, "Proxy-Authorization": {"secret"},
		"Expect": {"100-continue"}, "Sallyport-Status": {"500"}, "Nats-Trace-Dest": {"x"}, "Status": {"503"}, "Description": {"d"},
	}
	res, body, record := do(t, backend, r)

	if res.StatusCode != 201 || body != "done" || res.Header.Get("Content-Type") != "text/css" || res.Header.Get("Content-Length") != "4" {
		t.Errorf("answer %d %q %v", res.StatusCode, body, res.Header)
	}
	if diff := cmp.Diff([]string{"a", "b"}, res.Header["X-Two"]); diff != "" {
		t.Error(diff)
	}
	ev := backend.one(t)
	if id := res.Header.Get("apigw-requestid"); id == "" || id != string(ev.Request) || gateway.RequestID(id) != record.Request {
		t.Errorf("request ids: header %q, event %q, record %q", id, ev.Request, record.Request)
	}
	want := gateway.Header{"Host": {"shop.localhost:8080"}, "Content-Type": {"text/plain"}, "X-Two": {"1", "2"}, "User-Agent": {"test/1"}}
	if diff := cmp.Diff(want, ev.Header); diff != "" {
		t.Errorf("event header (-want +got):\n%s", diff)
	}
	if ev.Kind != gateway.EventRequest || ev.API != "shop" || ev.Stage != "dev" || ev.Route != "ANY /all/{proxy+}" ||
		ev.Subject != "test.shop.dev.ANY /all/{proxy+}" || ev.Expect != gateway.ExpectReply || ev.Timeout != 30*time.Second || string(ev.Body) != "body" {
		t.Errorf("event %+v", ev)
	}
	c, err := event.Parse(ev.Context)
	if err != nil {
		t.Fatal(err)
	}
	if c.Method != "POST" || c.Path != "/dev/all/x%2Fy/z%20" || c.RawQueryString != "q=1&q=%202" || c.DomainName != "shop.localhost" ||
		c.PathParameters["proxy"] != "x/y/z " || c.Identity.SourceIP != "192.0.2.7" || c.Identity.UserAgent != "test/1" ||
		c.StageVariables["env"] != "test" || c.DeploymentID != "d-1" || c.RouteKey != "ANY /all/{proxy+}" || c.Protocol != "HTTP/1.1" {
		t.Errorf("context %s", ev.Context)
	}
	if record.Kind != event.KindRequest || record.Status != 201 || record.BytesIn != 4 || record.BytesOut != 4 || record.Route != ev.Route ||
		record.Method != "POST" || record.Code != "" || record.Path != "/dev/all/x%2Fy/z%20" {
		t.Errorf("record %+v", record)
	}
}

func TestAddressForms(t *testing.T) {
	for _, test := range []struct{ url, path string }{
		{"http://shop.localhost/dev/pets/1", "/dev/pets/1"},
		{"http://127.0.0.1:8080/shop/dev/pets/1", "/dev/pets/1"},
		{"http://any/shop/dev", "/dev"},
		{"http://any/shop/dev/", "/dev/"},
		{"http://any/store/x/y", "/x/y"},
		{"http://store.localhost", "/"},
		{"http://store.localhost/", "/"},
	} {
		backend := &scripted{reply: &gateway.Reply{}}
		res, _, _ := do(t, backend, httptest.NewRequest("GET", test.url, nil))
		if res.StatusCode != 200 {
			t.Errorf("%s: status %d", test.url, res.StatusCode)
			continue
		}
		if c, err := event.Parse(backend.one(t).Context); err != nil || c.Path != test.path {
			t.Errorf("%s: path %q, want %q (%v)", test.url, c.Path, test.path, err)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	long := strings.Repeat("x", maxHeadBytes)
	for _, test := range []struct {
		name, method, url, header string
		status                    int
		body, route               string
		code                      gateway.Code
	}{
		{"no route", "GET", "http://shop.localhost/dev/none", "", 404, `{"message":"Not Found"}`, "", gateway.CodeNotFound},
		{"no method", "DELETE", "http://shop.localhost/dev/pets", "", 404, `{"message":"Not Found"}`, "", gateway.CodeNotFound},
		{"no stage", "GET", "http://shop.localhost/prod/pets/1", "", 404, `{"message":"Not Found"}`, "", gateway.CodeNotFound},
		{"no stage in path style", "GET", "http://any:1/shop/prod", "", 404, `{"message":"Not Found"}`, "", gateway.CodeNotFound},
		{"unknown API", "GET", "http://any/nobody/dev", "", 403, `{"message":"Forbidden"}`, "", gateway.CodeForbidden},
		{"unknown host", "GET", "http://nobody.localhost/", "", 403, `{"message":"Forbidden"}`, "", gateway.CodeForbidden},
		{"WebSocket API", "GET", "http://chat.localhost/dev", "", 426, `{"message":"Upgrade Required"}`, "", gateway.CodeBadRequest},
		{"WebSocket API, any path", "POST", "http://any/chat/prod/x", "", 426, `{"message":"Upgrade Required"}`, "", gateway.CodeBadRequest},
		{"header too large", "GET", "http://shop.localhost/dev/pets/1", long, 431, `{"message":"Request Header Fields Too Large"}`, "", gateway.CodeTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.url, nil)
			if test.header != "" {
				r.Header.Set("X-Long", test.header)
			}
			backend := &scripted{}
			res, body, record := do(t, backend, r)
			if res.StatusCode != test.status || body != test.body || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %d %s %v", res.StatusCode, body, res.Header)
			}
			if len(backend.events) > 0 {
				t.Error("the backend was called")
			}
			if record.Code != test.code || record.Status != test.status || record.Error == "" {
				t.Errorf("record %+v", record)
			}
			forbidden := test.status == 403
			if got := asWritten(res.Header, "x-amzn-ErrorType"); forbidden != (len(got) == 1 && got[0] == "ForbiddenException") {
				t.Errorf("x-amzn-ErrorType %q", got)
			}
			if id := asWritten(res.Header, "x-amzn-RequestId"); forbidden && (len(id) != 1 || len(id[0]) != 36) {
				t.Errorf("x-amzn-RequestId %q is no UUID", id)
			}
			if test.status == 426 && res.Header.Get("Upgrade") != "websocket" {
				t.Errorf("no Upgrade header in %v", res.Header)
			}
			if known := res.Header.Get("apigw-requestid") != ""; known != (test.status == 404 || test.status == 431) {
				t.Errorf("apigw-requestid: %v", res.Header)
			}
		})
	}
}

func TestFailedIntegrations(t *testing.T) {
	for _, test := range []struct {
		err    error
		reply  *gateway.Reply
		status int
		body   string
		code   gateway.Code
	}{
		{err: gateway.Errorf(gateway.CodeTimeout, "late"), status: 503, body: `{"message":"Service Unavailable"}`, code: gateway.CodeTimeout},
		{err: gateway.Errorf(gateway.CodeUnavailable, "nobody"), status: 503, body: `{"message":"Service Unavailable"}`, code: gateway.CodeUnavailable},
		{err: gateway.Errorf(gateway.CodeIntegration, "bad"), status: 500, body: `{"message":"Internal Server Error"}`, code: gateway.CodeIntegration},
		{err: errors.New("secret cause"), status: 500, body: `{"message":"Internal Server Error"}`, code: gateway.CodeInternal},
		{reply: &gateway.Reply{Status: 101}, status: 500, body: `{"message":"Internal Server Error"}`, code: gateway.CodeIntegration},
		{reply: &gateway.Reply{Status: 600}, status: 500, body: `{"message":"Internal Server Error"}`, code: gateway.CodeIntegration},
		{reply: &gateway.Reply{Status: -1}, status: 500, body: `{"message":"Internal Server Error"}`, code: gateway.CodeIntegration},
	} {
		res, body, record := do(t, &scripted{reply: test.reply, err: test.err}, httptest.NewRequest("GET", "http://shop.localhost/dev/pets/1", nil))
		if res.StatusCode != test.status || body != test.body {
			t.Errorf("%v %+v: got %d %s", test.err, test.reply, res.StatusCode, body)
		}
		if record.Code != test.code || record.Route != "GET /pets/{id}" || strings.Contains(record.Error, "secret") {
			t.Errorf("%v: record %+v", test.err, record)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	for _, test := range []struct {
		bytes  int
		length bool
		status int
	}{{1000, true, 200}, {1001, true, 413}, {1000, false, 200}, {1001, false, 413}} {
		backend := &scripted{reply: &gateway.Reply{}}
		r := httptest.NewRequest("POST", "http://shop.localhost/dev/pets", strings.NewReader(strings.Repeat("x", test.bytes)))
		if !test.length {
			r.ContentLength = -1
		}
		res, body, _ := do(t, backend, r)
		if res.StatusCode != test.status {
			t.Errorf("%d bytes, length %v: status %d", test.bytes, test.length, res.StatusCode)
		}
		if test.status == 413 && body != `{"message":"Request Entity Too Large"}` {
			t.Errorf("body %s", body)
		}
		if test.status == 200 && len(backend.one(t).Body) != test.bytes {
			t.Errorf("the backend got %d bytes", len(backend.one(t).Body))
		}
	}
}

func TestShortBody(t *testing.T) {
	r := httptest.NewRequest("POST", "http://shop.localhost/dev/pets", strings.NewReader("xx"))
	r.ContentLength = 5
	if res, body, _ := do(t, &scripted{}, r); res.StatusCode != 400 || body != `{"message":"Bad Request"}` {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
}

func TestReplyHeaders(t *testing.T) {
	backend := &scripted{reply: &gateway.Reply{Status: 200, Body: []byte("<html>"), Header: gateway.Header{
		"set-cookie": {"a=1", "b=2"}, "Connection": {"close, x-mine"}, "X-Mine": {"1"}, "Transfer-Encoding": {"chunked"}, "Keep-Alive": {"x"},
		"content-length": {"999"}, "DATE": {"yesterday"}, "sallyport-status": {"500"}, "Nats-X": {"1"}, "apigw-requestid": {"forged"},
		"X-Ok": {"1"}, "x-ok": {"2"}, "Trailer:X": {"1"},
	}}}
	res, body, _ := do(t, backend, httptest.NewRequest("GET", "http://shop.localhost/dev/pets/1", nil))
	id := res.Header.Get("apigw-requestid")
	if body != "<html>" || id == "forged" {
		t.Errorf("%s %s", body, id)
	}
	got := res.Header
	for _, name := range []string{"Connection", "X-Mine", "Transfer-Encoding", "Keep-Alive", "Date", "Sallyport-Status", "Nats-X", "Trailer:x", "Content-Type"} {
		if v, ok := got[name]; ok && len(v) > 0 {
			t.Errorf("%s: %q went to the client", name, v)
		}
	}
	if got.Get("Content-Length") != "6" || len(got["X-Ok"]) != 2 {
		t.Errorf("headers %v", got)
	}
	if diff := cmp.Diff([]string{"a=1", "b=2"}, got["Set-Cookie"]); diff != "" {
		t.Error(diff)
	}
}

// TestOverTheWire checks what only a real connection shows: the bytes of bodiless answers, and keep-alive after them.
func TestOverTheWire(t *testing.T) {
	replies := map[string]*gateway.Reply{
		"/all/empty":  {Status: 204, Body: []byte("ignored")},
		"/all/same":   {Status: 304, Header: gateway.Header{"ETag": {"x"}}, Body: []byte("ignored")},
		"/all/text":   {Status: 200, Body: []byte("text")},
		"/all/length": {Status: 200, Header: gateway.Header{"content-length": {"77"}}},
	}
	front := newHTTPFront(httpConfig{Live: shop(t), Invoker: gateway.InvokerFunc(func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		c, err := event.Parse(ev.Context)
		return replies[strings.TrimPrefix(c.Path, "/dev")], err
	})})
	server := httptest.NewServer(front)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, test := range []struct {
		method, path, length, body string
		status                     int
	}{
		{"GET", "/all/empty", "", "", 204},
		{"GET", "/all/same", "", "", 304},
		{"HEAD", "/all/text", "4", "", 200},
		{"HEAD", "/all/length", "77", "", 200},
		{"HEAD", "/none", "23", "", 404},
		{"GET", "/all/text", "4", "text", 200},
	} {
		if _, err := fmt.Fprintf(conn, "%s /shop/dev%s HTTP/1.1\r\nHost: x\r\n\r\n", test.method, test.path); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(in, &http.Request{Method: test.method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != test.status || string(body) != test.body || res.Header.Get("Content-Length") != test.length {
			t.Errorf("%s %s: %d %q %v %v", test.method, test.path, res.StatusCode, body, res.Header, err)
		}
	}
}

func TestClientThatLeaves(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	leave := gateway.InvokerFunc(func(ctx context.Context, _ *gateway.Event) (*gateway.Reply, error) {
		cancel()
		<-ctx.Done() // the invoker hears of it
		return nil, gateway.Errorf(gateway.CodeInternal, "canceled").Because(ctx.Err())
	})
	_, _, record := do(t, leave, httptest.NewRequest("GET", "http://shop.localhost/dev/pets/1", nil).WithContext(ctx))
	if record.Status != statusClientGone {
		t.Errorf("record %+v", record)
	}
}

func TestObservingAndMetrics(t *testing.T) {
	var seen recorder
	var measured []httpMeasure
	looking := false
	clock := time.UnixMilli(1_000)
	front := newHTTPFront(httpConfig{
		Live: shop(t),
		Invoker: gateway.InvokerFunc(func(context.Context, *gateway.Event) (*gateway.Reply, error) {
			clock = clock.Add(40 * time.Millisecond)
			return &gateway.Reply{}, nil
		}),
		Observe: seen.observe, Observing: func() bool { return looking }, Now: func() time.Time { return clock },
		Metrics: httpMetrics{Request: func(_ context.Context, m httpMeasure) { measured = append(measured, m) }},
	})
	for _, method := range []string{"GET", "BREW"} {
		front.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "http://any/store/x", nil))
		looking = true
	}
	if record := seen.one(t); record.Method != "BREW" || record.Latency != 40*time.Millisecond {
		t.Errorf("record %+v", record)
	}
	if len(measured) != 2 || measured[0].Method != "GET" || measured[1].Method != otherMethod || measured[1].Integration != 40*time.Millisecond {
		t.Errorf("measured %+v", measured)
	}
}

func TestPeerIP(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.1:5": "192.0.2.1", "[fe80::1%eth0]:5": "fe80::1", "pipe": "pipe", "host:1": "host"} {
		if got := peerIP(in); got != want {
			t.Errorf("peerIP(%q) = %q, want %q", in, got, want)
		}
	}
}

// discardWriter is a ResponseWriter that keeps nothing.
type discardWriter struct{ h http.Header }

func (d discardWriter) Header() http.Header         { return d.h }
func (d discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (d discardWriter) WriteHeader(int)             {}

func benchRequest(t testing.TB) func() {
	front := newHTTPFront(httpConfig{Live: shop(t), Invoker: &quiet{&gateway.Reply{Body: []byte("x")}}})
	r := httptest.NewRequest("GET", "http://shop.localhost/dev/pets/1", nil)
	r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"test/1"}}
	w := discardWriter{http.Header{}}
	return func() {
		clear(w.h)
		front.ServeHTTP(w, r)
	}
}

// quiet is an Invoker that remembers nothing.
type quiet struct{ reply *gateway.Reply }

func (q *quiet) Invoke(context.Context, *gateway.Event) (*gateway.Reply, error) { return q.reply, nil }

// maxRequestAllocs is what a small request may cost beside net/http: 19 now, and some air for the race detector.
const maxRequestAllocs = 25

func TestRequestAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, benchRequest(t)); n > maxRequestAllocs {
		t.Errorf("%v allocations, want at most %d", n, maxRequestAllocs)
	}
}

func BenchmarkRequest(b *testing.B) {
	request := benchRequest(b)
	b.ReportAllocs()
	for b.Loop() {
		request()
	}
}
