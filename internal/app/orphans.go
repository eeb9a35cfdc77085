package app

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

const (
	// searchEvery is how often a node looks for incarnations that nobody serves any more when nothing makes it suspicious.
	searchEvery = 20 * time.Second
	// searchTimeout bounds one search for abandoned edges, and one take-over; what follows from it takes its time.
	searchTimeout = 60 * time.Second
	// takeOversAtOnce bounds the dead edges that this one ends at the same time. An edge whose backend is away takes ten
	// seconds and more to settle, and the others must not wait for it.
	takeOversAtOnce = 16
)

// searchOrphans settles what former incarnations left behind: at once what this node's own former life did, later what
// nobody serves any more. It returns when ctx has ended and every take-over has noticed.
func (p *process) searchOrphans(ctx context.Context) {
	slots := make(chan struct{}, takeOversAtOnce)
	for {
		if err := p.settleOrphans(ctx, slots); err != nil && ctx.Err() == nil {
			p.logger.Warn("connections of a former edge are not settled yet", "error", err)
		}
		select {
		case <-ctx.Done():
			for range takeOversAtOnce {
				slots <- struct{}{} // all are free once every take-over has returned
			}
			return
		case <-p.store.Suspicions():
		case <-time.After(searchEvery):
		}
	}
}

// settleOrphans looks once, and begins to end what it finds.
func (p *process) settleOrphans(ctx context.Context, slots chan struct{}) error {
	searching, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	edges, err := p.store.Abandoned(searching, p.config.Node)
	if err != nil {
		return err
	}
	for _, id := range edges {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		go func() { // searchOrphans waits for its slot
			defer func() { <-slots }()
			p.takeOver(ctx, id)
		}()
	}
	return nil
}

// takeOver ends one dead edge, if this process is the one that wins it.
func (p *process) takeOver(ctx context.Context, id gateway.EdgeID) {
	taking, cancel := context.WithTimeout(ctx, searchTimeout)
	orphans, err := p.store.TakeOver(taking, id, p.config.Node)
	cancel()
	switch {
	case errors.Is(err, connstore.ErrTaken), ctx.Err() != nil:
	case err != nil:
		p.logger.Warn("a former edge is not taken over yet", "edge", id, "error", err)
	default:
		p.settle(ctx, orphans)
	}
}

// settle publishes the $disconnect events of a former edge's connections and has its records dropped. It tries until
// that is done, ctx ends, or the take-over itself is lost to another: one that is given up half-way stays leased to this
// process and is found by nobody.
func (p *process) settle(ctx context.Context, orphans *connstore.Orphans) {
	rest := orphans.Connections
	for {
		var err error
		rest, err = p.trySettle(ctx, orphans, rest)
		switch {
		case err == nil:
			p.logger.Info("took over a former edge", "edge", orphans.Edge, "connections", len(orphans.Connections), "unreadable", orphans.Skipped)
			return
		case ctx.Err() != nil:
			return
		case errors.Is(err, connstore.ErrTaken):
			p.logger.Warn("a take-over was lost; another edge tells of the rest", "edge", orphans.Edge, "connections", len(rest))
			return
		}
		p.logger.Warn("a former edge is not settled yet", "edge", orphans.Edge, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(reopenPause):
		}
	}
}

// trySettle makes one attempt, and returns the connections that are not settled.
func (p *process) trySettle(ctx context.Context, orphans *connstore.Orphans, rest []gateway.Connection) ([]gateway.Connection, error) {
	if !orphans.Held() {
		return rest, connstore.ErrTaken
	}
	in := p.edge.current.Load()
	if in == nil {
		return rest, errors.New("this edge has no incarnation of its own now")
	}
	rest, err := in.server.Orphans(ctx, rest, orphans.Held)
	if err != nil {
		return rest, err
	}
	return nil, orphans.Done(ctx)
}
