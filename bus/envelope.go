package bus

import (
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// envelope is a message on its way to NATS. nats.go has written it into its buffer when Publish returns, so envelopes are used
// again.
type envelope struct {
	message nats.Msg
	header  nats.Header
	ones    [eventHeaders]string
}

// envelopes keeps them between messages.
type envelopes struct{ pool sync.Pool }

// event returns an envelope with an event's headers.
func (e *envelopes) event(ev *gateway.Event) *envelope {
	v, ok := e.pool.Get().(*envelope)
	if !ok {
		v = &envelope{header: make(nats.Header, eventHeaders)}
	}
	eventHeader(v.header, &v.ones, ev)
	return v
}

// maxKeptHeaders bounds the map that an envelope keeps: events of connections have a few headers, requests may have many.
const maxKeptHeaders = 16

// put gives an envelope back.
func (e *envelopes) put(v *envelope) {
	if len(v.header) > maxKeptHeaders {
		return
	}
	clear(v.header)
	v.message, v.ones = nats.Msg{}, [eventHeaders]string{}
	e.pool.Put(v)
}
