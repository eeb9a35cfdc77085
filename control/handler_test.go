package control

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func isCallback(path string) bool {
	return strings.Contains(path, "/@connections/") || strings.Contains(path, "/%40connections/")
}

func TestHealth(t *testing.T) {
	var missing atomic.Pointer[[]string]
	missing.Store(&[]string{"NATS is not connected", "chat on dev is not compiled"})
	r := start(t, Config{
		Ready:   func() []string { return *missing.Load() },
		Build:   Build{Version: "1.2.3", Commit: "abc", Go: "go1.26"},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1") }),
	})
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/livez", 200, `{"status":"ok"}`},
		{"GET", "/healthz", 200, `{"status":"ok"}`},
		{"HEAD", "/healthz", 200, ``},
		{"GET", "/readyz", 503, `{"message":"not ready","reasons":["NATS is not connected","chat on dev is not compiled"]}`},
		{"GET", "/version", 200, `{"version":"1.2.3","commit":"abc","go":"go1.26"}`},
		{"GET", "/metrics", 200, `up 1`},
		{"GET", "/nothing", 404, `{"message":"Not Found"}`},
		{"GET", "/healthz/", 404, `{"message":"Not Found"}`},
		{"POST", "/healthz", 405, `{"message":"Method Not Allowed"}`},
		{"HEAD", "/v1/tail", 405, ``},
		{"POST", "/shop/prod/@connections/x", 404, `{"message":"Not Found"}`},
	} {
		status, body, header := r.ask(t, test.method, test.path)
		if status != test.status || body != test.body {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, status, body, test.status, test.body)
		}
		if got := header.Get("Content-Type"); test.path != "/metrics" && got != "application/json" {
			t.Errorf("%s %s: Content-Type %q", test.method, test.path, got)
		}
	}
	missing.Store(new([]string))
	if status, body, _ := r.ask(t, "GET", "/readyz"); status != 200 || body != `{"status":"ready"}` {
		t.Errorf("ready: %d %s", status, body)
	}
	// Probes and scrapers use names that only their cluster knows.
	if status, _, _ := r.ask(t, "GET", "/readyz", "Host", "sallyport.svc.cluster.local"); status != 200 {
		t.Errorf("a probe by another name: %d", status)
	}
}

func TestNoMetrics(t *testing.T) {
	if status, _, _ := start(t, Config{}).ask(t, "GET", "/metrics"); status != 404 {
		t.Errorf("status %d", status)
	}
}

func TestCallbacksAreMounted(t *testing.T) {
	r := start(t, Config{
		Access:     AccessOpen,
		IsCallback: isCallback,
		Callbacks: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Method+" "+r.URL.EscapedPath())
		}),
	})
	for _, path := range []string{
		"/@connections/a%3D", "/prod/@connections/a=", "/shop/prod/%40connections/a%3D", "/shop//@connections/x", "/healthz/@connections/../x",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "PATCH"} {
			if status, body, _ := r.ask(t, method, path); status != 200 || body != method+" "+path {
				t.Errorf("%s %s: %d %s", method, path, status, body)
			}
		}
	}
}

func TestWebPagesAreKeptOut(t *testing.T) {
	r := start(t, Config{
		Access:      AccessOpen,
		Hosts:       []string{"Gate.Example.com"},
		IsCallback:  isCallback,
		Callbacks:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		Connections: listOf(),
	})
	const callback = "/prod/@connections/AAAAbbbbccccddd="
	for _, test := range []struct {
		name, method, path string
		headers            []string
		status             int
	}{
		{"a program", "POST", callback, nil, 200},
		{"a program by another name", "POST", callback, []string{"Host", "host.docker.internal:8081"}, 200},
		{"another site's form", "POST", callback, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site's script", "DELETE", callback, []string{"Origin", "http://evil.example"}, 403},
		{"a rebound name", "POST", callback, []string{"Host", "evil.example", "Origin", "http://evil.example"}, 403},
		{"our own page", "POST", callback, []string{"Host", "localhost:8081", "Origin", "http://localhost:8081"}, 200},
		{"list", "GET", "/v1/connections", nil, 200},
		{"list by a rebound name", "GET", "/v1/connections", []string{"Host", "evil.example:8081"}, 403},
		{"list by a name that ends alike", "GET", "/v1/connections", []string{"Host", "evilgate.example.com"}, 403},
		{"list by localhost", "GET", "/v1/connections", []string{"Host", "LOCALHOST.:8081"}, 200},
		{"list by IPv6", "GET", "/v1/connections", []string{"Host", "[::1]:8081"}, 200},
		{"list by IPv6 without port", "GET", "/v1/connections", []string{"Host", "[::1]"}, 200},
		{"list by the domain", "GET", "/v1/connections", []string{"Host", "gate.example.com"}, 200},
		{"list below the domain", "GET", "/v1/connections", []string{"Host", "admin.gate.example.com:81"}, 200},
	} {
		if status, body, _ := r.ask(t, test.method, test.path, test.headers...); status != test.status {
			t.Errorf("%s: %d %s, want %d", test.name, status, body, test.status)
		}
	}
}
