package connstoretest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

func testClaim(t *testing.T, b *bench) {
	one, two := b.open(t), b.open(t)
	var edges []gateway.EdgeID
	for range 4 {
		for _, s := range []connstore.Store{one, two} {
			j := claim(t, s, "n1")
			if !j.Edge().Valid() {
				t.Errorf("edge %q is malformed", j.Edge())
			}
			if !j.Healthy() {
				t.Error("a new journal is not healthy")
			}
			wantNotLost(t, j)
			edges = append(edges, j.Edge())
		}
	}
	slices.Sort(edges)
	if len(slices.Compact(slices.Clone(edges))) != len(edges) {
		t.Errorf("an edge was given twice: %v", edges)
	}
	wantEdges(t, one, edges...)
	wantEdges(t, two, edges...)
	wantNotLeased(t, one, "????")
}

func testRestart(t *testing.T, b *bench) {
	before := b.open(t)
	j := claim(t, before, "n1")
	stays, goes := connect(t, j), connect(t, j)
	last := connect(t, j)
	j.Closed(goes.ID)
	probe := connect(t, j) // written after the close, so the close is durable too
	crash(t, before)

	after := b.open(t)
	mine := claim(t, after, "n1")
	wantEdges(t, after, sorted(j.Edge(), mine.Edge())...)
	wantAbandoned(t, after, "n2")
	wantAbandoned(t, after, "n1", j.Edge())
	o := takeOver(t, after, j.Edge(), "n1")
	wantOrphans(t, o, stays, last, probe)
	wantEdges(t, after, mine.Edge())
	wantAbandoned(t, after, "n1")
	done(t, o)
	done(t, o)
	wantAbandoned(t, after, "n1")
	wantNotLeased(t, after, j.Edge())
	if _, err := after.TakeOver(deadline(t), j.Edge(), "n1"); err != nil && !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("a second take-over: %v", err)
	}
}

func testOtherNode(t *testing.T, b *bench) {
	first, second := b.open(t), b.open(t)
	j := claim(t, first, "n1")
	c := connect(t, j)
	if _, err := second.TakeOver(deadline(t), j.Edge(), "n2"); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("take-over of a leased incarnation: %v", err)
	}
	crash(t, first)
	wantAbandoned(t, second, "n2")
	b.Expire(t, j.Edge())
	waitSuspicion(t, second)
	wantNotLeased(t, second, j.Edge())
	wantAbandoned(t, second, "n2", j.Edge())
	o := takeOver(t, second, j.Edge(), "n2")
	wantOrphans(t, o, c)
	done(t, o)
	wantAbandoned(t, second, "n2")
}

func testLiving(t *testing.T, b *bench) {
	first, second := b.open(t), b.open(t)
	answers, silent := claim(t, first, "n1"), claim(t, first, "n1")
	connect(t, answers)
	connect(t, silent)
	b.answer(answers.Edge(), true, nil)
	b.answer(silent.Edge(), false, errors.New("no answer in time"))

	wantAbandoned(t, first, "n1")
	wantAbandoned(t, second, "n1") // the same node by name, yet both edges may live
	for _, j := range []connstore.Journal{answers, silent} {
		if _, err := second.TakeOver(deadline(t), j.Edge(), "n1"); !errors.Is(err, connstore.ErrTaken) {
			t.Errorf("take-over of an incarnation that may live: %v", err)
		}
	}
	crash(t, first)
	b.Expire(t, answers.Edge())
	b.Expire(t, silent.Edge())
	wantAbandoned(t, second, "n2")
	b.answer(answers.Edge(), false, nil)
	wantAbandoned(t, second, "n2", answers.Edge())
}

func testOneWinner(t *testing.T, b *bench) {
	first := b.open(t)
	j := claim(t, first, "n1")
	c := connect(t, j)
	crash(t, first)
	b.Expire(t, j.Edge())

	const takers = 8
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		winners []*connstore.Orphans
		ctx     = deadline(t)
	)
	for i := range takers {
		s := b.open(t)
		wg.Go(func() {
			o, err := s.TakeOver(ctx, j.Edge(), fmt.Sprintf("survivor%d", i))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, o)
			} else if !errors.Is(err, connstore.ErrTaken) {
				t.Errorf("a loser got %v", err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d of %d took over, want 1", len(winners), takers)
	}
	wantOrphans(t, winners[0], c)
	done(t, winners[0])
}

func testTakerDies(t *testing.T, b *bench) {
	first := b.open(t)
	j := claim(t, first, "n1")
	c := connect(t, j)
	crash(t, first)
	b.Expire(t, j.Edge())

	second := b.open(t)
	own := claim(t, second, "n2")
	takeOver(t, second, j.Edge(), "n2")
	if _, err := second.TakeOver(deadline(t), j.Edge(), "n2"); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("a take-over under way was started again: %v", err)
	}

	third := b.open(t)
	b.answer(own.Edge(), true, nil)
	wantAbandoned(t, third, "n2") // whoever takes over is at work
	wantAbandoned(t, third, "n3")
	crash(t, second)
	b.answer(own.Edge(), false, nil)
	wantAbandoned(t, third, "n2", sorted(j.Edge(), own.Edge())...)
	wantAbandoned(t, third, "n3")
	b.Expire(t, j.Edge())
	wantAbandoned(t, third, "n3", j.Edge())
	o := takeOver(t, third, j.Edge(), "n3")
	wantOrphans(t, o, c)
	done(t, o)
	wantAbandoned(t, third, "n3")
}

// testTakerLoses: whoever loses the take-over's own lease must not tell of what another tells of now.
func testTakerLoses(t *testing.T, b *bench) {
	first, second, third := b.open(t), b.open(t), b.open(t)
	j := claim(t, first, "n1")
	c := connect(t, j)
	crash(t, first)
	b.Expire(t, j.Edge())
	slow := takeOver(t, second, j.Edge(), "n2")
	if !slow.Held() {
		t.Error("a take-over that just began is not held")
	}
	quick := seize(t, b, third, j.Edge(), "n3")
	waitNotHeld(t, slow)
	if !quick.Held() {
		t.Error("the second take-over is not held")
	}
	wantOrphans(t, quick, c)
	if err := slow.Done(deadline(t)); !errors.Is(err, connstore.ErrTaken) {
		t.Errorf("Done of the lost take-over: %v", err)
	}
	done(t, quick)
}

func testRecords(t *testing.T, b *bench) {
	s := b.open(t)
	j := claim(t, s, "n1")
	plain := connection(j.Edge())
	plain.UserAgent, plain.Authorizer = "", nil
	if err := j.Opened(deadline(t), &plain); err != nil {
		t.Fatalf("Opened: %v", err)
	}
	closed := connect(t, j)
	j.Closed(closed.ID)
	j.Closed(closed.ID)
	j.Closed(gateway.NewConnectionID(j.Edge()))
	j.Closed("")
	last := connect(t, j)
	wantNotLost(t, j)
	crash(t, s)
	wantOrphans(t, takeOver(t, b.open(t), j.Edge(), "n1"), plain, last)
}

func testRefused(t *testing.T, b *bench) {
	s := b.open(t)
	j := claim(t, s, "n1")
	foreign := connection("????")
	wantCode(t, "a foreign id", j.Opened(deadline(t), &foreign), gateway.CodeInternal)
	large := connection(j.Edge())
	large.Authorizer = json.RawMessage(`"` + strings.Repeat("x", connstore.MaxRecordBytes) + `"`)
	wantCode(t, "a large record", j.Opened(deadline(t), &large), gateway.CodeTooLarge)
	broken := connection(j.Edge())
	broken.Authorizer = json.RawMessage(`{`)
	wantCode(t, "a broken authorizer", j.Opened(deadline(t), &broken), gateway.CodeInternal)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late := connection(j.Edge())
	wantCode(t, "an ended context", j.Opened(ctx, &late), gateway.CodeUnavailable)
	kept := connect(t, j)
	probe := connect(t, j)
	crash(t, s)
	wantOrphans(t, takeOver(t, b.open(t), j.Edge(), "n1"), kept, probe)
}

func testMany(t *testing.T, b *bench) {
	const clients, rounds = 16, 25
	s := b.open(t)
	j := claim(t, s, "n1")
	ctx := deadline(t)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		open []gateway.Connection
	)
	for range clients {
		wg.Go(func() {
			for i := range rounds {
				c := connection(j.Edge())
				if err := j.Opened(ctx, &c); err != nil {
					t.Errorf("Opened: %v", err)
					return
				}
				if i%5 != 0 {
					j.Closed(c.ID)
					continue
				}
				mu.Lock()
				open = append(open, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	open = append(open, connect(t, j), connect(t, j))
	crash(t, s)
	wantOrphans(t, takeOver(t, b.open(t), j.Edge(), "n1"), open...)
}

func testLost(t *testing.T, b *bench) {
	first, second := b.open(t), b.open(t)
	j := claim(t, first, "n1")
	c := connect(t, j)
	o := seize(t, b, second, j.Edge(), "n2") // a wrong suspicion: the owner lives and only its answers got lost
	waitLost(t, j)
	if j.Healthy() {
		t.Error("a lost journal is healthy")
	}
	late := connection(j.Edge())
	wantCode(t, "Opened on a lost journal", j.Opened(deadline(t), &late), gateway.CodeUnavailable)
	j.Closed(c.ID) // ends nothing any more: its $disconnect is the taker's
	if err := j.Release(deadline(t)); !errors.Is(err, connstore.ErrLost) {
		t.Errorf("Release of a lost journal: %v", err)
	}
	wantOrphans(t, o, c)
	done(t, o)
	next := claim(t, first, "n1")
	connect(t, next)
	wantEdges(t, second, next.Edge())
}

// testFence: between the take-over and the moment when the former owner notices it, an acknowledged record would be
// forgotten by both.
func testFence(t *testing.T, b *bench) {
	first, second := b.open(t), b.open(t)
	j := claim(t, first, "n1")
	c := connect(t, j)
	o := seize(t, b, second, j.Edge(), "n2")
	late := connection(j.Edge())
	wantCode(t, "Opened after the take-over", j.Opened(deadline(t), &late), gateway.CodeUnavailable)
	waitLost(t, j)
	wantOrphans(t, o, c)
}

func testRelease(t *testing.T, b *bench) {
	first, second := b.open(t), b.open(t)
	j := claim(t, first, "n1")
	for range 3 {
		c := connect(t, j)
		j.Closed(c.ID)
	}
	for range 2 {
		if err := j.Release(deadline(t)); err != nil {
			t.Fatalf("Release: %v", err)
		}
	}
	wantEdges(t, second)
	wantAbandoned(t, first, "n1")
	wantAbandoned(t, second, "n1")
	late := connection(j.Edge())
	wantCode(t, "Opened after Release", j.Opened(deadline(t), &late), gateway.CodeUnavailable)
	j.Closed(late.ID)
	wantNotLost(t, j)
	if j.Healthy() {
		t.Error("a released journal is healthy")
	}
}

func testReleaseOpen(t *testing.T, b *bench) {
	first, second := b.open(t), b.open(t)
	j := claim(t, first, "n1")
	left, gone := connect(t, j), connect(t, j)
	j.Closed(gone.ID)
	if err := j.Release(deadline(t)); err != nil {
		t.Fatalf("Release: %v", err)
	}
	wantEdges(t, second)
	wantAbandoned(t, second, "n2", j.Edge())
	o := takeOver(t, second, j.Edge(), "n2")
	wantOrphans(t, o, left)
	done(t, o)
}

func testClose(t *testing.T, b *bench) {
	s := b.open(t)
	j := claim(t, s, "n1")
	crash(t, s)
	crash(t, s)
	if _, err := s.Claim(deadline(t), "n1"); !errors.Is(err, connstore.ErrClosed) {
		t.Errorf("Claim: %v", err)
	}
	if _, err := s.Abandoned(deadline(t), "n1"); !errors.Is(err, connstore.ErrClosed) {
		t.Errorf("Abandoned: %v", err)
	}
	if _, err := s.TakeOver(deadline(t), j.Edge(), "n1"); !errors.Is(err, connstore.ErrClosed) {
		t.Errorf("TakeOver: %v", err)
	}
	if _, err := s.Edges(deadline(t)); !errors.Is(err, connstore.ErrClosed) {
		t.Errorf("Edges: %v", err)
	}
	if _, err := s.Leased(deadline(t), j.Edge()); !errors.Is(err, connstore.ErrClosed) {
		t.Errorf("Leased: %v", err)
	}
	c := connection(j.Edge())
	wantCode(t, "Opened", j.Opened(deadline(t), &c), gateway.CodeUnavailable)
	j.Closed(c.ID)
	if err := j.Release(deadline(t)); !errors.Is(err, connstore.ErrClosed) {
		t.Errorf("Release: %v", err)
	}
	wantNotLost(t, j)
	wantAbandoned(t, b.open(t), "n1", j.Edge())
}

func sorted(edges ...gateway.EdgeID) []gateway.EdgeID {
	slices.Sort(edges)
	return edges
}
