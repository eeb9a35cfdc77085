// Package catalogtest is the contract of catalog.Store as a test. Each implementation calls Run from a test of its own.
package catalogtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// Run runs the contract. open makes a new catalog for each of its parts, and returns what opens it once more, as another
// process does.
func Run(t *testing.T, open func(t *testing.T) func(t *testing.T) catalog.Store) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, func(*testing.T) catalog.Store)
	}{
		{"deployments", testDeployments},
		{"commit", testCommit},
		{"one of many commits", testOneWinner},
		{"watch", testWatch},
		{"sweep", testSweep},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

// patience bounds each wait; a store that works needs a fraction of it.
const patience = 20 * time.Second

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

var moment = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC) // never changed

func frozen(api gateway.APIID, id gateway.DeploymentID) *deployment.Frozen {
	return &deployment.Frozen{
		Version: deployment.Version, API: api, ID: id, CreatedAt: moment, Definition: json.RawMessage(fmt.Sprintf(`{"name":%q}`, api)),
	}
}

// pointing is a Live whose one API has one stage on a deployment.
func pointing(api gateway.APIID, stage gateway.StageName, id gateway.DeploymentID) *deployment.Live {
	live := catalog.Empty()
	live.APIs[api] = &deployment.API{
		Stages:      map[gateway.StageName]deployment.Stage{stage: {Deployment: id, DeployedAt: moment}},
		Deployments: []deployment.Kept{{ID: id, CreatedAt: moment}},
	}
	return live
}

func testDeployments(t *testing.T, open func(*testing.T) catalog.Store) {
	one, two := open(t), open(t)
	ctx := deadline(t)
	// Ids are ours, and yet a store takes any.
	for _, d := range []*deployment.Frozen{frozen("chat", "d1"), frozen("chat", "d2"), frozen("a.b $é", "x/y"), frozen("a", "")} {
		if _, err := two.Deployment(ctx, d.API, d.ID); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("%s/%s before it was put: %v", d.API, d.ID, err)
		}
		if err := one.Put(ctx, d); err != nil {
			t.Fatal(err)
		}
		got, err := two.Deployment(ctx, d.API, d.ID)
		if err != nil || !cmp.Equal(got, d) {
			t.Errorf("%s/%s: %v, %s", d.API, d.ID, err, cmp.Diff(d, got))
		}
	}
	again := frozen("chat", "d1")
	again.CreatedAt = moment.Add(time.Hour)
	if err := two.Put(ctx, again); err != nil {
		t.Fatal(err)
	}
	if got, err := one.Deployment(ctx, "chat", "d1"); err != nil || !got.CreatedAt.Equal(moment) {
		t.Errorf("a deployment that was put again is of %v, %v", got, err)
	}
}

func testCommit(t *testing.T, open func(*testing.T) catalog.Store) {
	one, two := open(t), open(t)
	ctx := deadline(t)
	state, err := one.State(ctx)
	if err != nil || state.Revision != 0 || state.Live == nil || len(state.Live.APIs) != 0 {
		t.Fatalf("a new catalog: %+v, %v", state, err)
	}
	first := pointing("chat", "$default", "d1")
	r1, err := one.Commit(ctx, 0, first)
	if err != nil || r1 == 0 {
		t.Fatalf("the first commit: %d, %v", r1, err)
	}
	if state, err = two.State(ctx); err != nil || state.Revision != r1 || !cmp.Equal(state.Live, first) {
		t.Errorf("the other process sees %+v, %v", state, err)
	}
	if _, err := two.Commit(ctx, 0, pointing("chat", "dev", "dx")); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("a second first commit: %v", err)
	}
	second := pointing("chat", "$default", "d2")
	r2, err := two.Commit(ctx, r1, second)
	if err != nil || r2 <= r1 {
		t.Fatalf("the second commit: %d after %d, %v", r2, r1, err)
	}
	if _, err := one.Commit(ctx, r1, first); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("a commit on an old revision: %v", err)
	}
	if state, err = one.State(ctx); err != nil || state.Revision != r2 || !cmp.Equal(state.Live, second) {
		t.Errorf("after two commits: %+v, %v", state, err)
	}
	state.Live.APIs["other"] = &deployment.API{}
	if state, err = one.State(ctx); err != nil || len(state.Live.APIs) != 1 {
		t.Error("whoever asks for the state can change it")
	}
	if state, err = open(t).State(ctx); err != nil || state.Revision != r2 || !cmp.Equal(state.Live, second) {
		t.Errorf("who comes later sees %+v, %v", state, err)
	}
}

func testOneWinner(t *testing.T, open func(*testing.T) catalog.Store) {
	const many = 8
	ctx := deadline(t)
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		s := open(t)
		all.Go(func() { _, errs[i] = s.Commit(ctx, 0, pointing("chat", "dev", gateway.DeploymentID(fmt.Sprint(i)))) })
	}
	all.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("%d and %d both committed", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, catalog.ErrConflict):
			t.Errorf("%d: %v", i, err)
		}
	}
	state, err := open(t).State(ctx)
	if err != nil || winner < 0 || state.Live.APIs["chat"].Stages["dev"].Deployment != gateway.DeploymentID(fmt.Sprint(winner)) {
		t.Errorf("%d committed, live is %+v, %v", winner, state, err)
	}
}

func testWatch(t *testing.T, open func(*testing.T) catalog.Store) {
	one, two := open(t), open(t)
	ctx, cancel := context.WithCancel(deadline(t))
	told, ended := make(chan catalog.State, 64), make(chan error, 1)
	go func() { ended <- two.Watch(ctx, func(s catalog.State) { told <- s }) }()
	next := func() catalog.State {
		t.Helper()
		select {
		case s := <-told:
			return s
		case err := <-ended:
			t.Fatalf("the watch ended: %v", err)
		}
		return catalog.State{}
	}
	if s := next(); s.Revision != 0 || s.Live == nil || len(s.Live.APIs) != 0 {
		t.Errorf("the watch of a new catalog began with %+v", s)
	}
	if err := one.Put(ctx, frozen("chat", "d1")); err != nil { // which is no news of what is live
		t.Fatal(err)
	}
	revision := catalog.Revision(0)
	for i := range 20 {
		want := pointing("chat", "dev", gateway.DeploymentID(fmt.Sprint("d", i)))
		fresh, err := one.Commit(ctx, revision, want)
		if err != nil {
			t.Fatal(err)
		}
		s := next()
		for s.Revision < fresh { // one that was left out before may still come
			s = next()
		}
		if s.Revision != fresh || !cmp.Equal(s.Live, want) {
			t.Fatalf("commit %d was told as %+v", fresh, s)
		}
		revision = fresh
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch returned %v at the end of its context", err)
	}
	// Who comes later begins with what is live.
	ctx, cancel = context.WithCancel(deadline(t))
	defer cancel()
	var begin catalog.State
	if err := open(t).Watch(ctx, func(s catalog.State) { begin = s; cancel() }); err != nil || begin.Revision != revision {
		t.Errorf("a later watch began with %+v, %v", begin, err)
	}
}

func testSweep(t *testing.T, open func(*testing.T) catalog.Store) {
	s := open(t)
	ctx := deadline(t)
	for _, id := range []gateway.DeploymentID{"d1", "d2", "d3"} {
		if err := s.Put(ctx, frozen("chat", id)); err != nil {
			t.Fatal(err)
		}
	}
	revision, err := s.Commit(ctx, 0, pointing("chat", "dev", "d1"))
	if err != nil {
		t.Fatal(err)
	}
	keep := func(_ gateway.APIID, id gateway.DeploymentID) bool { return id == "d1" }
	if err := s.Sweep(ctx, time.Now().Add(-time.Hour), keep); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deployment(ctx, "chat", "d3"); err != nil {
		t.Errorf("a young deployment: %v", err)
	}
	if err := s.Sweep(ctx, time.Now().Add(time.Hour), keep); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[gateway.DeploymentID]error{"d1": nil, "d2": catalog.ErrNotFound, "d3": catalog.ErrNotFound} {
		if _, err := s.Deployment(ctx, "chat", id); !errors.Is(err, want) {
			t.Errorf("%s after the sweep: %v", id, err)
		}
	}
	if state, err := s.State(ctx); err != nil || state.Revision != revision {
		t.Errorf("the sweep changed what is live: %+v, %v", state, err)
	}
	if err := s.Put(ctx, frozen("chat", "d2")); err != nil {
		t.Errorf("a deployment that was swept can't be put again: %v", err)
	}
}
