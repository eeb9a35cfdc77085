package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

// leaseRecord is the value of a lease's key: who holds the incarnation. One holder writes the same bytes each time, so
// it knows its own again.
type leaseRecord struct {
	Version   int       `json:"v"`
	Node      string    `json:"node"`
	Process   string    `json:"process"` // random, one per Store: tells a process from its former self
	StartedAt time.Time `json:"startedAt"`
	// TakeOver says that the incarnation is dead and being ended by Process; By is then an edge that answers for it.
	TakeOver bool           `json:"takeOver,omitempty"`
	By       gateway.EdgeID `json:"by,omitempty"`
}

// leaseState is what a key says.
type leaseState int

const (
	leaseNone    leaseState = iota // there never was one, or its marker is gone too
	leaseExpired                   // it ran out: whoever has the marker's sequence may take it
	leaseDropped                   // its holder gave it up
	leaseLive
)

// lease is a key as read. seq is the sequence that a compare-and-set must name, 0 for leaseNone.
type lease struct {
	state  leaseState
	seq    uint64
	value  []byte
	record leaseRecord
}

// errMoved: a compare-and-set named a sequence that is not the last one any more.
var errMoved = errors.New("wrong last sequence")

// leases reads and writes the keys of all incarnations. It has no state of its own.
type leases struct {
	js     jetstream.JetStream
	kv     jetstream.KeyValue
	stream jetstream.Stream // the bucket's stream: markers tell more there than through KeyValue
	names  names
	ttl    time.Duration
}

const kvOperation = "KV-Operation" // the header of the KV scheme; PURGE there is a deliberate end

func (l *leases) read(ctx context.Context, edge gateway.EdgeID) (lease, error) {
	m, err := l.stream.GetLastMsgForSubject(ctx, l.names.leases+string(edge))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return lease{}, nil
	}
	if err != nil {
		return lease{}, fmt.Errorf("read lease of %s: %w", edge, err)
	}
	out := lease{seq: m.Sequence, value: m.Data}
	switch {
	case m.Header.Get(kvOperation) != "":
		out.state = leaseDropped
	case m.Header.Get(jetstream.MarkerReasonHeader) == "MaxAge":
		out.state = leaseExpired
	case m.Header.Get(jetstream.MarkerReasonHeader) != "":
		out.state = leaseDropped
	default:
		out.state = leaseLive
		// A value that can't be read belongs to nobody we know; its zero record says so.
		_ = json.Unmarshal(m.Data, &out.record)
	}
	return out, nil
}

// write sets the lease if expect is its last sequence (0: it must not exist), to run out after the TTL. It returns the
// new sequence, or errMoved.
func (l *leases) write(ctx context.Context, edge gateway.EdgeID, value []byte, expect uint64) (uint64, error) {
	m := &nats.Msg{Subject: l.names.leasePut + string(edge), Data: value}
	return l.publish(ctx, m, expect, l.ttl)
}

// remove drops the lease if expect is its last sequence.
func (l *leases) remove(ctx context.Context, edge gateway.EdgeID, expect uint64) error {
	m := nats.NewMsg(l.names.leasePut + string(edge))
	m.Header.Set(kvOperation, "PURGE")
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	_, err := l.publish(ctx, m, expect, markerTTL)
	return err
}

func (l *leases) publish(ctx context.Context, m *nats.Msg, expect uint64, ttl time.Duration) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	ack, err := l.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(expect), jetstream.WithMsgTTL(ttl),
		jetstream.WithRetryAttempts(0))
	if wrongSequence(err) {
		return 0, errMoved
	}
	if err != nil {
		return 0, fmt.Errorf("write lease: %w", err)
	}
	return ack.Sequence, nil
}

// listTimeout bounds the reading of all leases, which are few: a JetStream that goes away in the middle says nothing.
const listTimeout = 10 * time.Second

// all returns the live leases. A watcher says that it has told all there is when the server's count of what is left
// reaches 0, and that count errs while keys are written; so what the stream knows and the watcher did not tell is read key
// by key.
func (l *leases) all(ctx context.Context) (map[gateway.EdgeID]leaseRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	info, err := l.stream.Info(ctx, jetstream.WithSubjectFilter(l.names.leases+"*"))
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	told, err := l.told(ctx)
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	out := make(map[gateway.EdgeID]leaseRecord)
	for subject := range info.State.Subjects {
		edge := gateway.EdgeID(strings.TrimPrefix(subject, l.names.leases))
		if !edge.Valid() {
			continue
		}
		one, ok := told[edge]
		if !ok {
			if one, err = l.read(ctx, edge); err != nil {
				return nil, fmt.Errorf("list leases: %w", err)
			}
		}
		if one.state == leaseLive {
			out[edge] = one.record
		}
	}
	return out, nil
}

// told is what a watcher tells before it says that this was all. Of a lease that is not live it tells no more than that.
func (l *leases) told(ctx context.Context) (map[gateway.EdgeID]lease, error) {
	w, err := l.kv.WatchAll(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	told := make(map[gateway.EdgeID]lease)
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("the connection was closed")
			}
			if e == nil {
				return told, nil
			}
			one := lease{seq: e.Revision(), state: leaseDropped}
			if e.Operation() == jetstream.KeyValuePut {
				one.state = leaseLive
				_ = json.Unmarshal(e.Value(), &one.record) // as in read
			}
			told[gateway.EdgeID(e.Key())] = one
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// is reports whether the lease is live and its value these bytes.
func (l *lease) is(value []byte) bool { return l.state == leaseLive && bytes.Equal(l.value, value) }

// wrongSequence knows both codes that servers give a failed compare-and-set (nats-facts §5.3).
func wrongSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
