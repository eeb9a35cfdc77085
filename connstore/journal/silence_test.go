package journal

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// quickly is a timing whose silence is over within a test's patience, and whose leases never run out meanwhile. Its fence
// leaves a busy machine time to refresh.
func quickly(c *Config) {
	c.Timing = Timing{
		LeaseTTL: time.Minute, Refresh: 50 * time.Millisecond, Fence: 2 * time.Second, Silence: 2500 * time.Millisecond,
		Probe: 20 * time.Millisecond,
	}
}

// suspicion waits until the store says that there is something to look at, and looks.
func suspicion(t *testing.T, s *Store, node string) []gateway.EdgeID {
	t.Helper()
	for {
		select {
		case <-s.Suspicions():
		case <-deadline(t).Done():
			t.Fatal("nobody was suspected")
		}
		got, err := s.Abandoned(deadline(t), node)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) > 0 {
			return got
		}
	}
}

// TestSilenceIsTaken: an edge whose lease stands still is taken over long before the lease runs out, by one of those who
// see it, and not before its holder would have fenced itself.
func TestSilenceIsTaken(t *testing.T) {
	dead, nc := one(t, quickly)
	j := claimed(t, dead, "n1")
	c := opened(t, j)
	var survivors []*Store
	for _, node := range []string{"n2", "n3"} {
		s := openStore(t, nc, quickly)
		claimed(t, s, node)
		awaitCond(t, "the lease to be seen", func() bool { silent, _ := s.watch.silence(j.edge); return silent > 0 })
		survivors = append(survivors, s)
	}
	_ = dead.Close()
	closed := time.Now()
	if _, err := survivors[0].TakeOver(deadline(t), j.edge, "n2"); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("take-over of an edge that was refreshed a moment ago: %v", err)
	}
	for i, node := range []string{"n2", "n3"} {
		if got := suspicion(t, survivors[i], node); !slices.Equal(got, []gateway.EdgeID{j.edge}) {
			t.Errorf("abandoned for %s: %v", node, got)
		}
	}
	// Its last refresh may have been seen a little before its end.
	if silent := time.Since(closed); silent < 2*time.Second {
		t.Errorf("it was given up after %s", silent)
	}
	o, err := survivors[1].TakeOver(deadline(t), j.edge, "n3")
	if err != nil || len(o.Connections) != 1 || o.Connections[0].ID != c.ID {
		t.Fatalf("take-over: %+v, %v", o, err)
	}
	if _, err := survivors[0].TakeOver(deadline(t), j.edge, "n2"); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("take-over by a second one: %v", err)
	}
	if err := o.Done(deadline(t)); err != nil {
		t.Error(err)
	}
}

// TestSilenceOfTheLiving: a lease that stands still is no proof. An edge that answers a probe keeps its incarnation, and
// so does one that gives no answer at all while its lease runs.
func TestSilenceOfTheLiving(t *testing.T) {
	for name, err := range map[string]error{"answers": nil, "gives no answer": errors.New("no answer in time")} {
		t.Run(name, func(t *testing.T) {
			frozen, nc := one(t, quickly)
			j := claimed(t, frozen, "n1")
			opened(t, j)
			var probes atomic.Int32
			s := openStore(t, nc, func(c *Config) {
				quickly(c)
				c.Alive = func(context.Context, gateway.EdgeID) (bool, error) { probes.Add(1); return err == nil, err }
			})
			claimed(t, s, "n2")
			_ = frozen.Close()
			awaitCond(t, "several probes", func() bool {
				select {
				case <-s.Suspicions():
					if got, err := s.Abandoned(deadline(t), "n2"); err != nil || len(got) > 0 {
						t.Fatalf("abandoned: %v, %v", got, err)
					}
				default:
				}
				return probes.Load() >= 2
			})
			if _, err := s.TakeOver(deadline(t), j.edge, "n2"); !errors.Is(err, connstore.ErrTaken) {
				t.Errorf("take-over: %v", err)
			}
		})
	}
}

// TestCutOffSeesNoSilence: a process that sees no lease at all accuses nobody, and when it sees again all edges have their
// time anew.
func TestCutOffSeesNoSilence(t *testing.T) {
	s, nc := one(t, quickly)
	j := claimed(t, openStore(t, nc, quickly), "n1")
	awaitCond(t, "the lease to be seen", func() bool { silent, _ := s.watch.silence(j.edge); return silent > 0 })
	w := s.watch
	w.mu.Lock()
	seen := w.seen[j.edge]
	seen.since = seen.since.Add(-time.Hour)
	w.seen[j.edge] = seen
	long := time.Now().Add(-s.timing.Fence)
	w.last = long
	silent, _ := w.silenceLocked(j.edge, time.Now())
	w.mu.Unlock()
	if silent != 0 {
		t.Errorf("an edge is silent for %s to one that sees nothing", silent)
	}
	claimed(t, s, "n2") // the first thing that is seen again
	awaitCond(t, "a lease to be seen again", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.last.After(long)
	})
	if silent, _ := w.silence(j.edge); silent > time.Minute {
		t.Errorf("an edge is silent for %s after this process was cut off", silent)
	}
}

// TestOwnLoss: what a process itself has lost it may end at once, when nobody answers for it any more.
func TestOwnLoss(t *testing.T) {
	var served atomic.Bool
	served.Store(true)
	s, _ := one(t, func(c *Config) {
		quickly(c)
		c.Alive = func(context.Context, gateway.EdgeID) (bool, error) { return served.Load(), nil }
	})
	j := claimed(t, s, "n1")
	c := opened(t, j)
	awaitCond(t, "the lease to be seen", func() bool {
		s.watch.mu.Lock()
		defer s.watch.mu.Unlock()
		return s.watch.seen[j.edge].live
	})
	j.holder.lose(connstore.ErrLost)
	awaitCond(t, "the loss to be noted", func() bool { return s.watch.hasLost(j.edge) })
	if got, err := s.Abandoned(deadline(t), "n1"); err != nil || len(got) > 0 {
		t.Errorf("abandoned while it is served: %v, %v", got, err)
	}
	served.Store(false)
	if got, err := s.Abandoned(deadline(t), "n1"); err != nil || !slices.Equal(got, []gateway.EdgeID{j.edge}) {
		t.Errorf("abandoned: %v, %v", got, err)
	}
	o, err := s.TakeOver(deadline(t), j.edge, "n1")
	if err != nil || len(o.Connections) != 1 || o.Connections[0].ID != c.ID {
		t.Fatalf("take-over: %+v, %v", o, err)
	}
	if _, err := s.TakeOver(deadline(t), j.edge, "n1"); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("take-over of what this process ends already: %v", err)
	}
	if err := o.Done(deadline(t)); err != nil {
		t.Error(err)
	}
}

// TestHeld: an edge knows at once that its lease may be in other hands, before the holder's own timer has told.
func TestHeld(t *testing.T) {
	s, _ := one(t, nil)
	j := claimed(t, s, "n1")
	if !j.Held() {
		t.Error("a fresh lease is not held")
	}
	h := &holder{timing: s.timing, lost: make(chan struct{}), epoch: time.Now().Add(-s.timing.Fence)}
	if h.held() {
		t.Error("a lease that was not refreshed for as long as it may be is held")
	}
	h.epoch = time.Now()
	if !h.held() {
		t.Error("a lease that was just refreshed is not held")
	}
	h.lose(connstore.ErrLost)
	if h.held() {
		t.Error("a lost lease is held")
	}
}

// TestWatchRecovers: the watch sees leases again after a server was away.
func TestWatchRecovers(t *testing.T) {
	dir := t.TempDir()
	srv, stop := startServer(t, dir)
	var current atomic.Pointer[server.Server]
	current.Store(srv)
	s := openStore(t, connectTo(t, current.Load), func(c *Config) { c.Timing = Timing{Refresh: 50 * time.Millisecond} })
	claimed(t, s, "n1")
	seen := func() time.Time { s.watch.mu.Lock(); defer s.watch.mu.Unlock(); return s.watch.last }
	awaitCond(t, "the first sight", func() bool { return !seen().IsZero() })
	current.Store(nil)
	stop()
	srv, _ = startServer(t, dir)
	back := time.Now()
	current.Store(srv)
	awaitCond(t, "a sight after the return", func() bool { return seen().After(back) })
}
