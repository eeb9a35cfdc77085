package edge

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// Orphans publishes $disconnect with code 1006 for connections that another incarnation left behind (DESIGN §3.6), as
// long as held says that they are the caller's to tell of. It returns when each of them is settled, or with an error, which
// is ctx's, connstore.ErrTaken once they are not held, or says that the server stops, and those that are not settled; when
// none are left the caller forgets them in the store they came from. Message and request ids are those that the lost edge
// would have used, so a stream removes a repeat and a backend can tell it. held is called concurrently and must be cheap.
func (s *Server) Orphans(ctx context.Context, conns []gateway.Connection, held func() bool) ([]gateway.Connection, error) {
	lost := gateway.Close{Code: int(ws.StatusAbnormalClosure), Reason: reasonNodeLost}
	o := &orphans{
		window: make(chan struct{}, orphanWindow), taken: make(chan struct{}), held: held,
		left: make(map[gateway.ConnectionID]gateway.Connection, len(conns)),
	}
	for _, c := range conns {
		o.left[c.ID] = c
	}
	for _, c := range conns {
		if err := o.enter(ctx, s); err != nil {
			return o.rest(), err
		}
		s.disconnects.begin(c, lost, o)
	}
	// The window is empty again when all are settled: filling it takes every place.
	for range orphanWindow {
		if err := o.enter(ctx, s); err != nil {
			return o.rest(), err
		}
	}
	return nil, nil
}

// orphans is one call of Orphans: who is under way, and who is left.
type orphans struct {
	window chan struct{} // one place for each $disconnect that is under way
	held   func() bool

	once  sync.Once
	taken chan struct{} // closed when they were found to be another's

	mu   sync.Mutex
	left map[gateway.ConnectionID]gateway.Connection
}

func (o *orphans) enter(ctx context.Context, s *Server) error {
	select {
	case o.window <- struct{}{}:
		return nil
	case <-o.taken:
		return connstore.ErrTaken
	case <-s.disconnects.ended:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// owns ends the whole call when they are not held any more.
func (o *orphans) owns() claim {
	if o.held() {
		return claimHeld
	}
	o.once.Do(func() { close(o.taken) })
	return claimGone
}

func (o *orphans) settled(id gateway.ConnectionID) {
	o.mu.Lock()
	delete(o.left, id)
	o.mu.Unlock()
	<-o.window
}

func (o *orphans) rest() []gateway.Connection {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Values(o.left))
}
