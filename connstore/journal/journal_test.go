package journal

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// one starts a server and opens a store on it.
func one(t testing.TB, change func(*Config)) (*Store, *nats.Conn) {
	t.Helper()
	srv, _ := startServer(t, t.TempDir())
	nc := connectTo(t, func() *server.Server { return srv })
	return openStore(t, nc, change), nc
}

func opened(t testing.TB, j *journal) *gateway.Connection {
	t.Helper()
	c := newConn(j.edge)
	if err := j.Opened(deadline(t), c); err != nil {
		t.Fatalf("Opened: %v", err)
	}
	return c
}

// lastSeq returns the sequence of the last message of a journal.
func lastSeq(t testing.TB, s *Store, edge gateway.EdgeID) uint64 {
	t.Helper()
	m, err := s.stream.GetLastMsgForSubject(deadline(t), s.names.journals+string(edge))
	if err != nil {
		t.Fatal(err)
	}
	return m.Sequence
}

// openSet ends the writing and reads the journal as a taker-over would.
func openSet(t testing.TB, s *Store, j *journal) map[gateway.ConnectionID]bool {
	t.Helper()
	_ = stopWriter(j)
	f, err := s.fold(deadline(t), j.edge, lastSeq(t, s, j.edge))
	if err != nil {
		t.Fatalf("fold: %v", err)
	}
	if f.skipped != 0 {
		t.Errorf("%d records skipped", f.skipped)
	}
	set := make(map[gateway.ConnectionID]bool)
	for _, c := range f.open {
		set[c.ID] = true
	}
	return set
}

func journalSize(t testing.TB, s *Store) (messages, bytes uint64) {
	t.Helper()
	info, err := s.stream.Info(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs, info.State.Bytes
}

func TestServerRestart(t *testing.T) {
	dir := t.TempDir()
	var current atomic.Pointer[server.Server]
	srv, stop := startServer(t, dir)
	current.Store(srv)
	nc := connectTo(t, current.Load)
	log := new(captured)
	s := openStore(t, nc, func(c *Config) {
		c.Logger = logTo(log)
		c.Timing = Timing{LeaseTTL: 30 * time.Second, Refresh: 20 * time.Millisecond, Fence: 25 * time.Second, Silence: 28 * time.Second}
	})
	j := claimed(t, s, "n1")
	want := map[gateway.ConnectionID]bool{}
	for range 20 {
		want[opened(t, j).ID] = true
	}

	current.Store(nil)
	stop()
	// Opened meets a server that is away, and waits for it; a close is kept.
	late := newConn(j.edge)
	result := make(chan error, 1)
	go func() { result <- j.Opened(deadline(t), late) }()
	for id := range want {
		j.Closed(id)
		delete(want, id)
		break
	}
	awaitCond(t, "the journal to be unhealthy", func() bool { return !j.Healthy() })
	select {
	case err := <-result:
		t.Fatalf("Opened returned %v without a server", err)
	default:
	}
	srv, _ = startServer(t, dir)
	current.Store(srv)
	if err := <-result; err != nil {
		t.Fatalf("Opened over a restart: %v", err)
	}
	want[late.ID] = true
	want[opened(t, j).ID] = true
	awaitCond(t, "the journal to be healthy again", j.Healthy)
	if diff := cmp.Diff(want, openSet(t, s, j)); diff != "" {
		t.Errorf("open set after the restart (-want +got):\n%s", diff)
	}
	if lines := log.lines(); len(lines) < 2 || !strings.Contains(lines[0], "trying on") {
		t.Errorf("the trouble was not logged: %q", lines)
	}
}

// awaitCond waits for a condition that has no signal of its own.
func awaitCond(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx := deadline(t)
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestOpenWithoutServer(t *testing.T) {
	dir := t.TempDir()
	var current atomic.Pointer[server.Server]
	srv, stop := startServer(t, dir)
	current.Store(srv)
	nc := connectTo(t, current.Load)
	s := openStore(t, nc, func(c *Config) { c.Timing.OpenWait = 60 * time.Millisecond })
	j := claimed(t, s, "n1")
	kept := opened(t, j)
	current.Store(nil)
	stop()

	start := time.Now()
	inFlight, queued := newConn(j.edge), newConn(j.edge)
	var wg sync.WaitGroup
	for _, c := range []*gateway.Connection{inFlight, queued} {
		wg.Go(func() {
			if err := j.Opened(deadline(t), c); gateway.ErrorCode(err) != gateway.CodeUnavailable {
				t.Errorf("Opened without a server: %v", err)
			}
		})
	}
	wg.Wait()
	if d := time.Since(start); d < 60*time.Millisecond {
		t.Errorf("Opened gave up after %v, before its time", d)
	}
	srv, _ = startServer(t, dir)
	current.Store(srv)
	var probe *gateway.Connection
	awaitCond(t, "an open after the restart", func() bool {
		probe = newConn(j.edge)
		return j.Opened(deadline(t), probe) == nil
	})
	flushed := opened(t, j)
	want := map[gateway.ConnectionID]bool{kept.ID: true, probe.ID: true, flushed.ID: true}
	if diff := cmp.Diff(want, openSet(t, s, j)); diff != "" {
		t.Errorf("what Opened gave up was kept (-want +got):\n%s", diff)
	}
}

func TestQueueFull(t *testing.T) {
	q := newQueue()
	first := &waiting{conn: sample(), size: 1, done: make(chan error, 1)}
	if err := q.open(first); err != nil {
		t.Fatal(err)
	}
	for range maxWaiting - 1 {
		if err := q.open(&waiting{conn: sample(), size: 1, done: make(chan error, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	more := &waiting{conn: sample(), size: 1, done: make(chan error, 1)}
	if err := q.open(more); !errors.Is(err, errQueueFull) {
		t.Fatalf("open number %d: %v", maxWaiting+1, err)
	}
	if err := q.giveUp(first, errNoAck); !errors.Is(err, errNoAck) {
		t.Fatalf("giveUp: %v", err)
	}
	if err := q.open(more); err != nil {
		t.Fatalf("open after one gave up: %v", err)
	}
	if n, _ := q.backlog(); n != maxWaiting {
		t.Errorf("%d bytes wait, want %d", n, maxWaiting)
	}
	q.end(connstore.ErrClosed, finishNow)
	if err := <-more.done; !errors.Is(err, connstore.ErrClosed) {
		t.Errorf("a waiting open got %v", err)
	}
	if n, finished := q.backlog(); n != 0 || !finished {
		t.Errorf("%d bytes wait after the end, finished %v", n, finished)
	}
}

func TestGrouping(t *testing.T) {
	s, _ := one(t, nil)
	j := claimed(t, s, "n1")
	before, _ := journalSize(t, s)
	start := time.Now()
	const clients, each = 200, 10
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if err := j.Opened(deadline(t), newConn(j.edge)); err != nil {
					t.Errorf("Opened: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	after, _ := journalSize(t, s)
	n := int(after - before)
	if n > clients*each/5 {
		t.Errorf("%d records took %d messages: they are not grouped", clients*each, n)
	}
	// One at each end of the time, and full ones, which do not wait.
	if most := 2 + int(elapsed/groupWindow) + clients*each*openSize(sample())/batchBytes; n > most {
		t.Errorf("%d messages in %v, want at most %d", n, elapsed, most)
	}
	if got := len(openSet(t, s, j)); got != clients*each {
		t.Errorf("%d open, want %d", got, clients*each)
	}
}

// TestSnapshots: the journal of a busy edge does not grow, and loses nothing, whether its snapshot fits in one message or
// not, and also while connections come and go between the pieces.
func TestSnapshots(t *testing.T) {
	const clients, garbage = 50, 64 << 10
	for _, tc := range []struct {
		name        string
		live, pairs int // per client
	}{
		{"in one message", 1, 50},
		{"in pieces", 60, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := one(t, nil)
			j := claimedWith(t, s, garbage)
			want := make(map[gateway.ConnectionID]bool)
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for i := range tc.live + tc.pairs {
						c := newConn(j.edge)
						if err := j.Opened(deadline(t), c); err != nil {
							t.Errorf("Opened: %v", err)
							return
						}
						if i >= tc.live {
							j.Closed(c.ID)
							continue
						}
						mu.Lock()
						want[c.ID] = true
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			for range 3 { // behind the last closes
				want[opened(t, j).ID] = true
			}
			got := openSet(t, s, j)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d open, want %d", len(got), len(want))
			}
			live := len(want) * openSize(sample())
			_, bytes := journalSize(t, s)
			if limit := uint64(3*live + 3*garbage); bytes > limit {
				t.Errorf("the journal has %d bytes, more than %d, for %d connections", bytes, limit, len(want))
			}
			if k := firstKind(t, s, j.edge); k != kindSnapshot {
				t.Errorf("the journal begins with a message of kind %q, want a snapshot", k)
			}
		})
	}
}

func firstKind(t *testing.T, s *Store, edge gateway.EdgeID) kind {
	t.Helper()
	m, err := s.stream.GetMsg(deadline(t), 1, jetstream.WithGetMsgSubject(s.names.journals+string(edge)))
	if err != nil {
		t.Fatal(err)
	}
	k, _, err := decode(m.Data, func(entry) {})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSteady: a journal that was purged while it was read is read again.
func TestSteady(t *testing.T) {
	firsts := []uint64{1, 7, 7, 7}
	reads := 0
	f, err := steady(
		func() (uint64, error) {
			n := firsts[0]
			firsts = firsts[1:]
			return n, nil
		},
		func() (folded, error) {
			reads++
			return folded{skipped: reads}, nil
		})
	if err != nil || reads != 2 || f.skipped != 2 {
		t.Errorf("%d readings, gave %d, %v; want the second of two", reads, f.skipped, err)
	}
	broken := errors.New("broken")
	if _, err := steady(func() (uint64, error) { return 1, nil }, func() (folded, error) { return folded{}, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// TestSnapshotBounds drives the writer with a small bound, so that many snapshots of many pieces are made.
func TestSnapshotBounds(t *testing.T) {
	s, _ := one(t, nil)
	s.max = 2 << 10
	j := claimedWith(t, s, 8<<10)
	var open []*gateway.Connection
	for i := range 3000 {
		c := newConn(j.edge)
		if i%50 == 0 {
			if err := j.Opened(deadline(t), c); err != nil {
				t.Fatal(err)
			}
		} else if err := openLater(j, c); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if len(open) > 100 {
			flushEvery(t, j, i)
			j.Closed(open[0].ID)
			open = open[1:]
		}
	}
	open = append(open, opened(t, j))
	open = append(open, opened(t, j))
	want := make(map[gateway.ConnectionID]bool)
	for _, c := range open {
		want[c.ID] = true
	}
	if diff := cmp.Diff(want, openSet(t, s, j)); diff != "" {
		t.Errorf("open set (-want +got):\n%s", diff)
	}
	messages, bytes := journalSize(t, s)
	if bytes > 3*uint64(len(want)*openSize(sample()))+3*(8<<10) {
		t.Errorf("%d messages, %d bytes for %d connections", messages, bytes, len(want))
	}
}

// claimedWith claims an incarnation whose snapshots are due after so many bytes of garbage.
func claimedWith(t *testing.T, s *Store, garbage int) *journal {
	t.Helper()
	s.garbage = garbage
	return claimed(t, s, "n1")
}

// openLater hands c to the journal without waiting for it.
func openLater(j *journal, c *gateway.Connection) error {
	return j.queue.open(&waiting{conn: c, size: openSize(c), done: make(chan error, 1)})
}

func flushEvery(t *testing.T, j *journal, i int) {
	if i%500 == 0 {
		c := opened(t, j)
		j.Closed(c.ID)
	}
}

func TestCorruptMessages(t *testing.T) {
	log := new(captured)
	s, nc := one(t, func(c *Config) { c.Logger = logTo(log) })
	j := claimed(t, s, "n1")
	kept := opened(t, j)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	foreign := appendOpen(appendHeader(nil, kindBatch, 1), sample())
	good := newConn(j.edge)
	half := appendOpen(appendHeader(nil, kindBatch, 2), good)
	var positions []string
	for _, data := range [][]byte{[]byte("rubbish"), nil, foreign, append(half, 'o', 200)} {
		ack, err := js.Publish(deadline(t), "sallyport.@journal.%."+string(j.edge), data)
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, fmt.Sprintf("sequence=%d", ack.Sequence))
	}
	_ = s.Close()
	next := openStore(t, nc, func(c *Config) { c.Logger = logTo(log) })
	o, err := next.TakeOver(deadline(t), j.edge, "n1")
	if err != nil {
		t.Fatalf("TakeOver: %v", err)
	}
	if o.Skipped != 4 || len(o.Connections) != 2 {
		t.Errorf("%d skipped, %d connections; want 4 and 2 (%s, %s)", o.Skipped, len(o.Connections), kept.ID, good.ID)
	}
	text := strings.Join(log.lines(), "")
	for _, p := range positions {
		if !strings.Contains(text, p) {
			t.Errorf("no log line has %s:\n%s", p, text)
		}
	}
}

func BenchmarkOpened(b *testing.B) {
	s, _ := one(b, nil)
	j := claimed(b, s, "n1")
	ctx := b.Context()
	b.ReportAllocs()
	b.SetParallelism(256)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := newConn(j.edge)
			if err := j.Opened(ctx, c); err != nil {
				b.Error(err)
				return
			}
			j.Closed(c.ID)
		}
	})
}
