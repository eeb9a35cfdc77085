package edge

import (
	"context"

	"github.com/gobwas/ws"
	"go.opentelemetry.io/otel/metric"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// stored ends a message that the store has. A client whose route acknowledges gets a frame, and only now; what the backend
// makes of the message comes later, as a push, or not at all. It returns the frame's size.
func (x *exchange) stored() int {
	x.server.metrics.storedMessage(x.event.API, x.event.Stage, x.event.Route)
	if !x.route.Durable().Acknowledge {
		return 0
	}
	buf := x.server.buffers.get()
	defer x.server.buffers.put(buf)
	buf.b = router.StoredFrame(buf.b, x.event.Message, x.event.Connection, x.event.Request)
	x.socket.answer(ws.OpText, buf.b, x.limits)
	return len(buf.b)
}

// openDurable makes the instrument of stored messages.
func (m *metrics) openDurable(meter metric.Meter) (err error) {
	m.stored, err = meter.Int64Counter("sallyport.durable.stored",
		metric.WithUnit("{message}"), metric.WithDescription("Messages of atLeastOnce routes that the store has taken."))
	return err
}

func (m *metrics) storedMessage(api gateway.APIID, stage gateway.StageName, route gateway.RouteKey) {
	if m != nil {
		m.stored.Add(context.Background(), 1, m.with(labels{api: api, stage: stage, route: route}).add...)
	}
}
