package journal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// holder keeps one lease alive until it is stopped or the lease is lost.
type holder struct {
	leases *leases
	edge   gateway.EdgeID
	value  []byte
	timing Timing
	// keep lets the lease outlive Fence; reclaim then says, after a refresh, whether the journal behind it is whole. Both are
	// for LossKeep alone.
	keep    bool
	reclaim func(context.Context) error

	lostOnce sync.Once
	lost     chan struct{}
	reason   atomic.Pointer[error] // why it was lost; set before lost is closed

	refreshed atomic.Int64 // start of the last successful refresh, as time since epoch
	confirms  chan chan error

	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned
	seq    uint64        // of the last write; run's own, and its owner's once done is closed
	epoch  time.Time     // monotonic base of refreshed
}

// holdLease returns the holder of a lease that was written at seq no earlier than since. Its owner calls run, and stop.
func holdLease(ctx context.Context, l *leases, edge gateway.EdgeID, value []byte, seq uint64, since time.Time, t Timing) (*holder, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	return &holder{
		leases: l, edge: edge, value: value, timing: t, seq: seq,
		lost: make(chan struct{}), confirms: make(chan chan error), cancel: cancel, done: make(chan struct{}), epoch: since,
	}, ctx
}

// run refreshes the lease until ctx ends or the lease is lost.
func (h *holder) run(ctx context.Context) {
	defer close(h.done)
	next := time.NewTimer(h.timing.Refresh)
	defer next.Stop()
	success := h.epoch
	for {
		var asked chan error
		select {
		case <-ctx.Done():
			return
		case <-h.lost:
			return
		case <-next.C:
		case asked = <-h.confirms:
		}
		// The server counts the TTL from when it stores the refresh, which is not before now.
		start := time.Now()
		fence := success.Add(h.timing.Fence)
		until := fence
		if h.keep {
			until = start.Add(attemptTimeout)
		}
		attempt, cancel := context.WithDeadline(ctx, until)
		err := h.refresh(attempt)
		if err == nil && h.keep && !start.Before(fence) {
			err = h.reclaim(attempt)
		}
		cancel()
		if asked != nil {
			asked <- err
		}
		switch {
		case err == nil:
			success = start
			h.refreshed.Store(int64(start.Sub(h.epoch)))
			// Counted from the start: a process that was stopped in the middle of a refresh has no time left.
			next.Reset(time.Until(start.Add(h.timing.Refresh)))
		case ctx.Err() != nil:
			return
		case errors.Is(err, connstore.ErrLost):
			h.lose(err)
			return
		case !h.keep && !time.Now().Before(fence):
			h.lose(errors.Join(connstore.ErrLost, err))
			return
		default:
			next.Reset(min(retryPause, h.timing.Refresh))
		}
	}
}

// refresh writes the lease again. After a wrong sequence it looks whose the lease is (nats-facts §5.6): its own value is
// a write whose acknowledgement was lost, or one still under way; a marker of expiry it may take back; anything else is
// another's.
func (h *holder) refresh(ctx context.Context) error {
	seq, err := h.leases.write(ctx, h.edge, h.value, h.seq)
	if errors.Is(err, errMoved) {
		now, readErr := h.leases.read(ctx, h.edge)
		switch {
		case readErr != nil:
			return readErr
		case now.is(h.value), now.state == leaseExpired:
			seq, err = h.leases.write(ctx, h.edge, h.value, now.seq)
		default:
			return connstore.ErrLost
		}
	}
	if err != nil {
		return err
	}
	h.seq = seq
	return nil
}

// confirm refreshes the lease now, so that its owner knows it to be held for a TTL from here. ErrLost when it is not.
func (h *holder) confirm(ctx context.Context) error {
	asked := make(chan error, 1)
	select {
	case h.confirms <- asked:
		return <-asked // run bounds each attempt
	case <-h.done:
		if h.isLost() {
			return connstore.ErrLost
		}
		return connstore.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lose says that the lease is lost; the first reason counts.
func (h *holder) lose(reason error) {
	h.lostOnce.Do(func() {
		h.reason.Store(&reason)
		close(h.lost)
	})
}

func (h *holder) isLost() bool {
	select {
	case <-h.lost:
		return true
	default:
		return false
	}
}

// fresh reports whether no refresh is overdue.
func (h *holder) fresh() bool { return !h.isLost() && h.age() < overdueAfter*h.timing.Refresh }

// held reports whether the lease can't be in other hands yet.
func (h *holder) held() bool { return h.age() < h.timing.Fence && !h.isLost() }

// age is how long ago the last successful refresh began.
func (h *holder) age() time.Duration { return time.Since(h.epoch) - time.Duration(h.refreshed.Load()) }

// overdueAfter intervals without a refresh are no jitter any more.
const overdueAfter = 2

// stop ends the refreshing and waits for it. The lease stays as it is.
func (h *holder) stop() {
	h.cancel()
	<-h.done
}

// drop removes the lease after stop; errMoved when it is another's.
func (h *holder) drop(ctx context.Context) error {
	err := h.leases.remove(ctx, h.edge, h.seq)
	if !errors.Is(err, errMoved) {
		return err
	}
	now, err := h.leases.read(ctx, h.edge)
	switch {
	case err != nil:
		return err
	case now.is(h.value):
		return h.leases.remove(ctx, h.edge, now.seq)
	case now.state == leaseExpired, now.state == leaseNone, now.state == leaseDropped:
		return nil
	}
	return errMoved
}
