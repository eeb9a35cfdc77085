package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

const (
	// groupWindow is the least time between two messages while more and more waits: 500 messages a second cost the server
	// little, and no client feels two milliseconds. The first record after a pause is written at once.
	groupWindow = 2 * time.Millisecond
	// batchBytes bounds the records of one message. JetStream stores one of that size in about a millisecond
	// (nats-facts §6.1); it holds a thousand opens.
	batchBytes = 128 << 10
	// headerRoom is what a message takes of max_payload beside its records: NATS headers and our own.
	headerRoom = 1 << 10
)

// writer is the one who writes an incarnation's journal. Its goroutine is run; all fields below queue belong to it.
type writer struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	name   string // of the stream
	subj   string
	edge   gateway.EdgeID
	log    *slog.Logger
	queue  *queue
	failed atomic.Bool // the last attempt to write failed

	last   uint64 // stream sequence of the last message on the subject
	number uint64 // of the last message
	max    int    // bytes of records per message
	buf    []byte
	sealed []byte // scratch of seal

	live      map[gateway.ConnectionID]*gateway.Connection // what a fold of the journal would give
	liveBytes int                                          // of their open records
	stored    int                                          // bytes on the subject, about
	snapshot  *snapshot                                    // under way, or nil
	garbage   int                                          // bytes that may be there for nothing before a snapshot is made
	putOff    int                                          // the same after a purge that failed, else 0
}

// maxMessage returns how many bytes of records a message may have under the server's max_payload.
func maxMessage(maxPayload int64) (int, error) {
	if maxPayload < connstore.MaxRecordBytes+2*headerRoom {
		return 0, fmt.Errorf("connstore/journal: max_payload of the NATS server is %d, at least %d is needed",
			maxPayload, connstore.MaxRecordBytes+2*headerRoom)
	}
	return min(batchBytes, int(maxPayload)-headerRoom), nil
}

// begin writes the first, empty message. From then on the chain has a link that a take-over or purge can break. The
// error is errMoved when the subject has messages already.
func (w *writer) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	w.number = 1
	m := &nats.Msg{Subject: w.subj, Data: appendHeader(nil, kindBatch, w.number)}
	seq, err := w.publish(ctx, m)
	if err != nil {
		return err
	}
	w.last, w.stored = seq, messageOverhead
	return nil
}

// run writes until the queue has ended and is empty, ctx ends or the journal is in other hands. It returns nil, ctx's
// error or connstore.ErrLost.
func (w *writer) run(ctx context.Context) error {
	window := time.NewTimer(groupWindow)
	defer window.Stop()
	for {
		waiting, finished := w.queue.backlog()
		if finished {
			return nil
		}
		if waiting == 0 && w.snapshot == nil {
			select {
			case <-w.queue.wake:
				// A wake-up while nothing was being written: the window has long passed, or passes here.
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if waiting < w.max { // else a full message waits already
			select {
			case <-window.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		window.Reset(groupWindow)
		if err := w.writeBatch(ctx); err != nil {
			return err
		}
		if err := w.advanceSnapshot(ctx); err != nil {
			return err
		}
	}
}

// writeBatch writes one message of what waits, if anything does, and tells those who wait for it.
func (w *writer) writeBatch(ctx context.Context) error {
	opens, closes := w.queue.take(w.max)
	w.number++
	w.buf = appendHeader(w.buf[:0], kindBatch, w.number)
	empty := len(w.buf)
	for _, o := range opens {
		w.buf = appendOpen(w.buf, o.conn)
		w.live[o.conn.ID] = o.conn
		w.liveBytes += o.size
	}
	for _, id := range closes {
		c := w.live[id]
		if c == nil {
			continue // never opened, or closed before
		}
		w.buf = appendClose(w.buf, id)
		w.liveBytes -= openSize(c)
		delete(w.live, id)
	}
	if len(w.buf) == empty {
		return nil
	}
	err := w.write(ctx, &nats.Msg{Subject: w.subj, Data: w.seal(empty)})
	if err != nil {
		w.queue.settle(opens, unavailable(err))
		return err
	}
	w.queue.settle(opens, nil)
	return nil
}

// seal returns what is in buf as it is stored; records is where they begin. It is good until the next call.
func (w *writer) seal(records int) []byte {
	message, scratch := seal(w.buf, records, w.sealed)
	w.sealed = scratch
	return message
}

// write publishes m until it is stored. It returns nil, ctx's error or connstore.ErrLost; m may be stored in the
// second case.
func (w *writer) write(ctx context.Context, m *nats.Msg) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		seq, err := w.publish(attempt, m)
		if errors.Is(err, errMoved) {
			seq, err = w.resolve(attempt, m)
		}
		cancel()
		switch {
		case err == nil:
			if w.failed.CompareAndSwap(true, false) {
				w.log.Info("connection journal is being written again", "edge", w.edge)
			}
			w.last = seq
			w.stored += len(m.Data) + messageOverhead
			return nil
		case errors.Is(err, connstore.ErrLost):
			return err
		}
		if w.failed.CompareAndSwap(false, true) {
			w.log.Warn("connection journal can't be written, trying on", "edge", w.edge, "error", err)
		}
		if err := pause(ctx, retryPause); err != nil {
			return err
		}
	}
}

// publish makes one attempt to store m behind the last message.
func (w *writer) publish(ctx context.Context, m *nats.Msg) (uint64, error) {
	ack, err := w.js.PublishMsg(ctx, m, jetstream.WithExpectStream(w.name),
		jetstream.WithExpectLastSequencePerSubject(w.last), jetstream.WithRetryAttempts(0))
	if wrongSequence(err) {
		return 0, errMoved
	}
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// errUnderWay: an earlier attempt is still being stored.
var errUnderWay = errors.New("an earlier attempt is under way")

// resolve finds out what a refused compare-and-set means: m was stored by an attempt whose acknowledgement was lost
// (its sequence is returned), an attempt is under way, or the chain was cut.
func (w *writer) resolve(ctx context.Context, m *nats.Msg) (uint64, error) {
	last, err := w.stream.GetLastMsgForSubject(ctx, w.subj)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, connstore.ErrLost // purged by whoever took over
	case err != nil:
		return 0, err
	case last.Sequence == w.last:
		return 0, errUnderWay
	case bytes.Equal(last.Data, m.Data): // it has its number, so no other is equal
		return last.Sequence, nil
	}
	return 0, connstore.ErrLost
}

// pause waits for d or until ctx ends, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
