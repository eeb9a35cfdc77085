package integrationstest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// HTTPBackend is a real HTTP server on loopback that behaves as it is told: the backend of the kinds that speak HTTP.
type HTTPBackend struct {
	// URL is where it listens, without a trailing slash.
	URL string

	behaviour atomic.Value // Behaviour
	answer    func(body []byte) (contentType string, text string)
	flood     func() string
	taken     chan struct{}
	over      chan struct{} // closed when the test ends: lets hanging handlers go
}

// HTTPAnswers says what the backend answers; the rest it knows.
type HTTPAnswers struct {
	// Success is the good answer to a request with that body.
	Success func(body []byte) string
	// Flood is a well-formed answer over the route's limit.
	Flood func() string
	// ContentType of both.
	ContentType string
}

// NewHTTPBackend starts a backend that ends with t. transport reaches it, or, while it is Gone, a port where nobody
// listens: the refusal is the kernel's own.
func NewHTTPBackend(t *testing.T, a HTTPAnswers, transport *http.Transport) *HTTPBackend {
	t.Helper()
	b := &HTTPBackend{
		answer: func(body []byte) (string, string) { return a.ContentType, a.Success(body) },
		flood:  a.Flood,
		taken:  make(chan struct{}, 1),
		over:   make(chan struct{}),
	}
	b.behaviour.Store(Succeeds)
	server := httptest.NewServer(b)
	b.URL = server.URL
	closed := closedPort(t)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if b.behaviour.Load() == Gone {
			address = closed
		}
		return dial(ctx, network, address)
	}
	t.Cleanup(func() {
		close(b.over)
		transport.CloseIdleConnections()
		server.Close() // waits for every handler
	})
	return b
}

// closedPort returns an address whose port was free a moment ago and is refused.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Behave sets what happens to requests from now on.
func (b *HTTPBackend) Behave(behaviour Behaviour) { b.behaviour.Store(behaviour) }

// Taken returns a channel that gets a value when a request has begun to hang.
func (b *HTTPBackend) Taken() <-chan struct{} { return b.taken }

// ServeHTTP is the backend.
func (b *HTTPBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	behaviour, _ := b.behaviour.Load().(Behaviour)
	switch behaviour {
	case Refuses: // without reading the body
		http.Error(w, "refused", RefusedStatus)
	case Hangs:
		select {
		case b.taken <- struct{}{}:
		default:
		}
		select {
		case <-b.over:
		case <-r.Context().Done():
		}
	case Babbles:
		babble(w)
	case Floods:
		_, _ = io.WriteString(w, b.flood())
	default:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		contentType, text := b.answer(body)
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	}
}

// babble answers with something that is not HTTP.
func babble(w http.ResponseWriter) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // httptest's server can always be hijacked
	}
	_, _ = buffered.WriteString(strings.Repeat("\x16\x03\x01 no HTTP here\r\n", 4))
	_ = buffered.Flush()
	_ = conn.Close()
}
