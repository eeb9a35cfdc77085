package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// TakeOver implements connstore.Store.
func (s *Store) TakeOver(ctx context.Context, edge gateway.EdgeID, node string) (*connstore.Orphans, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if !edge.Valid() {
		return nil, connstore.ErrTaken
	}
	seen, err := s.leases.read(ctx, edge)
	if err != nil {
		return nil, s.failure(err)
	}
	if err := s.mayTake(ctx, edge, node, seen); err != nil {
		return nil, err
	}
	s.mu.Lock()
	var by gateway.EdgeID
	if len(s.edges) > 0 {
		by = s.edges[0]
	}
	s.mu.Unlock()
	value := s.leaseValue(leaseRecord{Node: node, TakeOver: true, By: by})
	since := time.Now()
	seq, err := s.leases.write(ctx, edge, value, seen.seq)
	if errors.Is(err, errMoved) {
		return nil, connstore.ErrTaken
	}
	if err != nil {
		return nil, s.failure(err) // if it was stored it runs out
	}
	s.watch.regain(edge)
	t := &takeOver{store: s, edge: edge}
	var hold context.Context
	t.holder, hold = holdLease(s.ctx, s.leases, edge, value, seq, since, s.timing)
	s.running.Go(func() { t.holder.run(hold) })
	f, err := s.fenceAndFold(ctx, edge)
	if err != nil {
		t.holder.stop()
		_ = t.holder.drop(ctx) // so that it can be taken over again at once; else it runs out
		return nil, s.failure(err)
	}
	return connstore.NewOrphans(edge, f.open, f.skipped, t), nil
}

// fenceAndFold cuts the chain of edge's journal and reads what its connections come to. What its former owner publishes
// behind the fence names a sequence that is no longer the last, and is refused.
func (s *Store) fenceAndFold(ctx context.Context, edge gateway.EdgeID) (folded, error) {
	fence := &nats.Msg{
		Subject: s.names.journals + string(edge),
		// Not one of the owner's numbers, so that the owner never takes it for its own message.
		Data: appendHeader(nil, kindFence, rand.Uint64()|1<<63),
	}
	ack, err := s.publishFence(ctx, fence)
	if err != nil {
		return folded{}, err
	}
	return s.fold(ctx, edge, ack.Sequence)
}

func (s *Store) publishFence(ctx context.Context, fence *nats.Msg) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return s.js.PublishMsg(ctx, fence, jetstream.WithExpectStream(s.names.stream))
}

// takeOver is one that is not done yet.
type takeOver struct {
	store  *Store
	edge   gateway.EdgeID
	holder *holder

	mu       sync.Mutex
	finished bool
}

// Held implements connstore.Claim. The lease is not kept beyond its fence, so what is lost stays so.
func (t *takeOver) Held() bool { return t.holder.held() }

// Done implements connstore.Claim. It purges journal and lease, in this order: a lease without a journal is nothing, a journal without a lease is a
// take-over for somebody.
func (t *takeOver) Done(ctx context.Context) error {
	ctx, leave, err := t.store.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return nil
	}
	switch err := t.holder.confirm(ctx); {
	case errors.Is(err, connstore.ErrLost):
		return connstore.ErrTaken
	case err != nil:
		return t.store.failure(err)
	}
	purge, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err := t.store.stream.Purge(purge, jetstream.WithPurgeSubject(t.store.names.journals+string(t.edge))); err != nil {
		return t.store.failure(err)
	}
	t.holder.stop()
	t.finished = true
	if err := t.holder.drop(ctx); err != nil {
		// The journal is gone and the lease is refreshed no more: nothing is left to do but to wait for its end.
		t.store.log.Info("the lease of a finished take-over runs out by itself", "edge", t.edge, "error", err)
	}
	return nil
}
