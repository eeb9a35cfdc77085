package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/catalog/memory"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// fleet answers every question as the test says, and notes them.
type fleet struct {
	mu      sync.Mutex
	asked   []deployment.Question
	answers []deployment.Answer
	before  func() // before it answers a prepare
	lost    error  // of each question after a commit
}

func (f *fleet) Ask(_ context.Context, q *deployment.Question) ([]deployment.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, *q)
	if q.Step == deployment.StepLive && f.lost != nil {
		return nil, f.lost
	}
	if q.Step == deployment.StepPrepare && f.before != nil {
		f.before()
	}
	return f.answers, nil
}

func chat(id gateway.DeploymentID, stages ...gateway.StageName) catalog.Change {
	return catalog.Change{
		Deployment: &deployment.Frozen{Version: deployment.Version, API: "chat", ID: id, CreatedAt: time.Unix(1, 0).UTC(), Definition: json.RawMessage(`{}`)},
		Stages:     stages,
	}
}

func TestApplyCommitsWhatAllNodesCan(t *testing.T) {
	store, nodes := memory.New(), &fleet{answers: []deployment.Answer{{Node: "a"}, {Node: "b"}}}
	d := &catalog.Deployer{Store: store, Nodes: nodes}
	result, err := d.Apply(t.Context(), []catalog.Change{chat("d1", "dev", "prod")})
	if err != nil || result.Revision == 0 || len(result.Nodes) != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	if len(nodes.asked) != 2 || nodes.asked[0].Step != deployment.StepPrepare || nodes.asked[1].Step != deployment.StepLive || nodes.asked[1].Revision != uint64(result.Revision) {
		t.Errorf("asked %+v", nodes.asked)
	}
	// The same again changes nothing and asks nobody.
	again, err := d.Apply(t.Context(), []catalog.Change{chat("d1", "dev", "prod")})
	if err != nil || again.Revision != result.Revision || len(nodes.asked) != 2 {
		t.Errorf("the same again: %+v, %v, asked %d times", again, err, len(nodes.asked))
	}
	if _, err = d.Apply(t.Context(), []catalog.Change{chat("d2", "dev")}); err != nil {
		t.Fatal(err)
	}
	state, err := store.State(t.Context())
	if err != nil || state.Live.APIs["chat"].Stages["dev"].Deployment != "d2" || state.Live.APIs["chat"].Stages["prod"].Deployment != "d1" {
		t.Errorf("live: %+v, %v", state.Live.APIs["chat"], err)
	}
}

func TestOneNodeRefuses(t *testing.T) {
	store := memory.New()
	nodes := &fleet{answers: []deployment.Answer{{Node: "a"}, {Node: "b", Faults: []deployment.Fault{{API: "chat", Stage: "dev", Problem: "no such region"}}}}}
	_, err := (&catalog.Deployer{Store: store, Nodes: nodes}).Apply(t.Context(), []catalog.Change{chat("d1", "dev")})
	var refused *catalog.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "node b: chat/dev: no such region") || strings.Contains(err.Error(), "node a") {
		t.Errorf("Apply: %v", err)
	}
	if state, err := store.State(t.Context()); err != nil || state.Revision != 0 {
		t.Errorf("it is live: %+v, %v", state, err)
	}
}

// A commit of somebody else between prepare and commit makes the change begin anew, on what is live then.
func TestOthersCommitMeanwhile(t *testing.T) {
	store, nodes := memory.New(), &fleet{}
	other := sync.OnceFunc(func() {
		live := catalog.Empty()
		live.APIs["shop"] = &deployment.API{Stages: map[gateway.StageName]deployment.Stage{"dev": {Deployment: "s1"}}}
		if _, err := store.Commit(t.Context(), 0, live); err != nil {
			t.Error(err)
		}
	})
	nodes.before = other
	if _, err := (&catalog.Deployer{Store: store, Nodes: nodes}).Apply(t.Context(), []catalog.Change{chat("d1", "dev")}); err != nil {
		t.Fatal(err)
	}
	state, err := store.State(t.Context())
	if err != nil || state.Live.APIs["shop"] == nil || state.Live.APIs["chat"] == nil || len(nodes.asked) != 3 {
		t.Errorf("live: %+v, %v, asked %d times", state.Live, err, len(nodes.asked))
	}
}

func TestKeptDeployments(t *testing.T) {
	store := memory.New()
	d := &catalog.Deployer{Store: store, Nodes: &fleet{}}
	if _, err := d.Apply(t.Context(), []catalog.Change{chat("first", "prod")}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * catalog.KeepDeployments {
		if _, err := d.Apply(t.Context(), []catalog.Change{chat(gateway.DeploymentID(fmt.Sprint("d", i)), "dev")}); err != nil {
			t.Fatal(err)
		}
	}
	state, err := store.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept := state.Live.APIs["chat"].Deployments
	if len(kept) != catalog.KeepDeployments+1 || kept[0].ID != "d19" || kept[len(kept)-1].ID != "first" {
		t.Errorf("kept are %v", kept)
	}
}

func TestRemove(t *testing.T) {
	store := memory.New()
	d := &catalog.Deployer{Store: store, Nodes: &fleet{}}
	if _, err := d.Apply(t.Context(), []catalog.Change{chat("d1", "dev", "prod")}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Remove(t.Context(), "chat", "other"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a stage that is not live: %v", err)
	}
	if _, err := d.Remove(t.Context(), "chat", "dev"); err != nil {
		t.Fatal(err)
	}
	if state, err := store.State(t.Context()); err != nil || len(state.Live.APIs["chat"].Stages) != 1 {
		t.Errorf("after one stage: %+v, %v", state.Live, err)
	}
	if _, err := d.Remove(t.Context(), "chat", ""); err != nil {
		t.Fatal(err)
	}
	if state, err := store.State(t.Context()); err != nil || len(state.Live.APIs) != 0 {
		t.Errorf("after all: %+v, %v", state.Live, err)
	}
}

// When others commit before each of its attempts, a change pauses between them, and gives up.
func TestOthersCommitAlways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, nodes := memory.New(), &fleet{}
		nodes.before = func() {
			state, err := store.State(t.Context())
			if err != nil {
				t.Error(err)
			}
			if _, err := store.Commit(t.Context(), state.Revision, state.Live); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		_, err := (&catalog.Deployer{Store: store, Nodes: nodes}).Apply(t.Context(), []catalog.Change{chat("d1", "dev")})
		if gateway.ErrorCode(err) != gateway.CodeUnavailable || len(nodes.asked) < 2 || time.Since(began) == 0 {
			t.Errorf("%v after %d attempts in %s", err, len(nodes.asked), time.Since(began))
		}
	})
}

// unswept is a store that can't remove anything.
type unswept struct{ catalog.Store }

var errUnswept = errors.New("nothing can be removed")

func (unswept) Sweep(context.Context, time.Time, func(gateway.APIID, gateway.DeploymentID) bool) error {
	return errUnswept
}

// What fails after the commit does not make a change look as if it were not live.
func TestFailuresAfterTheCommit(t *testing.T) {
	var log strings.Builder
	d := &catalog.Deployer{Store: unswept{memory.New()}, Nodes: &fleet{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if result, err := d.Apply(t.Context(), []catalog.Change{chat("d1", "dev")}); err != nil || result.Revision == 0 || !strings.Contains(log.String(), errUnswept.Error()) {
		t.Errorf("without a sweep: %+v, %v, log %q", result, err, log.String())
	}
	lost := errors.New("JetStream is away")
	d = &catalog.Deployer{Store: memory.New(), Nodes: &fleet{lost: lost}}
	result, err := d.Apply(t.Context(), []catalog.Change{chat("d1", "dev")})
	if !errors.Is(err, catalog.ErrUnconfirmed) || !errors.Is(err, lost) || result.Revision == 0 || gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("nodes that can't be asked: %+v, %v", result, err)
	}
}

// What somebody else removed between two attempts was not found.
func TestRemoveWhatIsRemovedMeanwhile(t *testing.T) {
	store, nodes := memory.New(), &fleet{}
	d := &catalog.Deployer{Store: store, Nodes: nodes}
	applied, err := d.Apply(t.Context(), []catalog.Change{chat("d1", "dev")})
	if err != nil {
		t.Fatal(err)
	}
	nodes.before = func() {
		if _, err := store.Commit(t.Context(), applied.Revision, catalog.Empty()); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Remove(t.Context(), "chat", "dev"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Remove: %v", err)
	}
}
