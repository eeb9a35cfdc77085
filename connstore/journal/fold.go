package journal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// foldPatience bounds the wait for one more message of a journal while it is read.
	foldPatience = 10 * time.Second
	// consumerThreshold is when the server forgets the consumer of a reader that died.
	consumerThreshold = 10 * time.Second
)

// folded is what the messages of a journal come to.
type folded struct {
	open    []gateway.Connection // in ascending order of ConnectedAt
	skipped int
	damaged int // of open, those that have lost a part
}

// foldAttempts is how often a journal that shrinks while it is read is read again. A former owner can purge but once more
// after the fence, so a second reading stands still.
const foldAttempts = 3

// fold reads the journal of edge up to and including the message with the sequence last. What can't be read is logged with
// its position, counted and passed over.
//
// A purge under way (snapshot.go) could take a close away behind a reader who has seen the open. So the reader makes sure in
// the end that the journal still begins where it began.
func (s *Store) fold(ctx context.Context, edge gateway.EdgeID, last uint64) (folded, error) {
	f, err := steady(
		func() (uint64, error) { return s.firstSequence(ctx, edge) },
		func() (folded, error) { return s.foldOnce(ctx, edge, last) },
	)
	if err != nil {
		return folded{}, fmt.Errorf("read journal of %s: %w", edge, err)
	}
	if f.damaged > 0 {
		s.log.Error("connections of a journal have lost who their caller was and their handshake: that part of their records can't be read",
			"edge", edge, "stream", s.names.stream, "connections", f.damaged)
	}
	return f, nil
}

// steady reads until first says the same before and after, at most foldAttempts times.
func steady(first func() (uint64, error), read func() (folded, error)) (f folded, err error) {
	for range foldAttempts {
		before, err := first()
		if err != nil {
			return folded{}, err
		}
		if f, err = read(); err != nil {
			return folded{}, err
		}
		after, err := first()
		if err != nil {
			return folded{}, err
		}
		if before == after {
			break
		}
	}
	return f, nil
}

// firstSequence returns the sequence of the first message of a journal.
func (s *Store) firstSequence(ctx context.Context, edge gateway.EdgeID) (uint64, error) {
	m, err := s.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(s.names.journals+string(edge)))
	if err != nil {
		return 0, err
	}
	return m.Sequence, nil
}

func (s *Store) foldOnce(ctx context.Context, edge gateway.EdgeID, last uint64) (folded, error) {
	consumer, err := s.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects:    []string{s.names.journals + string(edge)},
		InactiveThreshold: consumerThreshold,
	})
	if err != nil {
		return folded{}, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return folded{}, err
	}
	defer messages.Stop()
	f := folded{}
	live := make(map[gateway.ConnectionID]entry)
	for {
		msg, seq, err := next(ctx, messages)
		if err != nil {
			return folded{}, err
		}
		if seq <= last {
			f.skipped += s.foldMessage(edge, msg.Data(), seq, live)
		}
		if seq >= last {
			break
		}
	}
	f.open = make([]gateway.Connection, 0, len(live))
	for _, e := range live {
		f.open = append(f.open, e.conn)
		if e.damaged {
			f.damaged++
		}
	}
	slices.SortFunc(f.open, func(a, b gateway.Connection) int { return a.ConnectedAt.Compare(b.ConnectedAt) })
	return f, nil
}

func next(ctx context.Context, messages jetstream.MessagesContext) (jetstream.Msg, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, foldPatience)
	defer cancel()
	msg, err := messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, 0, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, 0, err
	}
	return msg, meta.Sequence.Stream, nil
}

// foldMessage applies one message to live and returns how many of its records were skipped.
func (s *Store) foldMessage(edge gateway.EdgeID, data []byte, seq uint64, live map[gateway.ConnectionID]entry) int {
	foreign := 0
	_, skipped, err := decode(data, func(e entry) {
		switch {
		case e.conn.ID.Edge() != edge:
			foreign++
		case e.op == opOpen:
			live[e.conn.ID] = e
		default:
			delete(live, e.conn.ID)
		}
	})
	if skipped+foreign > 0 {
		s.log.Error("a message of a connection journal can't be read, its records are skipped",
			"edge", edge, "stream", s.names.stream, "sequence", seq, "records", skipped, "foreign", foreign, "error", err)
	}
	return skipped + foreign
}
