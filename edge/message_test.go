package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

func TestMessageBecomesEvent(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect("User-Agent: probe/1")
	c.say(`{"action":"say","text":"hé"}`)
	ev := w.sender.next(t, "say")
	if ev.Kind != gateway.EventMessage || ev.API != "chat" || ev.Stage != "dev" || ev.Subject != "test.chat.dev.ws.say" ||
		ev.Expect != gateway.ExpectNothing || ev.Connection != c.id || ev.Binary || ev.Header != nil ||
		string(ev.Body) != `{"action":"say","text":"hé"}` {
		t.Errorf("event %+v", ev)
	}
	got := contextOf(t, ev)
	if got.ConnectionID != c.id || got.RequestID != ev.Request || got.RouteKey != "say" || got.EventType != event.KindMessage ||
		got.MessageID == "" || got.MessageID == got.RequestID || got.DomainName != "test.local" || got.DeploymentID != "d-1" ||
		got.Identity.SourceIP != "127.0.0.1" || got.Identity.UserAgent != "probe/1" {
		t.Errorf("context %s", ev.Context)
	}
}

func TestReplyBecomesFrame(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	for _, test := range []struct {
		name  string
		reply *gateway.Reply
		err   error
		op    ws.OpCode
		want  string
	}{
		{"text", &gateway.Reply{Body: []byte("hello")}, nil, ws.OpText, "hello"},
		{"status is not looked at", &gateway.Reply{Status: 500, Body: []byte("oops")}, nil, ws.OpText, "oops"},
		{"binary", &gateway.Reply{Body: []byte("abc"), Binary: true}, nil, ws.OpBinary, "abc"},
		{"not text", &gateway.Reply{Body: []byte{0xff, 0}}, nil, ws.OpBinary, "\xff\x00"},
		{"timeout", nil, gateway.Errorf(gateway.CodeTimeout, "late"), ws.OpText, `{"message": "Endpoint request timed out", "connectionId":"%s", "requestId":"%s"}`},
		{"nobody", nil, gateway.Errorf(gateway.CodeUnavailable, "nobody"), ws.OpText, `{"message": "Internal server error", "connectionId":"%s", "requestId":"%s"}`},
		{"unknown failure", nil, errors.New("boom"), ws.OpText, `{"message": "Internal server error", "connectionId":"%s", "requestId":"%s"}`},
		{"too long", &gateway.Reply{Body: make([]byte, 1<<20+1)}, nil, ws.OpText, `{"message": "Internal server error", "connectionId":"%s", "requestId":"%s"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.sender.on("ask", func(*gateway.Event) (*gateway.Reply, error) { return test.reply, test.err })
			c.say(`{"action":"ask"}`)
			ev := w.sender.next(t, "ask")
			if ev.Expect != gateway.ExpectReply || ev.Timeout == 0 {
				t.Errorf("expects %v within %v", ev.Expect, ev.Timeout)
			}
			want := test.want
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, c.id, ev.Request)
			}
			if h, b := c.read(); h.OpCode != test.op || !h.Fin || string(b) != want {
				t.Errorf("frame %v %q, want %v %q", h, b, test.op, want)
			}
		})
	}
}

func TestEmptyReplySendsNothing(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	c.say(`{"action":"ask"}`)
	c.send(frame(ws.Header{Fin: true, OpCode: ws.OpPing}, []byte("after")))
	if h, b := c.read(); h.OpCode != ws.OpPong || string(b) != "after" {
		t.Errorf("frame %v %q, want only the pong", h, b)
	}
}

func TestNoRoute(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	for _, body := range []string{`{"action":"other"}`, `not json`, `{"action":"$connect"}`, ``} {
		c.say(body)
		_, b := c.read()
		start, end := `{"message": "Forbidden", "connectionId":"`+string(c.id)+`", "requestId":"`, `"}`
		if got := string(b); !strings.HasPrefix(got, start) || !strings.HasSuffix(got, end) || len(got) != len(start)+16+len(end) {
			t.Errorf("%q: frame %s", body, got)
		}
	}
	w.sender.none(t)
}

func TestDefaultRouteTakesWhatIsNotJSON(t *testing.T) {
	w := newWorld(t, chatAPI(withDefault))
	w.sender.on(gateway.RouteDefault, func(ev *gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: ev.Body}, nil })
	c := w.connect()
	c.say("plain words")
	c.wantText("plain words")
}

func TestWhatOneWayRoutesExpect(t *testing.T) {
	watched := true
	for _, test := range []struct {
		name   string
		change []func(*gateway.API)
		watch  bool
		want   gateway.Expect
	}{
		{"nobody looks", nil, !watched, gateway.ExpectNothing},
		{"somebody looks", nil, watched, gateway.ExpectAck},
		{"strict order", []func(*gateway.API){func(a *gateway.API) { a.MaxInFlight = 1 }}, !watched, gateway.ExpectAck},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, chatAPI(test.change...), func(c *Config) { c.Observing = func() bool { return test.watch } })
			c := w.connect()
			c.say(`{"action":"work"}`)
			if ev := w.sender.next(t, "work"); ev.Expect != test.want {
				t.Errorf("a worker's route expects %v, want %v", ev.Expect, test.want)
			}
			c.say(`{"action":"say"}`)
			if ev := w.sender.next(t, "say"); ev.Expect != gateway.ExpectNothing {
				t.Errorf("a native route expects %v", ev.Expect)
			}
		})
	}
}

func TestFailedOneWayEvents(t *testing.T) {
	w := newWorld(t, chatAPI(), func(c *Config) { c.Observing = func() bool { return true } })
	w.sender.on("work", func(*gateway.Event) (*gateway.Reply, error) { return nil, gateway.Errorf(gateway.CodeTimeout, "late") })
	c := w.connect()
	c.say(`{"action":"work"}`)
	ev := w.sender.next(t, "work")
	c.wantText(fmt.Sprintf(`{"message": "Endpoint request timed out", "connectionId":"%s", "requestId":"%s"}`, c.id, ev.Request))

	c.say(`{"action":"say"}`)
	ev = w.sender.next(t, "say")
	w.Failed(ev.Connection, ev.Request, gateway.Errorf(gateway.CodeUnavailable, "nobody"))
	c.wantText(fmt.Sprintf(`{"message": "Internal server error", "connectionId":"%s", "requestId":"%s"}`, c.id, ev.Request))

	w.Failed("EDGExxxxxxxxxxx=", ev.Request, errors.New("of a connection that is gone")) // and nothing happens
}

// At maxInFlight the socket is not read until an answer comes; one-way native messages do not count.
func TestMaxInFlight(t *testing.T) {
	w := newWorld(t, chatAPI(func(a *gateway.API) { a.MaxInFlight = 2 }))
	w.sender.hold("ask")
	c := w.connect()
	for i := range 4 {
		c.say(fmt.Sprintf(`{"action":"say","n":%d}`, i))
	}
	for range 4 {
		w.sender.next(t, "say")
	}
	for i := range 4 {
		c.say(fmt.Sprintf(`{"action":"ask","n":%d}`, i))
	}
	c.say(`{"action":"say","n":"last"}`)
	var asked []gateway.Event
	for range 2 {
		asked = append(asked, w.sender.next(t, "ask"))
	}
	waitFor(t, "a paused socket", func() bool { return w.hub.get(c.id).isPaused() })
	w.sender.none(t)
	for n := 2; n < 4; n++ { // each answer lets one more in, in order
		first := asked[0]
		asked = asked[1:]
		w.sender.release(t, first.Request, &gateway.Reply{Body: []byte("ok")}, nil)
		c.wantText("ok")
		ev := w.sender.next(t, "ask")
		if want := fmt.Sprintf(`{"action":"ask","n":%d}`, n); string(ev.Body) != want {
			t.Errorf("event %s, want %s", ev.Body, want)
		}
		asked = append(asked, ev)
		waitFor(t, "a paused socket", func() bool { return w.hub.get(c.id).isPaused() })
		w.sender.none(t)
	}
	for _, ev := range asked {
		w.sender.release(t, ev.Request, &gateway.Reply{}, nil)
	}
	w.sender.next(t, "say")
}

func (k *socket) isPaused() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.paused
}

func TestRecordsOfAConnection(t *testing.T) {
	records := new(recorder)
	w := newWorld(t, chatAPI(), func(c *Config) { c.Observe = records.observe })
	c := w.connect()
	c.say(`{"action":"ask"}`)
	w.sender.next(t, "ask")
	c.say(`{"action":"nothing"}`)
	c.read()
	c.send(closeFrame(4000, "bye"))
	c.wantClose(4000, "bye")
	w.wantDisconnect(c, 4000, "bye")
	w.journal.waitClosed(t, 1)
	records.mu.Lock()
	defer records.mu.Unlock()
	var got []string
	for _, r := range records.records {
		if r.Connection != c.id || r.API != "chat" || r.Stage != "dev" || r.Time.IsZero() {
			t.Errorf("record %+v", r)
		}
		got = append(got, fmt.Sprint(r.Kind, " ", r.Route, " ", r.Status, " ", r.Code))
	}
	want := "CONNECT $connect 101 |MESSAGE ask 200 |MESSAGE  0 forbidden|DISCONNECT $disconnect 4000 "
	if strings.Join(got, "|") != want {
		t.Errorf("records %q", got)
	}
}

// A deployment reaches open sockets with their next message.
func TestNewDeploymentReachesOpenSockets(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	c.say("anything")
	c.read() // Forbidden
	w.swap(chatAPI(withDefault))
	w.sender.on(gateway.RouteDefault, func(ev *gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: ev.Body}, nil })
	c.say("anything")
	c.wantText("anything")
}

func TestRemovedAPIClosesItsSockets(t *testing.T) {
	w := newWorld(t, chatAPI())
	silent, busy := w.connect(), w.connect()
	w.swap(chatAPI(func(a *gateway.API) { a.APIID = "other" }))
	busy.say(`{"action":"say"}`)
	busy.wantClose(1001, "Going away")
	w.wantDisconnect(busy, 1001, "Going away")
	silent.wantClose(1001, "Going away")
	w.wantDisconnect(silent, 1001, "Going away")
}

func TestLargeMessages(t *testing.T) {
	w := newWorld(t, chatAPI(withDefault))
	w.sender.on(gateway.RouteDefault, func(ev *gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: ev.Body}, nil })
	c := w.connect()
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		body := strings.Repeat("x", n)
		c.say(body)
		if n == 0 {
			continue // an empty reply sends nothing
		}
		c.wantText(body)
	}
}

// A client of the aws profile gets no frame beyond its limit.
func TestLongRepliesAreFragmented(t *testing.T) {
	w := newWorld(t, chatAPI(withDefault, withLimits(func(l *gateway.LimitSettings) { l.Profile = gateway.ProfileAWS })))
	want := strings.Repeat("0123456789", 10_000)
	w.sender.on(gateway.RouteDefault, func(*gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: []byte(want)}, nil })
	c := w.connect()
	c.say("go")
	var got strings.Builder
	for i := 0; ; i++ {
		h, b := c.read()
		if len(b) > 32<<10 || (i == 0) != (h.OpCode == ws.OpText) {
			t.Fatalf("frame %d: %v", i, h)
		}
		got.Write(b)
		if h.Fin {
			break
		}
	}
	if got.String() != want {
		t.Error("the message is another one")
	}
}

func TestForeignClient(t *testing.T) {
	w := newWorld(t, chatAPI(withDefault))
	w.sender.on(gateway.RouteConnect, func(*gateway.Event) (*gateway.Reply, error) {
		return &gateway.Reply{Status: 200, Header: gateway.Header{"sec-websocket-protocol": {"chat.v2"}}}, nil
	})
	w.sender.on(gateway.RouteDefault, func(ev *gateway.Event) (*gateway.Reply, error) {
		return &gateway.Reply{Body: ev.Body, Binary: ev.Binary}, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, r, err := websocket.Dial(ctx, "ws://"+w.addr+"/chat/dev/?room=a", &websocket.DialOptions{Subprotocols: []string{"chat.v1", "chat.v2"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusSwitchingProtocols || c.Subprotocol() != "chat.v2" {
		t.Errorf("%d, subprotocol %q", r.StatusCode, c.Subprotocol())
	}
	ev := w.sender.next(t, gateway.RouteConnect)
	if got := contextOf(t, ev); got.QueryStringParameters["room"] != "a" {
		t.Errorf("context %s", ev.Context)
	}
	c.SetReadLimit(-1)
	for _, n := range []int{1, 1000, 100_000, 1_000_000} {
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			body := strings.Repeat("y", n)
			if err := c.Write(ctx, kind, []byte(body)); err != nil {
				t.Fatal(err)
			}
			got, b, err := c.Read(ctx)
			if err != nil || got != kind || string(b) != body {
				t.Fatalf("%d bytes came back as %v with %d: %v", n, got, len(b), err)
			}
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Error(err)
	}
}
