package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
)

// maxDeadPage bounds one page of dead letters: each is a call of the store.
const maxDeadPage = 500

// DeadFilter chooses dead letters; empty members choose all.
type DeadFilter struct {
	API   gateway.APIID
	Stage gateway.StageName
	Route gateway.RouteKey
}

// DeadLetter is a message of an atLeastOnce route that was given up.
type DeadLetter struct {
	// ID names it among all dead letters of the deployment, in the order in which they came.
	ID    uint64
	API   gateway.APIID
	Stage gateway.StageName
	Route gateway.RouteKey
	// Message is the message's id; Connection the client's, which may have gone long ago.
	Message    gateway.RequestID
	Connection gateway.ConnectionID
	// Code and Reason tell of the last failure, Attempts how many there were.
	Code     gateway.Code
	Reason   string
	Attempts int
	// StoredAt is when the message was stored at first, BuriedAt when it was given up.
	StoredAt, BuriedAt time.Time
	Binary             bool
	// Context is the message's context as JSON, Body its bytes.
	Context string
	Body    []byte
}

// DeadLetters returns dead letters in the order in which they came: a page of those behind the id after, which is 0 for the
// first page. next is the after of the next page, 0 when this is the last one. A store that nobody has needed yet has none.
func (d *Durable) DeadLetters(ctx context.Context, f DeadFilter, after uint64, limit int) (page []DeadLetter, next uint64, err error) {
	stream, err := d.dead(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, durableError(err)
	}
	if limit <= 0 || limit > maxDeadPage {
		limit = maxDeadPage
	}
	filter := d.config.Subjects.deadsOf(f.API, f.Stage, f.Route)
	for len(page) < limit {
		raw, err := stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return page, 0, nil
		}
		if err != nil {
			return nil, 0, durableError(err)
		}
		after = raw.Sequence
		if letter, ok := d.readDead(raw); ok {
			page = append(page, letter)
		}
	}
	return page, after, nil
}

// DeadLetter returns one. The error has CodeNotFound when there is no such.
func (d *Durable) DeadLetter(ctx context.Context, id uint64) (DeadLetter, error) {
	_, raw, err := d.deadMessage(ctx, id)
	if err != nil {
		return DeadLetter{}, err
	}
	letter, ok := d.readDead(raw)
	if !ok {
		return DeadLetter{}, errNoLetter(id)
	}
	return letter, nil
}

// Replay stores the message of a dead letter again, under the message id that it has, with all attempts before it. When the
// store has it, the dead letter is removed. Replaying twice at the same time stores it once.
func (d *Durable) Replay(ctx context.Context, id uint64) error {
	stream, raw, err := d.deadMessage(ctx, id)
	if err != nil {
		return err
	}
	letter, ok := d.readDead(raw)
	if !ok {
		return errNoLetter(id)
	}
	if err := d.Ensure(ctx); err != nil {
		return durableError(err)
	}
	h := withoutNATS(raw.Header)
	for name := range h {
		if strings.HasPrefix(name, "Sallyport-Dead-") {
			delete(h, name)
		}
	}
	// Not the message's id alone: the store may still remember that from the first time.
	h[jetstream.MsgIDHeader] = []string{fmt.Sprintf("%s.replay.%d", letter.Message, id)}
	m := &nats.Msg{Subject: d.config.Subjects.Durable(letter.API, letter.Stage, letter.Route), Header: h, Data: raw.Data}
	if _, err := d.js.PublishMsg(ctx, m); err != nil {
		return durableError(err)
	}
	return d.remove(ctx, stream, id)
}

// Remove drops a dead letter. The error has CodeNotFound when there is no such.
func (d *Durable) Remove(ctx context.Context, id uint64) error {
	stream, _, err := d.deadMessage(ctx, id)
	if err != nil {
		return err
	}
	return d.remove(ctx, stream, id)
}

func (d *Durable) remove(ctx context.Context, stream jetstream.Stream, id uint64) error {
	if err := stream.DeleteMsg(ctx, id); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return durableError(err)
	}
	return nil
}

func (d *Durable) dead(ctx context.Context) (jetstream.Stream, error) {
	return d.js.Stream(ctx, d.name(streamDead))
}

func (d *Durable) deadMessage(ctx context.Context, id uint64) (jetstream.Stream, *jetstream.RawStreamMsg, error) {
	if id == 0 {
		return nil, nil, errNoLetter(id)
	}
	stream, err := d.dead(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil, errNoLetter(id)
	}
	if err != nil {
		return nil, nil, durableError(err)
	}
	raw, err := stream.GetMsg(ctx, id)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil, errNoLetter(id)
	}
	if err != nil {
		return nil, nil, durableError(err)
	}
	return stream, raw, nil
}

func errNoLetter(id uint64) *gateway.Error {
	return gateway.Errorf(gateway.CodeNotFound, "there is no dead letter %d", id)
}

// readDead reads what bury wrote.
func (d *Durable) readDead(raw *jetstream.RawStreamMsg) (DeadLetter, bool) {
	address, err := d.config.Subjects.ParseDead(raw.Subject)
	if err != nil {
		return DeadLetter{}, false
	}
	attempts, _ := strconv.Atoi(raw.Header.Get(HeaderDeadAttempts))             // 0 where somebody else wrote it
	storedAt, _ := time.Parse(time.RFC3339Nano, raw.Header.Get(HeaderStoredAt)) // zero then
	control, _ := readHeader(raw.Header)
	context := control.context
	if len(context) > maxContext || !gjson.Valid(context) {
		context = ""
	}
	return DeadLetter{
		ID: raw.Sequence, API: address.API, Stage: address.Stage, Route: address.Route,
		Message:    gateway.RequestID(gjson.Get(context, "messageId").Str),
		Connection: gateway.ConnectionID(gjson.Get(context, "connectionId").Str),
		Code:       gateway.Code(raw.Header.Get(HeaderDeadCode)), Reason: raw.Header.Get(HeaderDeadReason), Attempts: attempts,
		StoredAt: storedAt, BuriedAt: raw.Time, Binary: control.binary, Context: context, Body: raw.Data,
	}, true
}
