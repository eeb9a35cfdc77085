package control

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, so that a server runs in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial opens a connection. It returns when the server has accepted it.
func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	p.conns <- server
	return client
}

// get opens a connection and sends a GET.
func (p *pipes) get(t *testing.T, path string) net.Conn {
	t.Helper()
	client := p.dial(t)
	if _, err := io.WriteString(client, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return client
}

// serve runs a server on pipes. stop ends it and returns when Serve has.
func serve(t *testing.T, c Config) (listener *pipes, stop func()) {
	t.Helper()
	c.Ready = ready
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	listener = &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.listener = listener
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return listener, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestTailOutlivesTheTimeLimits proves that a stream is not ended by the limits of short answers: two hours of silence,
// then an event.
func TestTailOutlivesTheTimeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := newEvents()
		listener, stop := serve(t, Config{Access: AccessOpen, Subscribe: script.subscribe})
		client := listener.get(t, "/v1/tail")
		got, ended := make(chan string, 1), make(chan error, 1)
		go func() {
			response, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				ended <- err
				return
			}
			defer response.Body.Close() //nolint:errcheck // only read
			lines := bufio.NewScanner(response.Body)
			for lines.Scan() {
				if line := lines.Text(); line != "" {
					got <- line
				}
			}
			ended <- lines.Err()
		}()
		events := <-script.opened
		<-time.After(2 * time.Hour)
		events.lines <- []byte(`{"late":true}`)
		select {
		case line := <-got:
			if line != `{"late":true}` {
				t.Errorf("line %q", line)
			}
		case err := <-ended:
			t.Fatalf("the stream ended: %v", err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the stream was cut: %v", err)
		}
	})
}

// TestReaderThatTakesNothing proves that a stream ends when its reader stands still.
func TestReaderThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := newEvents()
		listener, stop := serve(t, Config{Access: AccessOpen, Subscribe: script.subscribe})
		listener.get(t, "/v1/tail") // nothing is read of the answer
		events := <-script.opened
		began := time.Now()
		<-events.ctx.Done()
		if took := time.Since(began); took != lineTimeout {
			t.Errorf("given up after %v, want %v", took, lineTimeout)
		}
		stop()
	})
}

// TestHalfARequest proves that a client that never finishes its request's head is dropped.
func TestHalfARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener, stop := serve(t, Config{})
		client := listener.dial(t)
		if _, err := io.WriteString(client, "GET /healthz HTTP/1.1\r\nHost:"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, _ = io.Copy(io.Discard, client) // ends when the server closes
		if took := time.Since(began); took != headerTimeout {
			t.Errorf("dropped after %v, want %v", took, headerTimeout)
		}
		stop()
	})
}

// TestStopIsBounded stops a server whose callback would never end, beside a client that says nothing.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered := make(chan struct{})
		listener, stop := serve(t, Config{
			IsCallback: isCallback,
			Callbacks: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(entered)
				<-r.Context().Done()
			}),
		})
		silent := listener.dial(t)
		listener.get(t, "/@connections/x")
		<-entered
		began := time.Now()
		stop()
		if took := time.Since(began); took != shutdownGrace {
			t.Errorf("stopping took %v, want %v", took, shutdownGrace)
		}
		if _, err := silent.Read(make([]byte, 1)); err == nil {
			t.Error("the silent connection is still open")
		}
	})
}

func BenchmarkTailLine(b *testing.B) {
	out := newLines(nullWriter{header: http.Header{}})
	line := []byte(`{"time":"2026-01-02T03:04:05Z","api":"chat","stage":"dev","route":"send","kind":"MESSAGE","latencyMs":0.5}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := out.compact(line); err != nil {
			b.Fatal(err)
		}
	}
}

type nullWriter struct{ header http.Header }

func (w nullWriter) Header() http.Header         { return w.header }
func (w nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w nullWriter) WriteHeader(int)             {}
