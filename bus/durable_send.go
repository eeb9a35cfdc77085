package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// storeWait is how long one publish waits for the store's word, of which a healthy one needs a millisecond
	// (nats-facts §6.3). storeTries bounds how often it is published: together they pass over the election of a new leader
	// (nats-facts §6.7) now and then, and still tell the client in time.
	storeWait  = 2 * time.Second
	storeTries = 3
	// maxPubAck bounds a store's word before it is parsed.
	maxPubAck = 4 << 10
)

// storing is one event on its way into the store.
type storing struct {
	client *Client
	ctx    context.Context //nolint:containedctx // carries the trace alone, to each try
	event  *gateway.Event
	left   int // tries
	done   func(*gateway.Reply, error)
}

// store publishes an event of which the sender wants to know when it is stored. The store's word comes as a reply; nothing
// waits for it but an entry of the exchange. A publish without a word is repeated under the same message id, of which the
// store keeps one.
func (c *Client) store(ctx context.Context, ev *gateway.Event, done func(*gateway.Reply, error)) {
	if err := c.fits(ev); err != nil {
		done(nil, err)
		return
	}
	s := &storing{client: c, ctx: ctx, event: ev, left: storeTries, done: done}
	s.try()
}

func (s *storing) try() {
	s.left--
	c := s.client
	v := c.envelopes.event(s.event)
	defer c.envelopes.put(v)
	span := c.trace.send(s.ctx, destination{subject: s.event.Subject}, v.header)
	token, _, ok := c.exchange.open(storeWait, span, s.answered)
	if !ok {
		finish(span, errClosed())
		s.done(nil, errClosed())
		return
	}
	err := c.publish(s.event, storedReply(c.exchange.prefix, strconv.FormatUint(token, tokenBase)), v)
	if err == nil {
		return
	}
	if _, _, mine := c.exchange.take(token); mine {
		finish(span, err)
		s.done(nil, err)
	}
}

func (s *storing) answered(_ *gateway.Reply, err error) {
	switch {
	case err == nil:
		s.done(&gateway.Reply{Status: http.StatusOK}, nil)
	case gateway.ErrorCode(err) == gateway.CodeTimeout && s.left > 0:
		s.try()
	default:
		s.done(nil, err)
	}
}

// pubAck is the store's word, in JetStream's form.
type pubAck struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"seq"`
	Error    *struct {
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// errStore is the cause of what a store refused.
var errStore = errors.New("JetStream refused the message")

// readStored reads what came in place of a reply to an event that was to be stored.
func readStored(m *nats.Msg) error {
	if noResponders(m) {
		return gateway.Errorf(gateway.CodeUnavailable, "the store of durable messages is away").Because(ErrNoResponders)
	}
	var ack pubAck
	if len(m.Data) > maxPubAck || json.Unmarshal(m.Data, &ack) != nil || ack.Error == nil && (ack.Stream == "" || ack.Sequence == 0) {
		// Whoever subscribes to a durable subject answers in the store's place.
		return gateway.Errorf(gateway.CodeUnavailable, "somebody else than the store answered for a durable route")
	}
	if ack.Error != nil {
		return gateway.Errorf(gateway.CodeUnavailable, "the store of durable messages is full or away").
			Because(fmt.Errorf("%w: %s (%d)", errStore, ack.Error.Description, ack.Error.ErrCode))
	}
	return nil
}
