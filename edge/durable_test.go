package edge

import (
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// withDurable adds routes that store: order acknowledges, note does not, and query answers later.
func withDurable(api *gateway.API) {
	backend := func() *gateway.IntegrationRef {
		return &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS, PayloadFormatVersion: "1.0"}}
	}
	api.Routes["order"] = &gateway.Route{Integration: backend(), Delivery: gateway.DeliverAtLeastOnce, Acknowledge: true}
	api.Routes["note"] = &gateway.Route{Integration: backend(), Delivery: gateway.DeliverAtLeastOnce}
	api.Routes["query"] = &gateway.Route{Integration: backend(), Delivery: gateway.DeliverAtLeastOnce, RouteResponse: true}
}

// A stored message goes out as the client wrote it, under its message id, and is acknowledged when the store has it.
func TestStoredMessages(t *testing.T) {
	w := newWorld(t, chatAPI(withDurable))
	c := w.connect()
	w.sender.hold("order")
	c.say(`{"action":"order"}`)
	ev := w.sender.next(t, "order")
	if ev.Expect != gateway.ExpectStored || string(ev.Body) != `{"action":"order"}` || ev.Message == "" || ev.Message != contextOf(t, ev).MessageID {
		t.Errorf("the event is %+v", ev)
	}
	c.send(frame(ws.Header{Fin: true, OpCode: ws.OpPing}, []byte("before")))
	if h, b := c.read(); h.OpCode != ws.OpPong {
		t.Errorf("before the store had it the client heard %s", b)
	}
	w.sender.release(t, ev.Request, &gateway.Reply{Status: 200}, nil)
	c.wantText(fmt.Sprintf(`{"messageId":"%s","connectionId":"%s","requestId":"%s"}`, ev.Message, c.id, ev.Request))

	for _, route := range []gateway.RouteKey{"note", "query"} { // nothing to say yet
		c.say(`{"action":"` + string(route) + `"}`)
		if ev := w.sender.next(t, route); ev.Expect != gateway.ExpectStored {
			t.Errorf("%s expects %v", route, ev.Expect)
		}
		c.send(frame(ws.Header{Fin: true, OpCode: ws.OpPing}, []byte("after")))
		if h, b := c.read(); h.OpCode != ws.OpPong {
			t.Errorf("%s: the client heard %s", route, b)
		}
	}
}

// What the store did not take is an error frame and no acknowledgement.
func TestStoreRefuses(t *testing.T) {
	w := newWorld(t, chatAPI(withDurable))
	c := w.connect()
	for code, text := range map[gateway.Code]string{gateway.CodeUnavailable: "Internal server error", gateway.CodeTimeout: "Endpoint request timed out"} {
		w.sender.on("order", func(*gateway.Event) (*gateway.Reply, error) { return nil, gateway.Errorf(code, "full") })
		c.say(`{"action":"order"}`)
		ev := w.sender.next(t, "order")
		c.wantText(fmt.Sprintf(`{"message": "%s", "connectionId":"%s", "requestId":"%s"}`, text, c.id, ev.Request))
	}
}

// A connection has at most maxInFlight messages on their way into the store.
func TestStoringIsBounded(t *testing.T) {
	w := newWorld(t, chatAPI(withDurable, func(a *gateway.API) { a.MaxInFlight = 1 }))
	c := w.connect()
	w.sender.hold("note")
	c.say(`{"action":"note"}`)
	c.say(`{"action":"say"}`)
	first := w.sender.next(t, "note")
	w.sender.none(t)
	w.sender.release(t, first.Request, &gateway.Reply{Status: 200}, nil)
	w.sender.next(t, "say")
}
