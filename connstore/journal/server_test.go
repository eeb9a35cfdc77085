package journal

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/connstore/connstoretest"
	"github.com/sallyport/sallyport/gateway"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience bounds each wait of a test.
const patience = 20 * time.Second

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// startServer runs an embedded server with JetStream in dir, without a listener. Its stop may be called early.
func startServer(t testing.TB, dir string) (s *server.Server, stop func()) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "journal-test", DontListen: true, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
		MaxPayload: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the embedded server does not start")
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
	}
	t.Cleanup(stop)
	return s, stop
}

// connectTo opens a connection to whatever server get returns, now and after each loss, as a TCP client would at one
// address.
func connectTo(t testing.TB, get func() *server.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(provider(get)), nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

type captured struct {
	mu      sync.Mutex
	records []string
}

func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, string(p))
	return len(p), nil
}

func (c *captured) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.records...)
}

// testTiming refreshes often, so that a lost lease is noticed within a test's patience.
func testTiming() Timing {
	return Timing{Refresh: 50 * time.Millisecond, Probe: time.Millisecond}
}

func nobody(context.Context, gateway.EdgeID) (bool, error) { return false, nil }

// openStore opens a Store that the test closes. change may be nil.
func openStore(t testing.TB, nc *nats.Conn, change func(*Config)) *Store {
	t.Helper()
	cfg := Config{Conn: nc, Prefix: "sallyport", Alive: nobody, Timing: testTiming()}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(deadline(t), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func claimed(t testing.TB, s *Store, node string) *journal {
	t.Helper()
	j, err := s.Claim(deadline(t), node)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	return j.(*journal)
}

func newConn(edge gateway.EdgeID) *gateway.Connection {
	c := sample()
	c.ID = gateway.NewConnectionID(edge)
	return c
}

// expire writes the marker that the server writes when a lease's TTL passes.
func expire(t *testing.T, nc *nats.Conn, edge gateway.EdgeID) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	m := nats.NewMsg("$KV.sallyport-leases." + string(edge))
	m.Header.Set(jetstream.MarkerReasonHeader, "MaxAge")
	if _, err := js.PublishMsg(deadline(t), m); err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	connstoretest.Run(t, func(t *testing.T) connstoretest.World {
		srv, _ := startServer(t, t.TempDir())
		get := func() *server.Server { return srv }
		return connstoretest.World{
			Open: func(t *testing.T, alive connstore.Alive) connstore.Store {
				return openStore(t, connectTo(t, get), func(c *Config) { c.Alive = alive })
			},
			Expire: func(t *testing.T, edge gateway.EdgeID) { expire(t, connectTo(t, get), edge) },
		}
	})
}

func logTo(c *captured) *slog.Logger { return slog.New(slog.NewTextHandler(c, nil)) }
