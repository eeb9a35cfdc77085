package memory

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// journal implements connstore.Journal. Its state lives in the Universe, under the Universe's lock.
type journal struct {
	store *Store
	edge  gateway.EdgeID
	lease *lease

	released bool  // guarded by the Universe's mu
	result   error // of the first Release; guarded likewise
}

func (j *journal) Edge() gateway.EdgeID { return j.edge }

func (j *journal) Opened(ctx context.Context, c *gateway.Connection) error {
	if err := connstore.CheckRecord(j.edge, c); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	j.store.u.mu.Lock()
	defer j.store.u.mu.Unlock()
	in, err := j.ownLocked()
	if err != nil {
		return unavailable(err)
	}
	in.open[c.ID] = stored(c)
	return nil
}

func (j *journal) Closed(id gateway.ConnectionID) {
	j.store.u.mu.Lock()
	defer j.store.u.mu.Unlock()
	if in, err := j.ownLocked(); err == nil {
		delete(in.open, id)
	}
}

// ownLocked returns the incarnation if it is still j's. A lease that ran out while its holder lives is taken back.
func (j *journal) ownLocked() (*incarnation, error) {
	if j.store.closed || j.released {
		return nil, connstore.ErrClosed
	}
	in := j.store.u.incarnations[j.edge]
	if in != nil && in.former == j.lease {
		in.lease, in.former = j.lease, nil
	}
	if in == nil || in.lease != j.lease {
		return nil, connstore.ErrLost
	}
	return in, nil
}

func (j *journal) Lost() <-chan struct{} { return j.lease.lost }

// Held is the same as Healthy: leases in memory do not age.
func (j *journal) Held() bool { return j.Healthy() }

func (j *journal) Healthy() bool {
	j.store.u.mu.Lock()
	defer j.store.u.mu.Unlock()
	_, err := j.ownLocked()
	return err == nil
}

func (j *journal) Release(context.Context) error {
	j.store.u.mu.Lock()
	defer j.store.u.mu.Unlock()
	if j.released {
		return j.result
	}
	in, err := j.ownLocked()
	j.released, j.result = true, err
	if err != nil {
		return err
	}
	j.store.edges = slices.DeleteFunc(j.store.edges, func(e gateway.EdgeID) bool { return e == j.edge })
	if len(in.open) == 0 {
		delete(j.store.u.incarnations, j.edge)
	} else {
		in.lease = nil
	}
	return nil
}
