package journal

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// journal implements connstore.Journal with a lease holder, a queue and a writer.
type journal struct {
	store  *Store
	edge   gateway.EdgeID
	holder *holder
	queue  *queue
	writer *writer

	stopWriting context.CancelFunc
	written     chan struct{} // closed when the writer has returned
	writeErr    error         // why it did; read after written is closed

	releaseOnce sync.Once
	released    error
}

// start runs the holder and the writer; the store waits for them.
func (j *journal) start(ctx context.Context, hold context.Context) {
	ctx, j.stopWriting = context.WithCancel(ctx)
	j.store.running.Go(func() { j.holder.run(hold) })
	j.store.running.Go(func() {
		defer close(j.written)
		j.writeErr = j.writer.run(ctx)
		if errors.Is(j.writeErr, connstore.ErrLost) {
			j.holder.lose(j.writeErr)
		}
		// What waits now is never written. After a finished Release nothing waits.
		j.queue.end(connstore.ErrClosed, finishNow)
	})
	j.store.running.Go(func() {
		<-j.holder.done
		if !j.holder.isLost() {
			return
		}
		j.store.log.Error("the lease of an edge is lost", "edge", j.edge, "error", *j.holder.reason.Load())
		j.queue.end(connstore.ErrLost, finishNow)
		j.stopWriting()
		j.store.loseEdge(j.edge)
	})
}

func (j *journal) Edge() gateway.EdgeID { return j.edge }

func (j *journal) Opened(ctx context.Context, c *gateway.Connection) error {
	if err := connstore.CheckRecord(j.edge, c); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	w := &waiting{conn: c, size: openSize(c), done: make(chan error, 1)}
	if err := j.queue.open(w); err != nil {
		return unavailable(err)
	}
	patience := time.NewTimer(j.store.timing.OpenWait)
	defer patience.Stop()
	var err error
	select {
	case err = <-w.done:
	case <-ctx.Done():
		err = j.queue.giveUp(w, ctx.Err())
	case <-patience.C:
		err = j.queue.giveUp(w, errNoAck)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func (j *journal) Closed(id gateway.ConnectionID) { j.queue.close(id) }

func (j *journal) Lost() <-chan struct{} { return j.holder.lost }

func (j *journal) Held() bool { return j.holder.held() }

func (j *journal) Healthy() bool {
	select {
	case <-j.written:
		return false
	default:
	}
	return j.holder.fresh() && !j.writer.failed.Load()
}

func (j *journal) Release(ctx context.Context) error {
	j.releaseOnce.Do(func() { j.released = j.release(ctx) })
	return j.released
}

func (j *journal) release(ctx context.Context) error {
	// However it ends, the incarnation is given up: nothing of it may run on.
	defer j.store.forgetEdge(j.edge)
	defer j.holder.stop()
	j.queue.end(connstore.ErrClosed, finishWriting)
	stop := context.AfterFunc(ctx, j.stopWriting)
	defer stop()
	<-j.written
	switch {
	case j.holder.isLost():
		return connstore.ErrLost
	case j.store.isClosed():
		return connstore.ErrClosed
	case j.writeErr != nil:
		return unavailable(j.writeErr)
	}
	if left := len(j.writer.live); left > 0 {
		j.store.log.Warn("an edge was released with open connections, which are left to a take-over", "edge", j.edge, "connections", left)
	} else if err := j.purge(ctx); err != nil {
		return unavailable(err)
	}
	j.holder.stop()
	if j.holder.isLost() {
		return connstore.ErrLost
	}
	switch err := j.holder.drop(ctx); {
	case errors.Is(err, errMoved):
		return connstore.ErrLost
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// purge removes what this incarnation wrote, and nothing that another has put behind it.
func (j *journal) purge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return j.store.stream.Purge(ctx, jetstream.WithPurgeSubject(j.writer.subj), jetstream.WithPurgeSequence(j.writer.last+1))
}
