package test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
)

const (
	// marker is the secret of every test here: in headers, queries and bodies, and in nothing that is exported.
	marker = "0pen-5esame"
	// callerTrace and callerSpan are the trace that a client comes with.
	callerTrace       = "0af7651916cd43dd8448eb211c80319c"
	callerSpan        = "b7ad6b7169203331"
	callerTraceparent = "00-" + callerTrace + "-" + callerSpan + "-01"
)

// traced is a gateway that exports to a collector, with one HTTP backend.
type traced struct {
	*stageGateway
	*otlpCollector
	backend *httptest.Server
	calls   chan http.Header // of the requests that the backend got
}

// startTraced starts a gateway as OTEL_EXPORTER_OTLP_ENDPOINT makes it. {backend} in a definition stands for the
// backend's URL; a call of /call-back answers only after it has posted "pushed" to the connection that its header
// Connectionid names, with the traceparent that it got.
func startTraced(t *testing.T, files map[string]string) *traced {
	t.Helper()
	g := &traced{otlpCollector: startCollector(t), calls: make(chan http.Header, eventBuffer)}
	g.backend = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what was sent is of no interest here
		if r.URL.Path == "/call-back" {
			post, err := http.NewRequestWithContext(r.Context(), http.MethodPost,
				callbackURL(g.Data, "chat/dev", gateway.ConnectionID(r.Header.Get("Connectionid"))), strings.NewReader("pushed"))
			if err != nil {
				t.Errorf("callback: %v", err)
				return
			}
			post.Header.Set("Traceparent", r.Header.Get("Traceparent"))
			if response, err := http.DefaultClient.Do(post); err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("callback: %v, %v", response, err)
			} else {
				_ = response.Body.Close()
			}
		}
		g.calls <- r.Header
		_, _ = io.WriteString(w, "answered") // a caller that left shows elsewhere
	}))
	t.Cleanup(g.backend.Close)
	for name, text := range files {
		files[name] = strings.ReplaceAll(text, "{backend}", g.backend.URL)
	}
	// The exporters read the process's environment, the gateway decides by Config.Getenv.
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", g.url)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	g.stageGateway = startGateway(t, files, func(c *app.Config) { c.Getenv = os.Getenv })
	return g
}

// dialSecretly connects with a trace of the client's own, and with secrets in headers and query.
func dialSecretly(t *testing.T, g *stageGateway, path string) *user {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	header := http.Header{"Authorization": {"Bearer " + marker}, "Cookie": {"s=" + marker}, "Traceparent": {callerTraceparent}}
	conn, _, err := websocket.Dial(ctx, "ws://"+g.Data+path+"?token="+marker, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &user{t, conn}
}

// wantTree waits until the trace has as many spans as want has lines, and compares its drawing.
func (g *traced) wantTree(t *testing.T, traceID, want string) {
	t.Helper()
	g.until(t, "the whole trace\n"+want, func() bool {
		n := 0
		for _, s := range g.spans {
			if s.trace == traceID {
				n++
			}
		}
		return n >= strings.Count(want, "\n")
	})
	if diff := cmp.Diff(want, g.tree(traceID)); diff != "" {
		t.Errorf("the trace (-want +got):\n%s", diff)
	}
}

// edgeToken is an edge's id in a subject.
var edgeToken = regexp.MustCompile(`@connections\.[A-Za-z0-9_-]{4}\.`)

// wantAttributes compares all attributes of a span; ids stand as <id>, the gateway's and the backend's port as <port>.
func (g *traced) wantAttributes(t *testing.T, s *exportedSpan, want ...string) {
	t.Helper()
	_, port, _ := strings.Cut(g.Data, ":")
	_, backendPort, _ := strings.Cut(strings.TrimPrefix(g.backend.URL, "http://"), ":")
	var got []string
	for k, v := range s.attributes {
		if k == "server.port" && (v == port || v == backendPort) {
			v = "<port>"
		}
		if k == "messaging.destination.name" {
			v = edgeToken.ReplaceAllString(v, "@connections.<edge>.")
		}
		got = append(got, k+"="+steady(v))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s span %q (-want +got):\n%s", s.kind, s.name, diff)
	}
}

// span returns the one span of a trace with that kind and name.
func (g *traced) span(t *testing.T, traceID, kind, name string) *exportedSpan {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	var found []*exportedSpan
	for _, s := range g.spans {
		if s.trace == traceID && s.kind == kind && s.name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d %s spans %q in %s", len(found), kind, name, traceID)
	}
	if found[0].service != "sallyport" || found[0].end < found[0].start {
		t.Errorf("%s: service %q, %d to %d", found[0], found[0].service, found[0].start, found[0].end)
	}
	return found[0]
}

// stopAndLookForSecrets ends the gateway, so that everything is flushed, and searches all that was exported.
func (g *traced) stopAndLookForSecrets(t *testing.T) {
	t.Helper()
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if strings.Contains(g.raw.String(), marker) {
		t.Error("a secret was exported")
	}
	if !strings.Contains(g.raw.String(), "deployment.environment.name") {
		t.Error("OTEL_RESOURCE_ATTRIBUTES is not in what was exported")
	}
}
