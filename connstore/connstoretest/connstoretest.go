// Package connstoretest is the contract of connstore.Store as a test. Each implementation calls Run from a test of its
// own; a new one is finished when that call passes.
package connstoretest

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// World is one empty place where stores keep their records.
type World struct {
	// Open returns the store of one more process that shares the place. Closing it without releasing anything is what
	// stands for the death of that process. The function closes it again when the test ends.
	Open func(t *testing.T, alive connstore.Alive) connstore.Store
	// Expire lets the lease of an incarnation run out, as though its holder had stopped refreshing it.
	Expire func(t *testing.T, edge gateway.EdgeID)
}

// Run runs the contract; open makes a new World for each of its parts.
func Run(t *testing.T, open func(t *testing.T) World) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"claim", testClaim},
		{"restart finds what it left", testRestart},
		{"claim of a dead node's journal", testOtherNode},
		{"abandoned leaves the living alone", testLiving},
		{"one of many takes over", testOneWinner},
		{"who takes over may die", testTakerDies},
		{"who takes over may lose it", testTakerLoses},
		{"opened and closed", testRecords},
		{"refused records", testRefused},
		{"many at once", testMany},
		{"lost", testLost},
		{"former owner records nothing more", testFence},
		{"release", testRelease},
		{"release with open connections", testReleaseOpen},
		{"close", testClose},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, &bench{World: open(t)}) })
	}
}

// patience bounds each wait of the contract; a store that works needs a fraction of it.
const patience = 20 * time.Second

// bench is a World with a set of edges that answer probes.
type bench struct {
	World
	mu     sync.Mutex
	living map[gateway.EdgeID]bool
	mute   map[gateway.EdgeID]error
}

func (b *bench) open(t *testing.T) connstore.Store {
	t.Helper()
	return b.Open(t, func(_ context.Context, edge gateway.EdgeID) (bool, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.living[edge], b.mute[edge]
	})
}

func (b *bench) answer(edge gateway.EdgeID, alive bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.living == nil {
		b.living, b.mute = make(map[gateway.EdgeID]bool), make(map[gateway.EdgeID]error)
	}
	b.living[edge], b.mute[edge] = alive, err
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func claim(t *testing.T, s connstore.Store, node string) connstore.Journal {
	t.Helper()
	j, err := s.Claim(deadline(t), node)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	return j
}

// connect records a new connection and returns it as a take-over must give it back.
func connect(t *testing.T, j connstore.Journal) gateway.Connection {
	t.Helper()
	c := connection(j.Edge())
	if err := j.Opened(deadline(t), &c); err != nil {
		t.Fatalf("Opened: %v", err)
	}
	return c
}

func connection(edge gateway.EdgeID) gateway.Connection {
	return gateway.Connection{
		ID: gateway.NewConnectionID(edge), API: "chat", Stage: "$default",
		ConnectedAt: time.UnixMilli(time.Now().UnixMilli()).UTC(),
		DomainName:  "localhost", SourceIP: "2001:db8::1", UserAgent: "contract\xff/1",
		Authorizer: json.RawMessage(`{"principalId":"ann"}`),
	}
}

func crash(t *testing.T, s connstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func takeOver(t *testing.T, s connstore.Store, edge gateway.EdgeID, node string) *connstore.Orphans {
	t.Helper()
	o, err := s.TakeOver(deadline(t), edge, node)
	if err != nil {
		t.Fatalf("TakeOver: %v", err)
	}
	if o.Edge != edge || o.Skipped != 0 {
		t.Errorf("orphans of %q with %d skipped records, want %q with none", o.Edge, o.Skipped, edge)
	}
	return o
}

// seize takes edge over from a holder that lives, as a wrong suspicion does: between the end of its lease and the moment
// when it takes that back.
func seize(t *testing.T, b *bench, s connstore.Store, edge gateway.EdgeID, node string) *connstore.Orphans {
	t.Helper()
	ctx := deadline(t)
	for {
		b.Expire(t, edge)
		o, err := s.TakeOver(ctx, edge, node)
		switch {
		case err == nil:
			return o
		case !errors.Is(err, connstore.ErrTaken) || ctx.Err() != nil:
			t.Fatalf("TakeOver: %v", err)
		}
	}
}

func done(t *testing.T, o *connstore.Orphans) {
	t.Helper()
	if err := o.Done(deadline(t)); err != nil {
		t.Fatalf("Done: %v", err)
	}
}

func wantAbandoned(t *testing.T, s connstore.Store, node string, want ...gateway.EdgeID) {
	t.Helper()
	got, err := s.Abandoned(deadline(t), node)
	if err != nil {
		t.Fatalf("Abandoned: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("abandoned for %s (-want +got):\n%s", node, diff)
	}
}

// wantEdges checks Edges, and Leased for each.
func wantEdges(t *testing.T, s connstore.Store, want ...gateway.EdgeID) {
	t.Helper()
	got, err := s.Edges(deadline(t))
	if err != nil {
		t.Fatalf("Edges: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	for _, e := range want {
		if leased, err := s.Leased(deadline(t), e); err != nil || !leased {
			t.Errorf("Leased(%s): %v, %v", e, leased, err)
		}
	}
}

func wantNotLeased(t *testing.T, s connstore.Store, edge gateway.EdgeID) {
	t.Helper()
	if leased, err := s.Leased(deadline(t), edge); err != nil || leased {
		t.Errorf("Leased(%s): %v, %v; want false", edge, leased, err)
	}
}

func wantOrphans(t *testing.T, o *connstore.Orphans, want ...gateway.Connection) {
	t.Helper()
	byID := cmp.Transformer("byID", func(list []gateway.Connection) map[gateway.ConnectionID]gateway.Connection {
		m := make(map[gateway.ConnectionID]gateway.Connection, len(list))
		for _, c := range list {
			m[c.ID] = c
		}
		return m
	})
	if len(want) != len(o.Connections) {
		t.Errorf("%d orphans, want %d", len(o.Connections), len(want))
	}
	if diff := cmp.Diff(want, o.Connections, byID); diff != "" {
		t.Errorf("orphans (-want +got):\n%s", diff)
	}
}

func wantCode(t *testing.T, what string, err error, want gateway.Code) {
	t.Helper()
	if got := gateway.ErrorCode(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

func waitLost(t *testing.T, j connstore.Journal) {
	t.Helper()
	select {
	case <-j.Lost():
	case <-deadline(t).Done():
		t.Fatal("the journal never noticed that its lease is lost")
	}
}

// waitNotHeld waits until a take-over knows that it was lost.
func waitNotHeld(t *testing.T, o *connstore.Orphans) {
	t.Helper()
	for ctx := deadline(t); o.Held(); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatal("a take-over never noticed that another has it")
		}
	}
}

func waitSuspicion(t *testing.T, s connstore.Store) {
	t.Helper()
	select {
	case <-s.Suspicions():
	case <-deadline(t).Done():
		t.Fatal("the end of a lease makes nobody look")
	}
}

func wantNotLost(t *testing.T, j connstore.Journal) {
	t.Helper()
	select {
	case <-j.Lost():
		t.Error("the journal says that its lease is lost")
	default:
	}
}
