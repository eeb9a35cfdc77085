package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

const (
	// KeepDeployments is how many deployments of an API are kept beside those that stages point at.
	KeepDeployments = 10
	// youngDeployment is how long a deployment is kept that nothing points at: whoever put it may be about to commit.
	youngDeployment = time.Hour
	// commitAttempts bounds how often a change begins anew because others commit meanwhile.
	commitAttempts = 8
	// conflictPause bounds the pause before such an attempt; a random part of it lets one of those who met go first.
	conflictPause = 200 * time.Millisecond
)

// Nodes are the processes that serve what is live.
type Nodes interface {
	// Ask puts a question to each living node. One that does not answer in time has an answer with a fault. It may be called
	// concurrently.
	Ask(ctx context.Context, q *deployment.Question) ([]deployment.Answer, error)
}

// RefusedError says which nodes can't serve a change, and why. The change is live nowhere.
type RefusedError struct{ Answers []deployment.Answer }

// Error names each node and each of its faults on a line.
func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("the change is live nowhere, since not every node can serve it:")
	for _, a := range e.Answers {
		for _, f := range a.Faults {
			fmt.Fprintf(&b, "\n  node %s: %s", a.Node, f)
		}
	}
	return b.String()
}

// ErrUnconfirmed says that a change is committed, but not that all nodes serve it.
var ErrUnconfirmed = errors.New("catalog: committed, but not all nodes said they are live")

// Change makes stages of one API point at a deployment.
type Change struct {
	Deployment *deployment.Frozen
	Stages     []gateway.StageName
}

// Result is what became of a change.
type Result struct {
	Revision Revision
	// Nodes are the answers of all nodes: one without a fault serves the revision.
	Nodes []deployment.Answer
	// Took is the time from the commit until the last node said that it serves it; 0 when nothing had to change.
	Took time.Duration
}

// Deployer changes what is live, in two steps: every node prepares, then one commit. Its methods may be called concurrently,
// and by many processes.
type Deployer struct {
	Store Store
	Nodes Nodes
	// Logger is told when old deployments could not be removed; nil is no log.
	Logger *slog.Logger
}

// Apply deploys. What is live already stays as it is. The errors are *RefusedError, ErrUnconfirmed
// within a *gateway.Error, or those of the store.
func (d *Deployer) Apply(ctx context.Context, changes []Change) (Result, error) {
	for _, c := range changes {
		if err := d.Store.Put(ctx, c.Deployment); err != nil {
			return Result{}, err
		}
	}
	return d.change(ctx, func(live *deployment.Live) bool {
		changed := false
		for _, c := range changes {
			changed = point(live, c, time.Now().UTC()) || changed
		}
		return changed
	})
}

// Remove takes a stage of an API out of what is live, or the whole API when the stage is "". ErrNotFound when it is not live.
func (d *Deployer) Remove(ctx context.Context, api gateway.APIID, stage gateway.StageName) (Result, error) {
	found := false
	result, err := d.change(ctx, func(live *deployment.Live) bool {
		found = false // what was there at an attempt before may be gone
		has := live.APIs[api]
		if has == nil {
			return false
		}
		_, staged := has.Stages[stage]
		if stage == "" || staged {
			found = true
			delete(has.Stages, stage)
			if stage == "" || len(has.Stages) == 0 {
				delete(live.APIs, api)
			}
		}
		return found
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return result, err
}

// change lets edit work on what is live until no one else has committed meanwhile. edit says whether it changed anything.
func (d *Deployer) change(ctx context.Context, edit func(*deployment.Live) bool) (Result, error) {
	for attempt := range commitAttempts {
		if attempt > 0 {
			if err := pause(ctx, rand.N(conflictPause)); err != nil {
				return Result{}, err
			}
		}
		state, err := d.Store.State(ctx)
		if err != nil {
			return Result{}, err
		}
		if !edit(state.Live) { // a State that we asked for is ours alone
			return Result{Revision: state.Revision}, nil
		}
		if err := d.prepare(ctx, state.Live); err != nil {
			return Result{}, err
		}
		began := time.Now()
		revision, err := d.Store.Commit(ctx, state.Revision, state.Live)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return Result{}, err
		}
		answers, err := d.Nodes.Ask(ctx, &deployment.Question{Version: deployment.Version, Step: deployment.StepLive, Revision: uint64(revision)})
		result := Result{Revision: revision, Nodes: answers, Took: time.Since(began)}
		if err != nil {
			return result, gateway.Errorf(gateway.CodeUnavailable, "committed as revision %d, but not all nodes said they are live", uint64(revision)).
				Because(errors.Join(ErrUnconfirmed, err))
		}
		if err := d.sweep(ctx, state.Live); err != nil && d.Logger != nil { // the next change sweeps too
			d.Logger.Warn("old deployments could not be removed", slog.Any("error", err))
		}
		return result, nil
	}
	return Result{}, gateway.Errorf(gateway.CodeUnavailable, "others deploy at the same time: try again")
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return gateway.Errorf(gateway.CodeUnavailable, "others deploy at the same time: try again").Because(ctx.Err())
	case <-timer.C:
		return nil
	}
}

func (d *Deployer) prepare(ctx context.Context, live *deployment.Live) error {
	answers, err := d.Nodes.Ask(ctx, &deployment.Question{Version: deployment.Version, Step: deployment.StepPrepare, Live: live})
	if err != nil {
		return err
	}
	answers = slices.DeleteFunc(answers, func(a deployment.Answer) bool { return len(a.Faults) == 0 })
	if len(answers) > 0 {
		return &RefusedError{Answers: answers}
	}
	return nil
}

// sweep removes deployments that are kept no more.
func (d *Deployer) sweep(ctx context.Context, live *deployment.Live) error {
	return d.Store.Sweep(ctx, time.Now().Add(-youngDeployment), func(api gateway.APIID, id gateway.DeploymentID) bool {
		has := live.APIs[api]
		return has != nil && slices.ContainsFunc(has.Deployments, func(k deployment.Kept) bool { return k.ID == id })
	})
}

// point makes stages point at a deployment, and reports whether any did not.
func point(live *deployment.Live, c Change, now time.Time) bool {
	f := c.Deployment
	has := live.APIs[f.API]
	if has == nil {
		has = &deployment.API{}
		live.APIs[f.API] = has
	}
	if has.Stages == nil {
		has.Stages = make(map[gateway.StageName]deployment.Stage)
	}
	changed := false
	for _, stage := range c.Stages {
		if has.Stages[stage].Deployment != f.ID {
			has.Stages[stage] = deployment.Stage{Deployment: f.ID, DeployedAt: now}
			changed = true
		}
	}
	if !changed {
		return false
	}
	kept := []deployment.Kept{{ID: f.ID, CreatedAt: f.CreatedAt}}
	used := make(map[gateway.DeploymentID]bool)
	for stage := range maps.Values(has.Stages) {
		used[stage.Deployment] = true
	}
	for _, k := range has.Deployments {
		if k.ID != f.ID && (len(kept) < KeepDeployments || used[k.ID]) {
			kept = append(kept, k)
		}
	}
	has.Deployments = kept
	return true
}
