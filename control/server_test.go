package control

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "Ready") {
		t.Errorf("without Ready: %v", err)
	}
	if _, err := New(Config{Ready: ready, Callbacks: http.NotFoundHandler()}); err == nil || !strings.Contains(err.Error(), "IsCallback") {
		t.Errorf("without IsCallback: %v", err)
	}
}

func TestListenErrorsNameTheFlag(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test ends
	for address, want := range map[string]string{
		taken.Addr().String(): "the port is in use",
		"8081":                "not an address to listen on",
		"127.0.0.1:99999":     "not an address to listen on",
		"192.0.2.1:8081":      "this machine does not have that address",
	} {
		s, err := New(Config{Listen: address, Ready: ready})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.Listen(); err == nil || !strings.HasPrefix(err.Error(), "--admin "+address+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
		if err := s.Serve(t.Context()); err == nil {
			t.Errorf("%s: serves without a listener", address)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCloseWithoutServe(t *testing.T) {
	s, err := New(Config{Listen: "127.0.0.1:0", Ready: ready})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := net.Listen("tcp", addr.String())
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	_ = again.Close()
}

func TestServeOfAnEndedContext(t *testing.T) {
	s, err := New(Config{Listen: "127.0.0.1:0", Ready: ready})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
}

// TestStopWaitsForExchanges stops a server with one callback under way, which gets its answer.
func TestStopWaitsForExchanges(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, Config{
		IsCallback: isCallback,
		Callbacks: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-leave
			_, _ = io.WriteString(w, "done")
		}),
	})
	_, answers := rawGet(t, r.addr, "/@connections/x")
	<-entered
	r.stop()
	go func() { // the port closes before the exchange ends
		for {
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				close(leave)
				return
			}
			_ = conn.Close()
		}
	}()
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "done" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	r := start(t, Config{})
	if status, _, _ := r.ask(t, "GET", "/healthz", "X-Large", strings.Repeat("x", 2*maxHeaderBytes)); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", status)
	}
}
