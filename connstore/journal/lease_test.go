package journal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

func awaitLost(t *testing.T, j *journal) {
	t.Helper()
	select {
	case <-j.Lost():
	case <-deadline(t).Done():
		t.Fatal("the journal is not lost")
	}
}

func TestTwoClaimants(t *testing.T) {
	s, nc := one(t, nil)
	stores := []*Store{s, openStore(t, nc, nil), openStore(t, nc, nil)}
	edge := gateway.NewEdgeID()
	var wg sync.WaitGroup
	var won, moved atomic.Int32
	for i := range 12 {
		wg.Go(func() {
			s := stores[i%len(stores)]
			switch _, err := s.tryClaim(deadline(t), edge, s.leaseValue(leaseRecord{Node: "n1"})); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, errMoved):
				moved.Add(1)
			default:
				t.Errorf("claim: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || moved.Load() != 11 {
		t.Errorf("%d won, %d lost; want 1 and 11", won.Load(), moved.Load())
	}
}

// TestClaimOfUsedID: an id whose journal waits for its take-over is not given again.
func TestClaimOfUsedID(t *testing.T) {
	s, nc := one(t, nil)
	j := claimed(t, s, "n1")
	opened(t, j)
	_ = s.Close()
	expire(t, nc, j.edge)
	// The marker itself keeps the id for some time; take it away, as its own end does.
	kv, err := s.js.Stream(deadline(t), "KV_sallyport-leases")
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(deadline(t)); err != nil {
		t.Fatal(err)
	}
	next := openStore(t, nc, nil)
	if _, err := next.tryClaim(deadline(t), j.edge, next.leaseValue(leaseRecord{Node: "n2"})); !errors.Is(err, errMoved) {
		t.Fatalf("claim of an id in use: %v", err)
	}
	if leased, err := next.Leased(deadline(t), j.edge); err != nil || leased {
		t.Errorf("the refused claim left a lease: %v, %v", leased, err)
	}
	if got, err := next.Abandoned(deadline(t), "n2"); err != nil || !slices.Equal(got, []gateway.EdgeID{j.edge}) {
		t.Errorf("abandoned: %v, %v", got, err)
	}
}

// TestRunsOut: the server itself ends the lease of a dead process, and keeps that of a living one.
func TestRunsOut(t *testing.T) {
	brief := func(c *Config) {
		c.Timing = Timing{LeaseTTL: 3 * time.Second, Refresh: 150 * time.Millisecond, Fence: 2500 * time.Millisecond, Probe: time.Millisecond}
	}
	s, nc := one(t, brief)
	dead := claimed(t, s, "n1")
	c := opened(t, dead)
	_ = s.Close()
	living := openStore(t, nc, brief)
	mine := claimed(t, living, "n2")
	// While its former holder's lease runs, nobody else may have it.
	if _, err := living.TakeOver(deadline(t), dead.edge, "n2"); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("take-over before the end of the lease: %v", err)
	}
	awaitCond(t, "the end of the lease", func() bool {
		leased, err := living.Leased(deadline(t), dead.edge)
		return err == nil && !leased
	})
	if l, err := living.leases.read(deadline(t), dead.edge); err != nil || l.state != leaseExpired {
		t.Errorf("the lease reads %v, %v; want expired", l.state, err)
	}
	o, err := living.TakeOver(deadline(t), dead.edge, "n2")
	if err != nil || len(o.Connections) != 1 || o.Connections[0].ID != c.ID {
		t.Fatalf("TakeOver: %+v, %v", o, err)
	}
	// The take-over's own lease is refreshed beyond its TTL, and so is the edge's.
	l, err := living.leases.read(deadline(t), dead.edge)
	if err != nil {
		t.Fatal(err)
	}
	awaitCond(t, "eight refreshes of the take-over", func() bool {
		now, err := living.leases.read(deadline(t), dead.edge)
		if err != nil || now.state != leaseLive {
			t.Fatalf("the take-over's lease reads %v, %v", now.state, err)
		}
		return now.seq > l.seq+16 // the edge's refreshes count in the same stream
	})
	if err := o.Done(deadline(t)); err != nil {
		t.Errorf("Done: %v", err)
	}
	if leased, err := living.Leased(deadline(t), mine.edge); err != nil || !leased {
		t.Errorf("the living edge: leased %v, %v", leased, err)
	}
	awaitCond(t, "the living edge to be healthy", mine.Healthy) // a busy machine may have put off a refresh
}

// TestRetake: after a loss of quorum leases expire under living holders, who may take them back (nats-facts §5.6).
func TestRetake(t *testing.T) {
	s, nc := one(t, nil)
	j := claimed(t, s, "n1")
	expire(t, nc, j.edge)
	awaitCond(t, "the lease to be taken back", func() bool {
		leased, err := s.Leased(deadline(t), j.edge)
		return err == nil && leased
	})
	opened(t, j)
	if j.holder.isLost() {
		t.Error("the journal is lost")
	}
}

func TestLostLease(t *testing.T) {
	for _, tc := range []struct {
		name string
		hurt func(*testing.T, *Store, *nats.Conn, gateway.EdgeID)
	}{
		{"deleted", func(t *testing.T, s *Store, _ *nats.Conn, edge gateway.EdgeID) {
			if err := s.leases.kv.Delete(deadline(t), string(edge)); err != nil {
				t.Fatal(err)
			}
		}},
		{"another's", func(t *testing.T, s *Store, _ *nats.Conn, edge gateway.EdgeID) {
			if _, err := s.leases.kv.Put(deadline(t), string(edge), []byte(`{"v":1,"node":"n2"}`)); err != nil {
				t.Fatal(err)
			}
		}},
		{"junk", func(t *testing.T, s *Store, _ *nats.Conn, edge gateway.EdgeID) {
			if _, err := s.leases.kv.Put(deadline(t), string(edge), []byte(`junk`)); err != nil {
				t.Fatal(err)
			}
		}},
		{"journal purged", func(t *testing.T, s *Store, _ *nats.Conn, edge gateway.EdgeID) {
			if err := s.stream.Purge(deadline(t), jetstream.WithPurgeSubject(s.names.journals+string(edge))); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := new(captured)
			s, nc := one(t, func(c *Config) { c.Logger = logTo(log) })
			j := claimed(t, s, "n1")
			opened(t, j)
			tc.hurt(t, s, nc, j.edge)
			// The purged journal is noticed by writing, the others by the refresh.
			late := newConn(j.edge)
			if err := j.Opened(deadline(t), late); tc.name == "journal purged" && gateway.ErrorCode(err) != gateway.CodeUnavailable {
				t.Errorf("Opened on a purged journal: %v", err)
			}
			awaitLost(t, j)
			if err := j.Release(deadline(t)); !errors.Is(err, connstore.ErrLost) {
				t.Errorf("Release: %v", err)
			}
			awaitCond(t, "the loss to be logged", func() bool {
				return strings.Contains(strings.Join(log.lines(), ""), "is lost")
			})
		})
	}
}

// TestFence: a holder that can't refresh gives up before its lease can run out.
func TestFence(t *testing.T) {
	srv, stop := startServer(t, t.TempDir())
	var current atomic.Pointer[server.Server]
	current.Store(srv)
	s := openStore(t, connectTo(t, current.Load), func(c *Config) {
		c.Timing = Timing{Refresh: 20 * time.Millisecond, Fence: time.Second}
	})
	j := claimed(t, s, "n1")
	c := opened(t, j)
	current.Store(nil)
	stop()
	j.Closed(c.ID) // the writer tries and tries
	select {
	case <-j.Lost():
		t.Fatal("lost at once")
	default:
	}
	awaitLost(t, j)
	select {
	case <-j.written: // also when it was in the middle of an attempt
	case <-deadline(t).Done():
		t.Fatal("the writer of a lost journal goes on")
	}
	if err := *j.holder.reason.Load(); !errors.Is(err, connstore.ErrLost) {
		t.Errorf("reason: %v", err)
	}
	if err := j.Opened(deadline(t), newConn(j.edge)); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("Opened: %v", err)
	}
}

// TestAcknowledgementLost: a message that was stored, but whose acknowledgement never came, is stored once.
func TestAcknowledgementLost(t *testing.T) {
	s, _ := one(t, nil)
	j := claimed(t, s, "n1")
	opened(t, j)
	if err := stopWriter(j); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w := j.writer
	w.number++
	m := &nats.Msg{Subject: w.subj, Data: appendOpen(appendHeader(nil, kindBatch, w.number), newConn(j.edge))}
	before, _ := journalSize(t, s)
	seq, err := w.publish(deadline(t), m)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write(deadline(t), m); err != nil || w.last != seq {
		t.Errorf("written again at %d: %v; it stands at %d", w.last, err, seq)
	}
	if after, _ := journalSize(t, s); after != before+1 {
		t.Errorf("%d messages for one", after-before)
	}
	if err := w.write(deadline(t), &nats.Msg{Subject: w.subj, Data: appendHeader(nil, kindBatch, 99)}); err != nil {
		t.Errorf("the next message: %v", err)
	}
}

// stopWriter ends the writing goroutine, so that a test may use its writer.
func stopWriter(j *journal) error {
	j.stopWriting()
	<-j.written
	return j.writeErr
}

// TestTakeOverLost: a taker-over whose own lease went to another can't purge what that one reads.
func TestTakeOverLost(t *testing.T) {
	s, nc := one(t, nil)
	j := claimed(t, s, "n1")
	opened(t, j)
	_ = s.Close()
	second := openStore(t, nc, nil)
	slow, err := second.TakeOver(deadline(t), j.edge, "n1")
	if err != nil {
		t.Fatal(err)
	}
	third := openStore(t, nc, nil) // its probe finds nobody: by is "" since second has claimed nothing
	quick, err := third.TakeOver(deadline(t), j.edge, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.Done(deadline(t)); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("Done of the slow one: %v", err)
	}
	if n, _ := journalSize(t, third); n == 0 {
		t.Error("the slow one purged the journal of the quick one")
	}
	if len(quick.Connections) != 1 {
		t.Errorf("%d connections", len(quick.Connections))
	}
	if err := quick.Done(deadline(t)); err != nil {
		t.Errorf("Done: %v", err)
	}
}

// TestSilence: an incarnation without a lease whose probes time out is given up after three TTLs, not before.
func TestSilence(t *testing.T) {
	var now atomic.Int64
	s, nc := one(t, nil)
	j := claimed(t, s, "n1")
	opened(t, j)
	_ = s.Close()
	expire(t, nc, j.edge)
	survivor := openStore(t, nc, func(c *Config) {
		c.Now = func() time.Time { return time.Unix(now.Load(), 0) }
		c.Alive = func(context.Context, gateway.EdgeID) (bool, error) { return false, errors.New("timeout") }
	})
	for _, step := range []struct {
		at   int64
		want int
	}{{0, 0}, {59, 0}, {60, 1}} {
		now.Store(step.at)
		got, err := survivor.Abandoned(deadline(t), "n2")
		if err != nil || len(got) != step.want {
			t.Errorf("after %d s: %v, %v; want %d", step.at, got, err, step.want)
		}
		if _, err := survivor.TakeOver(deadline(t), j.edge, "n2"); (err == nil) != (step.want == 1) {
			t.Errorf("take-over after %d s: %v", step.at, err)
		}
	}
}

// TestListWhileWritten: a listing is complete also while leases are being refreshed.
func TestListWhileWritten(t *testing.T) {
	s, _ := one(t, func(c *Config) { c.Timing = Timing{Refresh: time.Millisecond} })
	const edges, listings = 12, 100
	for range edges {
		claimed(t, s, "n1")
	}
	short := 0
	for range listings {
		got, err := s.Edges(deadline(t))
		if err != nil || len(got) != edges {
			t.Fatalf("%d edges of %d, %v", len(got), edges, err)
		}
		told, err := s.leases.told(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(told) < edges {
			short++
		}
	}
	t.Logf("a watcher ended too early in %d of %d listings", short, listings)
}

// TestTwin: another process under the same node's name that lives is left alone, though a probe found nobody while it was
// connecting to NATS anew.
func TestTwin(t *testing.T) {
	s, nc := one(t, nil)
	j := claimed(t, s, "n1")
	opened(t, j)
	var probes atomic.Int32
	twin := openStore(t, nc, func(c *Config) {
		c.Alive = func(context.Context, gateway.EdgeID) (bool, error) { return probes.Add(1)%provenDead == 0, nil }
	})
	if got, err := twin.Abandoned(deadline(t), "n1"); err != nil || len(got) != 0 {
		t.Errorf("abandoned: %v, %v", got, err)
	}
	if _, err := twin.TakeOver(deadline(t), j.edge, "n1"); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("take-over of a living edge: %v", err)
	}
	if probes.Load() != 2*provenDead {
		t.Errorf("%d probes, want %d", probes.Load(), 2*provenDead)
	}
}
