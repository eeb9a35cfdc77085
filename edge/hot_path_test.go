package edge

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// The hot path without sockets: a link that takes everything, and Senders that answer at once.

// sink is a link that counts what is written to it.
type sink struct{ bytes int }

func (s *sink) start([]byte)                {}
func (s *sink) write(b []byte) (int, error) { s.bytes += len(b); return len(b), nil }
func (s *sink) flush()                      {}
func (s *sink) resume()                     {}
func (s *sink) settle()                     {}
func (s *sink) shutdown()                   {}
func (s *sink) close()                      {}

// promptSender answers every event at once with the same reply, keeping nothing.
type promptSender struct{ reply gateway.Reply }

func (e *promptSender) Send(_ context.Context, _ *gateway.Event, done func(*gateway.Reply, error)) {
	if done != nil {
		done(&e.reply, nil)
	}
}

// hotSocket is an open socket of a server that does not run.
func hotSocket(t testing.TB) (*socket, *sink) {
	t.Helper()
	live := new(router.Live)
	live.Swap(router.NewTable([]*router.Program{compileChat(t, chatAPI())}, "localhost"))
	s, err := New(Config{
		Live: live, Sender: &promptSender{gateway.Reply{Status: 200, Body: []byte(`{"ok":true}`)}}, Journal: newScriptJournal(),
		Invoker: new(quiet), Remote: new(connectionsLog), Lease: func(context.Context, gateway.EdgeID) (bool, error) { return false, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &gateway.Connection{ID: gateway.NewConnectionID("EDGE"), API: "chat", Stage: "dev", ConnectedAt: time.Now(),
		DomainName: "test.local", SourceIP: "192.0.2.1"}
	s.texts.settle(c)
	k := s.newSocket(c, s.texts.newPrefix(c))
	out := new(sink)
	k.link = out
	s.remember(k)
	return k, out
}

// hotPaths are one step of each: a one-way message in, a message and its reply, a push out.
func hotPaths(t testing.TB) map[string]func() {
	k, _ := hotSocket(t)
	oneWay := textFrame(`{"action":"say","text":"` + strings.Repeat("x", 100) + `"}`)
	twoWay := textFrame(`{"action":"ask","text":"` + strings.Repeat("x", 100) + `"}`)
	var in [1024]byte // receive unmasks in place
	receive := func(frame []byte) {
		if n, more := k.receive(in[:copy(in[:], frame)]); n != len(frame) || !more {
			t.Fatal("the frame was not taken")
		}
	}
	local, push := k.server.Connections(), gateway.Push{Body: []byte(strings.Repeat("y", 200))}
	ref := gateway.ConnectionRef{API: "chat", Stage: "dev", ID: k.conn.ID}
	return map[string]func(){
		"frame to one-way event": func() { receive(oneWay) },
		"frame to reply frame":   func() { receive(twoWay) },
		"push to frame": func() {
			if err := local.Post(context.Background(), ref, push); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// allowed is what a step may allocate. A one-way event owns itself, its bytes and its two ids, which are one piece, since
// nobody says when its Sender is finished; the others use pooled memory and allocate the ids alone.
var allowed = map[string]float64{"frame to one-way event": 3, "frame to reply frame": 1, "push to frame": 0}

func TestHotPathAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops pooled memory at random")
	}
	for name, step := range hotPaths(t) {
		if n := testing.AllocsPerRun(1000, step); n > allowed[name] {
			t.Errorf("%s: %v allocations, want at most %v", name, n, allowed[name])
		}
	}
}

func BenchmarkHotPath(b *testing.B) {
	for name, step := range hotPaths(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

// BenchmarkEcho is a round trip over a loopback socket, the client included.
func BenchmarkEcho(b *testing.B) {
	w := newWorld(b, chatAPI(func(a *gateway.API) { delete(a.Routes, gateway.RouteConnect) }), func(c *Config) {
		c.Sender = &promptSender{gateway.Reply{Body: []byte("reply")}}
	})
	c, _, _ := w.knock(upgradeRequest("/chat/dev"))
	message := textFrame(`{"action":"ask"}`)
	b.ReportAllocs()
	for b.Loop() {
		c.send(message)
		if h, _ := c.read(); h.OpCode != ws.OpText {
			b.Fatal(h)
		}
	}
}

// An idle connection on a Unix socket holds no read buffer, no queue and no assembly.
func TestIdleSocketHoldsNoBuffers(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	c.say(`{"action":"say"}`)
	w.sender.next(t, "say")
	k := w.hub.get(c.id)
	link, ok := k.link.(*goroutineLink)
	if !ok || link.raw == nil {
		t.Skip("this system's sockets are read with a buffer in hand")
	}
	// The server reads again once it has answered a ping that came after the message.
	c.send(ping(""))
	c.read()
	if err := w.end(); err != nil { // the reading goroutine has ended: its fields may be looked at
		t.Fatal(err)
	}
	if link.buf != nil || k.frames.part != nil || k.out != nil {
		t.Errorf("buffer %v, assembly %v, queue %v", link.buf != nil, k.frames.part, k.out)
	}
}
