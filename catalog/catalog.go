// Package catalog is what the gateway serves, kept where all of its processes find it: frozen deployments, and the one Live
// record that says which stage points at which of them.
//
// Store keeps both; catalog/memory is one for tests, catalog/natskv the one on JetStream. The shapes of the records are
// those of schemas/deployment, the compiling is internal/app's.
//
// One path through it: a deployment is Put, one Commit makes a stage point at it, and the Watch of every process tells of
// the new State.
package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// Revision orders the states of a catalog. It grows with every commit, not by one; 0 is that of a catalog in which nothing
// was ever live.
type Revision uint64

// The errors that callers decide by. Others are *gateway.Error of CodeUnavailable or CodeTooLarge.
var (
	// ErrNotFound says that there is no such deployment.
	ErrNotFound = errors.New("catalog: there is no such deployment")
	// ErrConflict says that something else was committed meanwhile.
	ErrConflict = errors.New("catalog: something else was committed meanwhile")
)

// State is what is live, at its revision. Nobody changes a State that was given away.
type State struct {
	Revision Revision
	Live     *deployment.Live // never nil
}

// Store keeps a catalog. Its methods may be called concurrently, and by many processes on one catalog.
type Store interface {
	// Put stores a deployment. One that is stored already is kept, and is as young again for Sweep.
	Put(ctx context.Context, d *deployment.Frozen) error
	// Deployment returns a stored deployment, or ErrNotFound.
	Deployment(ctx context.Context, api gateway.APIID, id gateway.DeploymentID) (*deployment.Frozen, error)
	// State returns what is live. It sees every commit that has returned before, by whichever process.
	State(ctx context.Context) (State, error)
	// Commit makes live the whole of what is live if the catalog still has the revision; else it returns ErrConflict. After
	// another error it may be live all the same.
	Commit(ctx context.Context, revision Revision, live *deployment.Live) (Revision, error)
	// Watch calls tell with what is live and then with what became live, in order, until ctx ends, for which it returns nil.
	// States that were replaced at once may be left out, the newest never. An error means that the watch was cut: begin anew.
	// tell is called by one goroutine and holds up the watch.
	Watch(ctx context.Context, tell func(State)) error
	// Sweep removes the deployments for which keep says no and which were put before.
	Sweep(ctx context.Context, before time.Time, keep func(gateway.APIID, gateway.DeploymentID) bool) error
}

// Empty is a Live without any API.
func Empty() *deployment.Live {
	return &deployment.Live{Version: deployment.Version, APIs: make(map[gateway.APIID]*deployment.API)}
}
