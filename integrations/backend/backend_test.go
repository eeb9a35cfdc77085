package backend_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	api "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 1000

func newClient(t *testing.T, c backend.Config) *backend.Client {
	t.Helper()
	client := backend.New(c)
	t.Cleanup(client.Close)
	return client
}

func request(t *testing.T, method, rawURL string) *http.Request {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Request{Method: method, URL: u, Header: http.Header{}}
}

// listener takes one connection after another and gives each to serve with the first line of its request read.
func listener(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadString('\n') // what was sent matters to nobody
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

func TestFailures(t *testing.T) {
	says := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text) }
	}
	tests := map[string]struct {
		serve func(net.Conn)
		want  gateway.Code
	}{
		"closes":            {func(net.Conn) {}, gateway.CodeIntegration},
		"garbage":           {says("SSH-2.0-OpenSSH_9.2\r\n"), gateway.CodeIntegration},
		"half a head":       {says("HTTP/1.1 200 OK\r\nContent-Le"), gateway.CodeIntegration},
		"half a body":       {says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), gateway.CodeIntegration},
		"bad chunk":         {says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), gateway.CodeIntegration},
		"bad status":        {says("HTTP/1.1 abc\r\n\r\n"), gateway.CodeIntegration},
		"huge header":       {says("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), gateway.CodeIntegration},
		"says too much":     {says("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"), gateway.CodeIntegration},
		"chunks too much":   {says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n"), gateway.CodeIntegration},
		"streams too much":  {says("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1001)), gateway.CodeIntegration},
		"switches protocol": {says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), gateway.CodeIntegration},
		"just enough":       {says("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1000)), ""},
		"no body":           {says("HTTP/1.1 204 No Content\r\n\r\n"), ""},
		"early hints":       {says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			target := listener(t, test.serve)
			_, err := newClient(t, backend.Config{}).Do(t.Context(), request(t, "POST", target), []byte("x"), limit)
			if got := gateway.ErrorCode(err); got != test.want {
				t.Fatalf("error %v, want code %q", err, test.want)
			}
			var known *gateway.Error
			if err != nil && (!errors.As(err, &known) || known.Cause == nil || strings.Contains(known.Message, "127.0.0.1")) {
				t.Errorf("error %v has no cause, or its message says where", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	encrypted := httptest.NewUnstartedServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshake that has to fail
	encrypted.StartTLS()
	defer encrypted.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := free.Addr().String()
	_ = free.Close()
	for name, target := range map[string]string{
		"refused":         "http://" + refused,
		"unknown host":    "http://no-such-host.invalid",
		"HTTP, not TLS":   strings.Replace(plain.URL, "http:", "https:", 1),
		"bad certificate": encrypted.URL,
		"impossible port": "http://127.0.0.1:99999",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, backend.Config{}).Do(t.Context(), request(t, "GET", target), nil, limit)
			if got := gateway.ErrorCode(err); got != gateway.CodeUnavailable {
				t.Errorf("error %v, want unavailable", err)
			}
		})
	}
}

// TestDialTimeoutIsNotTheBackends: a dial that took too long within the route's time means unreachable.
func TestDialTimeoutIsNotTheBackends(t *testing.T) {
	transport := backend.NewTransport()
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
	}
	_, err := newClient(t, backend.Config{Transport: transport}).Do(t.Context(), request(t, "GET", "http://h/"), nil, limit)
	if gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("error %v, want unavailable", err)
	}
}

// TestStaleConnection: a connection that the backend closed while it was idle is replaced, at least where a second
// attempt can't have a second effect.
func TestStaleConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	client := newClient(t, backend.Config{})
	for range 5 {
		answer, err := client.Do(t.Context(), request(t, "GET", server.URL), []byte("hello"), limit)
		if err != nil || string(answer.Body) != "hello" {
			t.Fatalf("%v, %v", answer, err)
		}
		server.CloseClientConnections()
	}
}

func TestSlowBodyTimesOut(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		<-over
	}))
	defer server.Close()
	defer close(over)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	client := newClient(t, backend.Config{})
	if _, err := client.Do(ctx, request(t, "GET", server.URL), nil, limit); gateway.ErrorCode(err) != gateway.CodeTimeout {
		t.Errorf("error %v, want timeout", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	answer, err := client.Do(ctx, request(t, "GET", server.URL), nil, backend.DiscardAnswer)
	if err != nil || answer.Status != 200 {
		t.Errorf("an answer that nobody wants: %v, %v", answer, err)
	}
}

func TestHeadSaysALength(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "123456789")
	}))
	defer server.Close()
	answer, err := newClient(t, backend.Config{}).Do(t.Context(), request(t, "HEAD", server.URL), nil, limit)
	if err != nil || answer.Status != 200 || len(answer.Body) != 0 {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestSpan(t *testing.T) {
	var traceparent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		traceparent = r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
	r := request(t, "POST", server.URL+"/a?token=secret")
	r.Header.Set("Traceparent", "00-11111111111111111111111111111111-2222222222222222-01") // the client's own gives way
	if _, err := newClient(t, backend.Config{TracerProvider: provider}).Do(ctx, r, nil, limit); err != nil {
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans", len(ended))
	}
	span := ended[0]
	if span.Name() != "POST" || span.SpanKind() != api.SpanKindClient || span.Parent().SpanID() != parent.SpanContext().SpanID() ||
		span.Status().Code != codes.Error {
		t.Errorf("span %s %v, parent %s, status %v", span.Name(), span.SpanKind(), span.Parent().SpanID(), span.Status())
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	want := map[attribute.Key]string{
		"http.request.method": "POST", "url.full": server.URL + "/a", "server.address": host, "server.port": port,
		"http.response.status_code": "502", "error.type": "502",
	}
	got := map[attribute.Key]string{}
	for _, a := range span.Attributes() {
		got[a.Key] = a.Value.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if wantParent := "00-" + span.SpanContext().TraceID().String() + "-" + span.SpanContext().SpanID().String() + "-01"; traceparent != wantParent {
		t.Errorf("traceparent %s, want %s", traceparent, wantParent)
	}
}

func TestIdentify(t *testing.T) {
	h := http.Header{}
	backend.Identify(t.Context(), h, "chat")
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(h.Get("X-Amzn-Trace-Id")) {
		t.Errorf("trace id %q", h.Get("X-Amzn-Trace-Id"))
	}
	id, _ := api.TraceIDFromHex("0102030405060708090a0b0c0d0e0f10")
	span, _ := api.SpanIDFromHex("0102030405060708")
	ctx := api.ContextWithSpanContext(t.Context(), api.NewSpanContext(api.SpanContextConfig{TraceID: id, SpanID: span}))
	h = http.Header{"User-Agent": {"curl"}}
	backend.Identify(ctx, h, "chat")
	want := http.Header{
		"User-Agent": {"curl"}, "X-Amzn-Apigateway-Api-Id": {"chat"},
		"X-Amzn-Trace-Id": {"Root=1-01020304-05060708090a0b0c0d0e0f10"},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// FuzzCheckURI: a uri without variables that passes the check can be called once its parameters have values.
func FuzzCheckURI(f *testing.F) {
	for _, seed := range []string{"http://h/{a}?b={c}", "https://{h}/", "${stageVariables.u}/x", "http://u:p@h", "//h", "http://h:{p}/", "http://h?{a}", "a{", "http://[::1]/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if len(backend.CheckURI(uri)) > 0 || strings.ContainsAny(uri, "{}") {
			return
		}
		u, err := backend.ParseURL(uri)
		if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("CheckURI took %q, ParseURL says %v, %v", uri, u, err)
		}
	})
}
