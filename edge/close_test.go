package edge

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// The table of contract/websocket-api.md §4.6, for what the client does.
func TestClosedByTheClient(t *testing.T) {
	aws := withLimits(func(l *gateway.LimitSettings) { l.Profile = gateway.ProfileAWS })
	for _, test := range []struct {
		name   string
		send   []byte
		change []func(*gateway.API)
		echo   gateway.Close // Code -1: no close frame
		event  gateway.Close
	}{
		{"no code", frame(ws.Header{Fin: true, OpCode: ws.OpClose}, nil), nil, gateway.Close{}, gateway.Close{Code: 1005, Reason: "Client-side close frame status not set"}},
		{"leaves the page", closeFrame(1001, ""), nil, gateway.Close{Code: 1001}, gateway.Close{Code: 1001}},
		{"own code and reason", closeFrame(4321, "my reason"), nil, gateway.Close{Code: 4321, Reason: "my reason"}, gateway.Close{Code: 4321, Reason: "my reason"}},
		{"half a code", frame(ws.Header{Fin: true, OpCode: ws.OpClose}, []byte{3}), nil, gateway.Close{Code: 1002, Reason: reasonProtocol}, gateway.Close{Code: 1002, Reason: reasonProtocol}},
		{"a code that must not be sent", closeFrame(1005, ""), nil, gateway.Close{Code: 1002, Reason: reasonProtocol}, gateway.Close{Code: 1002, Reason: reasonProtocol}},
		{"a reason that is not UTF-8", closeFrame(1000, "\xff"), nil, gateway.Close{Code: 1007, Reason: reasonUTF8}, gateway.Close{Code: 1007, Reason: reasonUTF8}},
		{"text that is not UTF-8", textFrame("\xff"), nil, gateway.Close{Code: 1007, Reason: reasonUTF8}, gateway.Close{Code: 1007, Reason: reasonUTF8}},
		{"frame too large", textFrame(strings.Repeat("x", 32<<10+1)), []func(*gateway.API){aws}, gateway.Close{Code: 1009, Reason: reasonTooBig}, gateway.Close{Code: 1009, Reason: reasonTooBig}},
		{"binary refused", frame(ws.Header{Fin: true, OpCode: ws.OpBinary}, []byte("x")), []func(*gateway.API){aws}, gateway.Close{Code: 1003, Reason: reasonBinary}, gateway.Close{Code: 1003, Reason: reasonBinary}},
		{"broken protocol", frame(ws.Header{Fin: true, OpCode: 3}, nil), nil, gateway.Close{Code: 1002, Reason: reasonProtocol}, gateway.Close{Code: 1002, Reason: reasonProtocol}},
		{"vanishes", nil, nil, gateway.Close{Code: -1}, gateway.Close{Code: 1006, Reason: reasonLost}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, chatAPI(test.change...))
			c := w.connect()
			if !w.journal.has(c.id) {
				t.Error("the connection is not in the journal")
			}
			if test.send == nil {
				_ = c.Close()
			} else {
				c.send(test.send)
			}
			if test.echo.Code >= 0 {
				c.wantClose(test.echo.Code, test.echo.Reason)
				c.wantEnd()
			}
			w.wantDisconnect(c, test.event.Code, test.event.Reason)
			w.journal.waitClosed(t, 1)
			if w.journal.has(c.id) || w.hub.get(c.id) != nil {
				t.Error("the connection is not forgotten")
			}
		})
	}
}

func TestDisconnectEvent(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect("User-Agent: probe/1", "X-Mine: 1")
	connectedAt := w.hub.get(c.id).conn.ConnectedAt
	c.send(closeFrame(1000, ""))
	ev := w.sender.next(t, gateway.RouteDisconnect)
	if ev.Kind != gateway.EventDisconnect || len(ev.Body) != 0 || ev.Subject != "test.chat.dev.ws.$disconnect" {
		t.Errorf("event %+v", ev)
	}
	// contract/websocket-api.md §6.3
	if len(ev.Header) != 4 || ev.Header["Host"][0] != "test.local" || ev.Header["x-api-key"][0] != "" ||
		ev.Header["X-Forwarded-For"][0] != "" || ev.Header["x-restapi"][0] != "" {
		t.Errorf("header %v", ev.Header)
	}
	got := contextOf(t, ev)
	if got.ConnectedAt != connectedAt.UnixMilli() || got.EventType != "DISCONNECT" || got.MessageID != "" || got.RawQueryString != "" ||
		got.Identity.UserAgent != "probe/1" || got.RequestID != disconnectRequestID(c.id) {
		t.Errorf("context %s", ev.Context)
	}
}

func TestServerFinishesCloseHandshake(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	if err := w.Connections().Delete(t.Context(), c.ref(), gateway.Close{}); err != nil {
		t.Fatal(err)
	}
	c.wantClose(1000, "")
	w.wantDisconnect(c, 1000, "Connection Closed Normally")
	c.say(`{"action":"say"}`) // crossed the close frame: nobody hears it
	c.send(closeFrame(1000, ""))
	c.wantEnd()
	w.sender.none(t)
}

func TestPing(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	for _, s := range []string{"", "abc", strings.Repeat("x", 125)} {
		c.send(ping(s))
		if h, b := c.read(); h.OpCode != ws.OpPong || string(b) != s {
			t.Errorf("ping %q: %v %q", s, h, b)
		}
	}
	w.sender.none(t) // pings never reach a backend
}

func TestNoDisconnectRoute(t *testing.T) {
	w := newWorld(t, chatAPI(func(a *gateway.API) { delete(a.Routes, gateway.RouteDisconnect) }))
	c := w.connect()
	c.send(closeFrame(1000, ""))
	c.wantClose(1000, "")
	w.journal.waitClosed(t, 1)
	w.sender.none(t)
}
