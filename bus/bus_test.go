package bus

import (
	"bytes"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; it is reached only by a failure.
const patience = 10 * time.Second

const testEdge gateway.EdgeID = "AbC_"

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func startNATS(t testing.TB) *Embedded {
	t.Helper()
	e, err := StartEmbedded(EmbeddedConfig{DataDir: t.TempDir(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	return e
}

func connect(t testing.TB, e *Embedded) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), ConnConfig{Embedded: e, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// outside is a NATS client that knows nothing of this package.
func outside(t testing.TB, e *Embedded) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(e.InProcess()), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func newClient(t testing.TB, c ClientConfig) *Client {
	t.Helper()
	if c.Edge == "" {
		c.Edge = testEdge
	}
	client, err := NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func newServer(t testing.TB, c ServerConfig) *Server {
	t.Helper()
	s, err := NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// respond subscribes a backend of the outside.
func respond(t testing.TB, nc *nats.Conn, subject string, f nats.MsgHandler) {
	t.Helper()
	if _, err := nc.QueueSubscribe(subject, "backend", f); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// outcomeOf sends an event and waits for what becomes of it.
func outcomeOf(t testing.TB, s gateway.Sender, ev *gateway.Event) (*gateway.Reply, error) {
	t.Helper()
	type result struct {
		reply *gateway.Reply
		err   error
	}
	answered := make(chan result, 2)
	s.Send(t.Context(), ev, func(r *gateway.Reply, err error) { answered <- result{r, err} })
	r := receive(t, answered)
	return r.reply, r.err
}

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// eventually waits for a condition that no signal tells of.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func wantCode(t testing.TB, err error, code gateway.Code) {
	t.Helper()
	if got := gateway.ErrorCode(err); got != code {
		t.Fatalf("code %q (%v), want %q", got, err, code)
	}
}

const joinSubject = "sallyport.chat.dev.ws.join"

func message(body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "join", Subject: joinSubject,
		Timeout: patience, Connection: gateway.NewConnectionID(testEdge), Request: gateway.NewRequestID(),
		Context: []byte(`{"connectionId":"AbC_xxxxxxxxxxx=","requestId":"ZZZ_xxxxxxxxxxx="}`), Body: []byte(body),
	}
}
