package journal

import (
	"context"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

// garbageBytes is how much of a journal may be of no use, at least, before a snapshot replaces it. A journal so never
// takes more than twice what its live connections need plus this, and a snapshot is paid for by as many bytes of records.
const garbageBytes = 1 << 20

// snapshot is one on its way: the live set is repeated in pieces, between which batches are written as always. When the
// last piece is stored, what lies before the first is purged. A reader may stop anywhere in between: closes that came
// before a piece are respected by it, those that come after stand after it.
type snapshot struct {
	ids   []gateway.ConnectionID // what is not repeated yet; those closed meanwhile are left out
	first uint64                 // sequence of the first piece, 0 before it is stored
	since int                    // bytes on the subject before the first piece
}

// advanceSnapshot starts a snapshot if one is due and writes the next piece of the one that is under way. Its errors are
// those of write.
func (w *writer) advanceSnapshot(ctx context.Context) error {
	if w.snapshot == nil {
		if w.stored-w.liveBytes < max(w.garbage, w.putOff, w.liveBytes) {
			return nil
		}
		if w.liveBytes <= w.max {
			return w.rollUp(ctx)
		}
		w.snapshot = &snapshot{ids: slices.Collect(maps.Keys(w.live))}
	}
	s := w.snapshot
	if len(s.ids) > 0 {
		return w.writePiece(ctx, s)
	}
	w.snapshot = nil
	if s.first == 0 {
		return nil // all were closed meanwhile; the next batch makes a snapshot of what there is
	}
	purge, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	err := w.stream.Purge(purge, jetstream.WithPurgeSubject(w.subj), jetstream.WithPurgeSequence(s.first))
	if err != nil {
		// Nothing is wrong but the space. The next snapshot is put off, so that a purge that always fails costs little.
		w.putOff = 2 * (w.stored - w.liveBytes)
		w.log.Warn("what a snapshot of the connection journal replaced could not be purged", "edge", w.edge, "error", err)
		return ctx.Err()
	}
	w.stored -= s.since
	w.putOff = 0
	return nil
}

// rollUp replaces the whole journal by one message, in one step.
func (w *writer) rollUp(ctx context.Context) error {
	m := nats.NewMsg(w.subj)
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	w.number++
	w.buf = appendHeader(w.buf[:0], kindSnapshot, w.number)
	records := len(w.buf)
	for _, c := range w.live {
		w.buf = appendOpen(w.buf, c)
	}
	m.Data = w.seal(records)
	before := w.stored
	if err := w.write(ctx, m); err != nil {
		return err
	}
	w.stored -= before
	return nil
}

func (w *writer) writePiece(ctx context.Context, s *snapshot) error {
	w.number++
	w.buf = appendHeader(w.buf[:0], kindSnapshot, w.number)
	records := len(w.buf)
	n, room := 0, w.max
	for _, id := range s.ids {
		if c := w.live[id]; c != nil {
			size := openSize(c)
			if size > room && room < w.max {
				break
			}
			room -= size
			w.buf = appendOpen(w.buf, c)
		}
		n++
	}
	s.ids = s.ids[n:]
	if room == w.max {
		return nil // none of them is open any more
	}
	before := w.stored
	if err := w.write(ctx, &nats.Msg{Subject: w.subj, Data: w.seal(records)}); err != nil {
		return err
	}
	if s.first == 0 {
		s.first, s.since = w.last, before
	}
	return nil
}
