package journal

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// lookEvery is the grain in which silence is noticed; a suspicion that proves wrong comes again that often.
	lookEvery = time.Second
	// watchStart bounds the making of a watcher, whose request a JetStream that goes away never answers.
	watchStart = 5 * time.Second
)

// sighting is what was last seen of a lease.
type sighting struct {
	live   bool
	seq    uint64
	record leaseRecord
	since  time.Time // by this process' clock, when seq was first seen: later than when it was written
}

// watch follows all leases. It is the heartbeat of every edge: a refreshed lease shows here, and one that is not
// refreshed any more is suspect long before it runs out (decision 0023). It says when a look at Store.Abandoned is worth
// it, and TakeOver asks it how long a lease has been silent.
type watch struct {
	leases  *leases
	timing  Timing
	process string
	log     *slog.Logger
	// suspicions has capacity 1: a value in it says that there is something to look at.
	suspicions chan struct{}

	mu   sync.Mutex
	seen map[gateway.EdgeID]sighting
	lost map[gateway.EdgeID]bool // held here and lost, as long as nobody else has the lease
	last time.Time               // of the last sight of any lease
}

func newWatch(l *leases, t Timing, process string, log *slog.Logger) *watch {
	return &watch{
		leases: l, timing: t, process: process, log: log, suspicions: make(chan struct{}, 1), seen: make(map[gateway.EdgeID]sighting),
		lost: make(map[gateway.EdgeID]bool),
	}
}

// run follows the leases until ctx ends. A watcher recovers by itself from the loss of a server (nats-facts §9.3), but
// takes more than 20 s after one that was alone; one that says nothing for longer than a living edge can is made anew.
func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.follow(ctx); err != nil && ctx.Err() == nil {
			w.log.Debug("the leases of edges are watched anew", "error", err)
		}
		_ = pause(ctx, retryPause) // its error ends the loop
	}
}

var errQuiet = errors.New("no lease was seen for a while")

func (w *watch) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	giveUp := time.AfterFunc(watchStart, cancel)
	updates, err := w.leases.kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = updates.Stop() }()
	if !giveUp.Stop() {
		return context.DeadlineExceeded
	}
	look := time.NewTicker(min(lookEvery, w.timing.Refresh))
	defer look.Stop()
	began := time.Now()
	for {
		select {
		case e, ok := <-updates.Updates():
			if !ok {
				return errors.New("the subscription has ended")
			}
			if e == nil {
				continue // what was there at the start has been told, or nearly all of it
			}
			if edge := gateway.EdgeID(e.Key()); edge.Valid() {
				w.saw(edge, e)
			}
		case <-look.C:
			w.forgetEnded()
			if w.anySilent() {
				w.suspect()
			}
			// A living edge is seen each Refresh; overdue, the watcher may have lost its consumer.
			if now := time.Now(); min(now.Sub(began), w.quietFor(now)) > overdueAfter*w.timing.Refresh {
				return errQuiet
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// saw notes what the watcher told of a lease.
func (w *watch) saw(edge gateway.EdgeID, e jetstream.KeyValueEntry) {
	now := time.Now()
	next := sighting{live: e.Operation() == jetstream.KeyValuePut, seq: e.Revision(), since: now}
	if next.live {
		_ = json.Unmarshal(e.Value(), &next.record) // as in leases.read
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.last) >= w.timing.Fence {
		// Nothing at all was seen for so long that it says nothing of any single edge: JetStream was away, or this process
		// was cut off. All edges get the time again in which they show that they live.
		for other, s := range w.seen {
			s.since = now
			w.seen[other] = s
		}
	}
	w.last = now
	former, known := w.seen[edge]
	if known && former.seq >= next.seq {
		return // a watcher that was made anew tells again what is
	}
	w.seen[edge] = next
	if !next.live || next.record.Process != w.process {
		delete(w.lost, edge)
	}
	if known && former.live && !next.live {
		w.suspect()
	}
}

// forgetEnded forgets leases that ended so long ago that not even their markers are there any more.
func (w *watch) forgetEnded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.seen, func(_ gateway.EdgeID, s sighting) bool { return !s.live && time.Since(s.since) > markerTTL })
}

// lose notes that this process has lost the lease of edge. What that left is looked at until somebody has it: the process
// itself may end it as soon as it answers for it no more.
func (w *watch) lose(edge gateway.EdgeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.seen[edge]; s.live && s.record.Process == w.process {
		w.lost[edge] = true
	}
}

// regain says that this process has the lease again, to end the incarnation.
func (w *watch) regain(edge gateway.EdgeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.lost, edge)
}

func (w *watch) hasLost(edge gateway.EdgeID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost[edge]
}

// suspect makes sure that somebody looks.
func (w *watch) suspect() {
	select {
	case w.suspicions <- struct{}{}:
	default:
	}
}

// quietFor is how long no lease was seen.
func (w *watch) quietFor(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return now.Sub(w.last)
}

// early is how long before a silence is proof enough its probes begin, so that the last of them falls on that moment.
func (w *watch) early() time.Duration { return (provenDead - 1) * w.timing.Probe }

// anySilent reports whether probes of some edge should begin.
func (w *watch) anySilent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lost) > 0 {
		return true
	}
	now := time.Now()
	for edge := range w.seen {
		if silent, _ := w.silenceLocked(edge, now); silent >= w.timing.Silence-w.early() {
			return true
		}
	}
	return false
}

// silence returns how long the lease of edge has stood still, and at which sequence; 0 when it is not live, of this very
// process, or when this process sees no lease at all move and so can't know.
func (w *watch) silence(edge gateway.EdgeID) (time.Duration, uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.silenceLocked(edge, time.Now())
}

func (w *watch) silenceLocked(edge gateway.EdgeID, now time.Time) (time.Duration, uint64) {
	s, known := w.seen[edge]
	if !known || !s.live || s.record.Process == w.process || now.Sub(w.last) >= w.timing.Fence {
		return 0, 0
	}
	return now.Sub(s.since), s.seq
}
