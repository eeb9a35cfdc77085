package journal

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/connstore"
)

func TestOpenRefuses(t *testing.T) {
	srv, _ := startServer(t, t.TempDir())
	nc := connectTo(t, func() *server.Server { return srv })
	good := Config{Conn: nc, Prefix: "sallyport", Alive: nobody}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no connection", func(c *Config) { c.Conn = nil }, "Conn"},
		{"no prefix", func(c *Config) { c.Prefix = "" }, "Prefix"},
		{"no probe", func(c *Config) { c.Alive = nil }, "Alive"},
		{"fence after the lease", func(c *Config) { c.Timing.Fence = time.Minute }, "fenced"},
		{"short lease", func(c *Config) { c.Timing.LeaseTTL = 500 * time.Millisecond }, "fenced"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := good
			tc.change(&cfg)
			if _, err := Open(deadline(t), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %q", err, tc.want)
			}
		})
	}
}

func TestOpenWithoutJetStream(t *testing.T) {
	srv, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	nc := connectTo(t, func() *server.Server { return srv })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, Config{Conn: nc, Prefix: "sallyport", Alive: nobody}); err == nil {
		t.Fatal("a store without JetStream")
	}
}

func TestMaxMessage(t *testing.T) {
	for _, tc := range []struct {
		payload int64
		want    int
	}{
		{1 << 20, batchBytes}, {100 << 10, 99 << 10}, {connstore.MaxRecordBytes, 0},
	} {
		got, err := maxMessage(tc.payload)
		if got != tc.want || (err == nil) != (tc.want != 0) {
			t.Errorf("maxMessage(%d) = %d, %v; want %d", tc.payload, got, err, tc.want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tc := range []struct {
		prefix, domain, configured string
		want                       names
	}{
		{"sallyport", "", "", names{"sallyport-connections", "sallyport-leases", "sallyport.@journal.%.", "$KV.sallyport-leases.", "$KV.sallyport-leases."}},
		{"a.b", "hub", "", names{"a_2Eb-connections", "a_2Eb-leases", "a.b.@journal.hub.", "$KV.a_2Eb-leases.", "$KV.a_2Eb-leases."}},
		{"a_b", "hub", "hub", names{"a_5Fb-connections", "a_5Fb-leases", "a_b.@journal.hub.", "$KV.a_5Fb-leases.", "$JS.hub.API.$KV.a_5Fb-leases."}},
	} {
		if got := namesFor(tc.prefix, tc.domain, tc.configured); got != tc.want {
			t.Errorf("namesFor(%q, %q, %q) = %+v", tc.prefix, tc.domain, tc.configured, got)
		}
	}
	n := namesFor("sallyport", "", "")
	if e, ok := n.edge("sallyport.@journal.%.AbC_"); e != "AbC_" || !ok {
		t.Errorf("edge %q, %v", e, ok)
	}
	for _, bad := range []string{"sallyport.@journal.%.", "sallyport.@journal.%.AbC_.x", "AbC_", ""} {
		if e, ok := n.edge(bad); ok {
			t.Errorf("%q names the edge %q", bad, e)
		}
	}
}

// TestDomain: records and leases go to the JetStream of a domain, addressed or not (nats-facts §10).
func TestDomain(t *testing.T) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "hub", DontListen: true, NoSigs: true, NoLog: true, JetStream: true, JetStreamDomain: "hub", StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	nc := connectTo(t, func() *server.Server { return srv })
	far := openStore(t, nc, func(c *Config) { c.Domain = "hub" })
	near := openStore(t, nc, nil)
	j := claimed(t, far, "n1")
	c := opened(t, j)
	if got, err := near.Edges(deadline(t)); err != nil || len(got) != 1 || got[0] != j.edge {
		t.Errorf("edges seen without the domain: %v, %v", got, err)
	}
	_ = far.Close()
	o, err := near.TakeOver(deadline(t), j.edge, "n1")
	if err != nil || len(o.Connections) != 1 || o.Connections[0].ID != c.ID {
		t.Fatalf("TakeOver: %+v, %v", o, err)
	}
	if err := o.Done(deadline(t)); err != nil {
		t.Error(err)
	}
}

// TestForeignStream: a stream that somebody made under our name for something else is refused, not used.
func TestForeignStream(t *testing.T) {
	srv, _ := startServer(t, t.TempDir())
	nc := connectTo(t, func() *server.Server { return srv })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(deadline(t), jetstream.StreamConfig{Name: "sallyport-connections", Subjects: []string{"other"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(deadline(t), Config{Conn: nc, Prefix: "sallyport", Alive: nobody}); err == nil || !strings.Contains(err.Error(), "allow_rollup") {
		t.Errorf("error %v", err)
	}
}
