package control

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// TestHealthListenerServesNothingElse: what other machines reach tells of no client and changes nothing, even where the
// configuration has it all.
func TestHealthListenerServesNothingElse(t *testing.T) {
	r := start(t, Config{
		Scope: ScopeHealth, Access: AccessOpen,
		Metrics:     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1")) }),
		Connections: func(context.Context, ConnectionFilter, func(gateway.ConnectionStatus) bool) error { return nil },
		Subscribe:   func(context.Context, TailFilter) (<-chan []byte, error) { return nil, errors.New("closed") },
	})
	for path, want := range map[string]int{
		"/livez": 200, "/healthz": 200, "/readyz": 200, "/metrics": 200,
		"/version": 404, "/v1/connections": 404, "/v1/tail": 404, "/v1/access-keys": 404, "/v1/access-keys/x": 404,
		"/chat/dev/@connections/" + string(testID): 404, "/": 404,
	} {
		if status, body, _ := r.ask(t, "GET", path); status != want {
			t.Errorf("GET %s: %d %s, want %d", path, status, body, want)
		}
	}
	if status, _, _ := r.ask(t, "POST", "/readyz"); status != 405 {
		t.Errorf("POST /readyz: %d", status)
	}
}

func TestHealthListenErrorsNameItsFlag(t *testing.T) {
	s, err := New(Config{Listen: "8082", Scope: ScopeHealth, Ready: ready})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(); err == nil || !strings.HasPrefix(err.Error(), "--health 8082: ") || strings.Contains(err.Error(), "--admin") {
		t.Errorf("%v", err)
	}
}

func TestClientAsksWhetherReady(t *testing.T) {
	var reasons []string
	r := start(t, Config{Ready: func() []string { return reasons }})
	client := r.client(t)
	for _, want := range [][]string{nil, {"NATS is not connected", "the edge has no incarnation"}} {
		reasons = want
		got, err := client.Ready(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("reasons %q, error %v; want %q", got, err, want)
		}
	}
}

// TestClientTellsStrangers: whatever else answers at the address is no gateway that is ready.
func TestClientTellsStrangers(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no such path": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"503 of a proxy": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "try later", http.StatusServiceUnavailable)
		},
		"503 with no reason": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"reasons":[]}`, http.StatusServiceUnavailable)
		},
		"sends one elsewhere": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
	} {
		stranger := httptest.NewServer(answer)
		client, err := NewClient(ClientConfig{Admin: stranger.URL})
		if err != nil {
			t.Fatal(err)
		}
		reasons, err := client.Ready(t.Context())
		var told *gateway.Error
		if !errors.As(err, &told) || len(reasons) > 0 {
			t.Errorf("%s: reasons %q, error %v", name, reasons, err)
		}
		client.Close()
		stranger.Close()
	}
}
