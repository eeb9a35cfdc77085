package test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// The world of the chaos tests: a backend that writes down all it hears, edges in processes of their own, clients that
// write down how they ended. `SALLYPORT_CHAOS=full`, as `task chaos` sets it, makes the tests as long as the guarantees
// say; without it they show the same in less time.

func chaosFull() bool { return os.Getenv("SALLYPORT_CHAOS") == "full" }

// promised is within what time the backend hears of the connections of a node that was lost.
const promised = 20 * time.Second

// lostReason stands in the $disconnect of a connection whose node was lost.
const lostReason = "Gateway node lost"

// chaosChat is a chat whose backend is on NATS; ask answers with the connection's id.
const chaosChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: NATS, timeoutInMillis: 5000}}
  $disconnect: {integration: {type: NATS}}
  ask: {integration: {type: NATS, timeoutInMillis: 5000}, routeResponse: true}
stages: {dev: {}}
`

// heard is one $disconnect as the backend got it.
type heard struct {
	at      time.Time
	message string // its message id
	code    int
	reason  string
}

// notebook is the backend: it lets everybody in, answers "ask" and writes everything down. What it hears of $disconnect it
// passes on to a stream, under the message id that it came with, as docs/guarantees.md advises.
type notebook struct {
	t      *testing.T
	nc     *nats.Conn
	stream jetstream.Stream

	mu          sync.Mutex
	connected   map[gateway.ConnectionID]time.Time
	asked       map[gateway.ConnectionID]time.Time // when it last asked
	disconnects map[gateway.ConnectionID][]heard
	changed     chan struct{} // closed and made anew with each $disconnect
	events      map[gateway.EdgeID]int
	waits       map[gateway.EdgeID]eventWait
	// onLost is told once of a $disconnect with lostReason, and of the edge that told it; nil for nobody.
	onLost func(gateway.EdgeID)
}

// eventWait is for the moment when an edge has sent so many events.
type eventWait struct {
	count int
	come  chan struct{}
}

// afterEvents is closed when the edge has sent so many more events: a moment when it is in the middle of something.
func (b *notebook) afterEvents(edge gateway.EdgeID, count int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := eventWait{count: b.events[edge] + count, come: make(chan struct{})}
	b.waits[edge] = w
	return w.come
}

// countLocked counts an event of the edge that sent it.
func (b *notebook) countLocked(sender gateway.EdgeID) {
	b.events[sender]++
	if w, ok := b.waits[sender]; ok && b.events[sender] >= w.count {
		close(w.come)
		delete(b.waits, sender)
	}
}

// senderOf is the edge that waits for the answer to an event.
func senderOf(m *nats.Msg) gateway.EdgeID {
	edge, _, _ := strings.Cut(strings.TrimPrefix(m.Reply, "sallyport.@edge."), ".")
	return gateway.EdgeID(edge)
}

// farewellStream is the backend's stream of $disconnect events.
const farewellStream = "farewells"

func startNotebook(t *testing.T, list string, replicas int) *notebook {
	t.Helper()
	b := &notebook{
		t: t, nc: connectNATS(t, list), connected: map[gateway.ConnectionID]time.Time{}, asked: map[gateway.ConnectionID]time.Time{},
		disconnects: map[gateway.ConnectionID][]heard{}, changed: make(chan struct{}),
		events: map[gateway.EdgeID]int{}, waits: map[gateway.EdgeID]eventWait{},
	}
	js, err := jetstream.New(b.nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	b.stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: farewellStream, Subjects: []string{"farewell.>"}, Duplicates: 2 * time.Minute, Replicas: replicas,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.nc.QueueSubscribe("sallyport.chat.dev.ws.*", "backend", func(m *nats.Msg) { b.write(js, m) })
	if err == nil {
		err = b.nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *notebook) write(js jetstream.JetStream, m *nats.Msg) {
	c, err := event.Parse([]byte(m.Header.Get("Sallyport-Context")))
	if err != nil {
		b.t.Errorf("the context of an event on %s: %v", m.Subject, err)
		return
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.countLocked(senderOf(m))
	switch c.EventType {
	case event.KindConnect:
		b.connected[c.ConnectionID] = now
		_ = m.Respond(nil) // the client shows whether it came
	case event.KindMessage:
		b.asked[c.ConnectionID] = now
		_ = m.Respond([]byte(c.ConnectionID))
	case event.KindDisconnect:
		h := heard{at: now, message: m.Header.Get(nats.MsgIdHdr), code: c.DisconnectStatusCode, reason: value(c.DisconnectReason)}
		b.disconnects[c.ConnectionID] = append(b.disconnects[c.ConnectionID], h)
		close(b.changed)
		b.changed = make(chan struct{})
		if _, err := js.PublishAsync("farewell."+strings.TrimSuffix(string(c.ConnectionID), "="), m.Data, jetstream.WithMsgID(h.message)); err != nil && !b.nc.IsClosed() { // closed at the end of a test, which ends clients too
			b.t.Errorf("the backend can't keep a $disconnect: %v", err)
		}
		if b.onLost != nil && h.reason == lostReason {
			b.onLost(senderOf(m))
			b.onLost = nil
		}
		_ = m.Respond(nil)
	}
}

// of is what the backend heard of a connection's end.
func (b *notebook) of(id gateway.ConnectionID) []heard {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.disconnects[id])
}

// asksOf is when the backend last got a message of a connection.
func (b *notebook) asksOf(id gateway.ConnectionID) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[id]
}

// open are the connections that the backend knows of and has not heard the end of.
func (b *notebook) open(edges ...gateway.EdgeID) []gateway.ConnectionID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []gateway.ConnectionID
	for id := range b.connected {
		if len(b.disconnects[id]) == 0 && slices.Contains(edges, id.Edge()) {
			ids = append(ids, id)
		}
	}
	return ids
}

// known are all connections of some edges that the backend has let in.
func (b *notebook) known(edges ...gateway.EdgeID) []gateway.ConnectionID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []gateway.ConnectionID
	for id := range b.connected {
		if slices.Contains(edges, id.Edge()) {
			ids = append(ids, id)
		}
	}
	return ids
}

// awaitOne waits until the backend has heard of a connection's end.
func (b *notebook) awaitOne(most time.Duration, id gateway.ConnectionID) {
	b.t.Helper()
	over := time.After(most)
	for {
		b.mu.Lock()
		changed, told := b.changed, len(b.disconnects[id]) > 0
		b.mu.Unlock()
		if told {
			return
		}
		select {
		case <-changed:
		case <-over:
			b.t.Fatalf("after %s the backend has not heard of the end of %s", most, id)
		}
	}
}

// awaitAll waits until the backend has heard of the end of all connections of some edges.
func (b *notebook) awaitAll(most time.Duration, edges ...gateway.EdgeID) {
	b.t.Helper()
	over := time.After(most)
	for {
		b.mu.Lock()
		changed := b.changed
		b.mu.Unlock()
		left := b.open(edges...)
		if len(left) == 0 {
			return
		}
		select {
		case <-changed:
		case <-over:
			b.t.Fatalf("after %s the backend has not heard of the end of %d connections: %v", most, len(left), left)
		}
	}
}

// kept is how many $disconnect events the stream has of each connection.
func (b *notebook) kept() map[string]uint64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info, err := b.stream.Info(ctx, jetstream.WithSubjectFilter("farewell.>"))
	if err != nil {
		b.t.Fatal(err)
	}
	return info.State.Subjects
}

// startEdges starts edges at once, each a process with only that role, and waits until all serve.
func startEdges(t *testing.T, list string, nodes []string, flags ...string) []*gatewayProcess {
	t.Helper()
	file := write(t, t.TempDir(), "chat.yaml", chaosChat)
	var edges []*gatewayProcess
	for _, node := range nodes {
		args := []string{
			"serve", file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats", list, "--node", node, "--roles", "edge",
			"--data", filepath.Join(t.TempDir(), "data"),
		}
		edges = append(edges, runProcess(t, append(args, flags...)...))
	}
	for _, p := range edges {
		p.output.await(t, "/readyz")
		p.Data = p.output.find(`://(127\.0\.0\.1:\d+)/[a-z]`)
		p.Admin = p.output.find(`admin +http://(\S+)`)
		if p.Data == "" || p.Admin == "" {
			t.Fatalf("the start lines do not say where the edge is:\n%s", p.output)
		}
	}
	return edges
}

// errorf is fmt.Errorf, for conditions that are asked for again and again.
func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

func nodeNames(prefix string, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%d", prefix, i))
	}
	return names
}

// seat is a client that writes down what it gets and how it ended.
type seat struct {
	t    *testing.T
	conn *websocket.Conn
	id   gateway.ConnectionID
	got  chan string   // its messages
	end  chan struct{} // closed with the connection
	how  websocket.CloseError
	at   time.Time // of its end
}

// takeSeat connects and asks who it is.
func takeSeat(t *testing.T, address string) *seat {
	t.Helper()
	s, err := trySeat(t, address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// trySeat is takeSeat for clients whose edge may die meanwhile.
func trySeat(t *testing.T, address string) (*seat, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/chat/dev", nil)
	if err != nil {
		return nil, err
	}
	s := &seat{t: t, conn: conn, got: make(chan string, eventBuffer), end: make(chan struct{})}
	t.Cleanup(func() { _ = conn.CloseNow(); <-s.end })
	go s.read()
	s.ask()
	select {
	case text := <-s.got:
		s.id, err = gateway.ParseConnectionID(text)
	case <-s.end:
		err = s.how
	case <-ctx.Done():
		err = ctx.Err()
	}
	return s, err
}

func (s *seat) read() {
	defer close(s.end)
	for {
		_, text, err := s.conn.Read(context.Background()) // ends with the connection
		if err != nil {
			s.at = time.Now()
			asClose(err, &s.how)
			return
		}
		select {
		case s.got <- string(text):
		default:
			s.t.Error("a client got more than a test looks at")
		}
	}
}

// ask sends a message; that its edge has died is no failure.
func (s *seat) ask() {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_ = s.conn.Write(ctx, websocket.MessageText, []byte(`{"action":"ask"}`))
}

// hears returns the next message, as steady shows it, and how long it took.
func (s *seat) hears(most time.Duration) (string, time.Duration) {
	s.t.Helper()
	began := time.Now()
	select {
	case text := <-s.got:
		if text == string(s.id) {
			return "answer", time.Since(began)
		}
		return steady(text), time.Since(began)
	case <-s.end:
		s.t.Fatalf("the client was closed: %v", s.how)
	case <-time.After(most):
		s.t.Fatalf("the client heard nothing for %s", most)
	}
	return "", 0
}

// ended waits for the end of the connection.
func (s *seat) ended(most time.Duration) websocket.CloseError {
	s.t.Helper()
	select {
	case <-s.end:
	case <-time.After(most):
		s.t.Fatalf("after %s the client is still connected", most)
	}
	return s.how
}

// isOpen fails when the connection has ended.
func (s *seat) isOpen() {
	s.t.Helper()
	select {
	case <-s.end:
		s.t.Fatalf("the client was closed: %v", s.how)
	default:
	}
}

// checkEnds holds what the backend heard of some connections to the guarantee: once each, and where twice, then under the
// same message id, of which a stream keeps one. It returns how many were told twice.
func (b *notebook) checkEnds(ids []gateway.ConnectionID) int {
	b.t.Helper()
	twice := 0
	for _, id := range ids {
		all := b.of(id)
		messages := map[string]bool{}
		for _, h := range all {
			messages[h.message] = true
		}
		switch {
		case len(all) == 0:
			b.t.Errorf("%s: its end was never told", id)
		case messages[""] || len(messages) != 1:
			b.t.Errorf("%s: its end was told under the message ids %v", id, slices.Collect(maps.Keys(messages)))
		case len(all) > 1:
			twice++
		}
	}
	return twice
}

// checkStream holds the backend's own stream to it: exactly one event of each connection.
func (b *notebook) checkStream(ids []gateway.ConnectionID) {
	b.t.Helper()
	var kept map[string]uint64
	eventually(b.t, "the stream has an end of each connection", func() error {
		kept = b.kept()
		for _, id := range ids {
			if kept["farewell."+strings.TrimSuffix(string(id), "=")] == 0 {
				return fmt.Errorf("none of %s", id)
			}
		}
		return nil
	})
	for subject, n := range kept {
		if n != 1 {
			b.t.Errorf("the stream has %d events on %s", n, subject)
		}
	}
}

// value is what a text that may be absent says.
func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
