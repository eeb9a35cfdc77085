// Package edgetest plays the gateway's edge for tests of NATS backends: a real NATS server in the process, and somebody
// who sends events as an edge does and owns the connections that pushes go to.
package edgetest

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	patience    = 10 * time.Second // far more than anything here takes; a test that waits so long has failed
	retryEvery  = 5 * time.Millisecond
	pushesAhead = 1024 // per connection, so that a game may push while the test looks elsewhere
)

// Edge is the fake edge.
type Edge struct {
	t      testing.TB
	server *server.Server
	nc     *nats.Conn

	mu     sync.Mutex
	pushes map[string]chan string // by connection
	closed map[string]bool
}

// Start runs a NATS server and an edge for the connections of all APIs. Both end with the test.
func Start(t testing.TB) *Edge {
	t.Helper()
	return StartWith(t, &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
}

// StartWith is Start with NATS options of the test's own.
func StartWith(t testing.TB, o *server.Options) *Edge {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS did not start")
	}
	done := make(chan struct{})
	nc, err := nats.Connect(s.ClientURL(), nats.ClosedHandler(func(*nats.Conn) { close(done) }))
	if err != nil {
		t.Fatal(err)
	}
	// Close would leave a push half answered behind, to be reported to a test that is over: drain, and wait for it.
	t.Cleanup(func() {
		if err := nc.Drain(); err != nil {
			nc.Close()
		}
		<-done
	})
	e := &Edge{t: t, server: s, nc: nc, pushes: map[string]chan string{}, closed: map[string]bool{}}
	if _, err := nc.Subscribe("sallyport.*.*.@connections.*", e.push); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return e
}

// URL is where backends connect.
func (e *Edge) URL() string { return e.server.ClientURL() }

// push answers as the owner of the connection does.
func (e *Edge) push(m *nats.Msg) {
	id := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	status := "200"
	e.mu.Lock()
	closed := e.closed[id]
	e.mu.Unlock()
	if closed {
		status = "410"
	} else {
		select {
		case e.queue(id) <- string(m.Data):
		default:
			status = "429"
		}
	}
	if m.Reply == "" {
		return
	}
	reply := nats.NewMsg(m.Reply)
	reply.Header.Set("Sallyport-Status", status)
	if err := e.nc.PublishMsg(reply); err != nil {
		e.t.Errorf("answer to a push: %v", err)
	}
}

func (e *Edge) queue(id string) chan string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pushes[id] == nil {
		e.pushes[id] = make(chan string, pushesAhead)
	}
	return e.pushes[id]
}

// Hangup makes every further push to the connection a 410.
func (e *Edge) Hangup(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed[id] = true
}

// Next returns the next push to a connection.
func (e *Edge) Next(id string) string {
	e.t.Helper()
	select {
	case body := <-e.queue(id):
		return body
	case <-time.After(patience):
		e.t.Fatalf("no push to %s", id)
		return ""
	}
}

// Await returns the first push to a connection that contains text, and skips those before.
func (e *Edge) Await(id, text string) string {
	e.t.Helper()
	for {
		if body := e.Next(id); strings.Contains(body, text) {
			return body
		}
	}
}

// Request sends an event and waits for its reply. A backend that does not listen yet is waited for.
func (e *Edge) Request(route string, context map[string]any, body string) *nats.Msg {
	e.t.Helper()
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		m, err := e.nc.RequestMsg(e.event(route, context, body), patience)
		if err == nil {
			return m
		}
		if !errors.Is(err, nats.ErrNoResponders) || time.Now().After(deadline) {
			e.t.Fatalf("%s: %v", route, err)
		}
	}
}

// Send sends an event that nobody answers.
func (e *Edge) Send(route string, context map[string]any, body string) {
	e.t.Helper()
	if err := e.nc.PublishMsg(e.event(route, context, body)); err != nil {
		e.t.Fatal(err)
	}
}

func (e *Edge) event(route string, context map[string]any, body string) *nats.Msg {
	header, err := json.Marshal(context)
	if err != nil {
		e.t.Fatal(err)
	}
	m := nats.NewMsg("sallyport." + route)
	m.Header.Set("Sallyport-Context", string(header))
	m.Data = []byte(body)
	return m
}

// From is the context of a client's message.
func From(id string) map[string]any { return map[string]any{"connectionId": id} }
