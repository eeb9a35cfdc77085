package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

// script is a transport without sockets: what the loop writes is kept, and a test says what arrives.
type script struct {
	written []byte
	room    int // what the socket takes; less than 0: everything
	dropped bool
}

func (s *script) dial(*Conn) error { return nil }

func (s *script) write(_ *Conn, p []byte) (int, error) {
	n := len(p)
	if s.room >= 0 {
		n = min(n, s.room)
		s.room -= n
	}
	s.written = append(s.written, p[:n]...)
	return n, nil
}

func (s *script) drop(*Conn, bool)         { s.dropped = true }
func (s *script) wait(time.Duration) error { return nil }
func (s *script) deafen(*Conn)             {}
func (s *script) wake()                    {}
func (s *script) all() []*Conn             { return nil }
func (s *script) close()                   {}

// events is a Handler that writes down what it is told.
type events struct{ list []string }

func (e *events) add(format string, args ...any) {
	e.list = append(e.list, fmt.Sprintf(format, args...))
}
func (e *events) Opened(*Conn)                    { e.add("opened") }
func (e *events) Message(_ *Conn, payload []byte) { e.add("message %s", payload) }
func (e *events) Answered(_ *Conn, status int)    { e.add("answered %d", status) }
func (e *events) Pong(*Conn)                      { e.add("pong") }
func (e *events) Closed(_ *Conn, err error)       { e.add("closed: %v", err) }

// newScript makes a loop with one connection that is open.
func newScript(t testing.TB, protocol Protocol) (*Loop, *Conn, *script, *events) {
	t.Helper()
	s, e := &script{room: -1}, &events{}
	l, err := NewLoop(LoopConfig{Handler: e, Goroutines: true})
	if err != nil {
		t.Fatal(err)
	}
	l.transport.close()
	l.transport = s
	target := &Target{Protocol: protocol, head: []byte("Host: x\r\n")}
	c, err := l.Dial(target, netip.Addr{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if protocol == HTTP {
		l.connected(c)
	} else {
		c.state = open
	}
	e.list = nil
	return l, c, s, e
}

// unmask shows the frames that a client sent.
func unmask(t *testing.T, b []byte) []string {
	t.Helper()
	var list []string
	for r := bytes.NewReader(b); r.Len() > 0; {
		h, err := ws.ReadHeader(r)
		if err != nil || !h.Masked || !h.Fin {
			t.Fatalf("header %+v, %v", h, err)
		}
		payload := make([]byte, h.Length)
		if _, err := r.Read(payload); err != nil && h.Length > 0 {
			t.Fatal(err)
		}
		ws.Cipher(payload, h.Mask, 0)
		list = append(list, fmt.Sprintf("%d %s", h.OpCode, payload))
	}
	return list
}

func frames(list ...ws.Frame) []byte {
	var b bytes.Buffer
	for _, f := range list {
		ws.MustWriteFrame(&b, f)
	}
	return b.Bytes()
}

func TestFramesAreRead(t *testing.T) {
	large := strings.Repeat("x", 70_000)
	long := strings.Repeat("y", 300)
	for _, test := range []struct {
		name  string
		input []byte
		want  []string
		sent  []string
	}{
		{"messages", frames(ws.NewTextFrame([]byte("a")), ws.NewBinaryFrame([]byte(long)), ws.NewTextFrame([]byte(large)), ws.NewTextFrame(nil)), []string{"message a", "message " + long, "message " + large, "message "}, nil},
		{"in fragments", frames(ws.NewFrame(ws.OpText, false, []byte("a")), ws.NewPingFrame([]byte("p")), ws.NewFrame(ws.OpContinuation, false, []byte("b")), ws.NewFrame(ws.OpContinuation, true, []byte("c"))), []string{"message abc"}, []string{"10 p"}},
		{"a pong", frames(ws.NewPongFrame(nil)), []string{"pong"}, nil},
		{"a close", frames(ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "bye")), ws.NewTextFrame([]byte("late"))), nil, []string{"8 \x03\xe8"}},
		{"a mask", frames(ws.MaskFrame(ws.NewTextFrame([]byte("a")))), []string{"closed: " + errFrame.Error()}, nil},
		{"a reserved bit", []byte{0xc1, 0}, []string{"closed: " + errFrame.Error()}, nil},
		{"a continuation of nothing", frames(ws.NewFrame(ws.OpContinuation, true, nil)), []string{"closed: " + errFrame.Error()}, nil},
		{"a message in a message", frames(ws.NewFrame(ws.OpText, false, nil), ws.NewTextFrame(nil)), []string{"closed: " + errFrame.Error()}, nil},
		{"a control frame in fragments", []byte{0x09, 0}, []string{"closed: " + errFrame.Error()}, nil},
		{"too large", []byte{0x82, 127, 0, 0, 0, 0, 2, 0, 0, 0}, []string{"closed: " + errTooLarge.Error()}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, c, s, e := newScript(t, WebSocket)
			l.readable(c, test.input)
			if d := cmp.Diff(test.want, e.list); d != "" {
				t.Errorf("events (-want +got):\n%.500s", d)
			}
			if d := cmp.Diff(test.sent, unmask(t, s.written)); d != "" {
				t.Errorf("sent (-want +got):\n%s", d)
			}
		})
	}
}

func TestCloseHandshakes(t *testing.T) {
	l, c, s, e := newScript(t, WebSocket)
	l.readable(c, frames(ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "bye"))))
	l.fail(c, nil) // the server ends the connection
	if d := cmp.Diff([]string{"closed: the server closed with code 4001 bye"}, e.list); d != "" || !s.dropped || l.Live() != 0 {
		t.Error(d)
	}
	l, c, s, e = newScript(t, WebSocket)
	l.Close(c)
	l.Close(c)
	l.Send(c, []byte("late"))
	l.readable(c, frames(ws.NewTextFrame([]byte("late")), ws.NewCloseFrame(nil)))
	if s.dropped {
		t.Error("dropped before the server ended the connection")
	}
	l.fail(c, nil)
	if d := cmp.Diff([]string{"closed: <nil>"}, e.list); d != "" || len(unmask(t, s.written)) != 1 {
		t.Error(d)
	}
}

// What a socket does not take waits, in order.
func TestSlowSocket(t *testing.T) {
	l, c, s, _ := newScript(t, WebSocket)
	s.room = 10
	l.Send(c, []byte("first message"))
	l.Send(c, []byte("second"))
	s.room = 5
	l.writable(c)
	s.room = -1
	l.writable(c)
	if d := cmp.Diff([]string{"1 first message", "1 second"}, unmask(t, s.written)); d != "" || c.out != nil {
		t.Error(d)
	}
}

// Replies to what one read brought leave in one write.
func TestWritesAreJoined(t *testing.T) {
	l, c, s, _ := newScript(t, WebSocket)
	echo := &echoing{loop: l}
	l.handler = echo
	l.readable(c, frames(ws.NewTextFrame([]byte("a")), ws.NewTextFrame([]byte("b"))))
	if d := cmp.Diff([]string{"1 a", "1 b"}, unmask(t, s.written)); d != "" || echo.early > 0 {
		t.Errorf("%d bytes were written early\n%s", echo.early, d)
	}
}

// echoing sends each message back.
type echoing struct {
	events
	loop  *Loop
	early int
}

func (e *echoing) Message(c *Conn, payload []byte) {
	e.loop.Send(c, payload)
	if s, ok := e.loop.transport.(*script); ok {
		e.early += len(s.written)
	}
}

func TestEchoAllocates(t *testing.T) {
	l, c, s, _ := newScript(t, WebSocket)
	l.handler = &echoing{loop: l}
	input := frames(ws.NewTextFrame(make([]byte, 128)))
	if n := testing.AllocsPerRun(1000, func() {
		s.written = s.written[:0]
		l.readable(c, input[:50]) // in two reads
		l.readable(c, input[50:])
	}); n > 0 {
		t.Errorf("%v allocations a message", n)
	}
}

func BenchmarkEcho(b *testing.B) {
	l, c, s, _ := newScript(b, WebSocket)
	l.handler = &echoing{loop: l}
	input := frames(ws.NewTextFrame(make([]byte, 128)))
	b.ReportAllocs()
	for b.Loop() {
		s.written = s.written[:0]
		l.readable(c, input)
	}
}

func TestHandshake(t *testing.T) {
	for _, test := range []struct {
		name, answer, want string
	}{
		{"right", "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: KEY\r\n\r\n\x81\x01a", "opened|message a"},
		{"wrong key", "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n", "closed: " + errAccept.Error()},
		{"refused", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "closed: the handshake was answered with status 403"},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", "closed: " + errNotHTTP.Error()},
		{"endless", strings.Repeat("x", maxHead), "closed: " + errNotHTTP.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, c, _, e := newScript(t, WebSocket)
			c.state = dialing
			l.connected(c)
			answer := []byte(strings.Replace(test.answer, "KEY", string(c.key), 1))
			for i := range answer { // byte by byte
				if c.state != closed {
					l.readable(c, answer[i:i+1])
				}
			}
			if got := strings.Join(e.list, "|"); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name, input, want string
	}{
		{"with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 404 x\r\ncontent-length:0\r\n\r\n", "answered 200|answered 404"},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "answered 200|answered 204"},
		{"after an interim one", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "answered 200"},
		{"the last", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "answered 200|closed: " + ErrClosed.Error()},
		{"until the end", "HTTP/1.0 200 OK\r\n\r\nhello", "answered 200|closed: " + ErrClosed.Error()},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "closed: " + ErrClosed.Error()},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "closed: " + errNotHTTP.Error()},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "closed: " + errNotHTTP.Error()},
	} {
		for _, step := range []int{1, 7, 1000} {
			t.Run(fmt.Sprintf("%s by %d", test.name, step), func(t *testing.T) {
				l, c, _, e := newScript(t, HTTP)
				feed(l, c, []byte(test.input), step)
				if c.state != closed && strings.Contains(test.want, "closed") {
					l.fail(c, nil)
				}
				if got := strings.Join(e.list, "|"); got != test.want {
					t.Errorf("%s, want %s", got, test.want)
				}
			})
		}
	}
}

func feed(l *Loop, c *Conn, input []byte, step int) {
	for len(input) > 0 && c.state != closed {
		n := min(step, len(input))
		l.readable(c, bytes.Clone(input[:n]))
		input = input[n:]
	}
}

// However input is cut into reads, it means the same.
func FuzzInput(f *testing.F) {
	f.Add(true, 3, frames(ws.NewTextFrame([]byte("hello")), ws.NewPingFrame([]byte("x")), ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "y"))))
	f.Add(true, 1, frames(ws.NewFrame(ws.OpBinary, false, make([]byte, 130)), ws.NewFrame(ws.OpContinuation, true, []byte("z"))))
	f.Add(false, 2, []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add(false, 5, []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 304 x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, socket bool, step int, input []byte) {
		protocol := HTTP
		if socket {
			protocol = WebSocket
		}
		whole, c, _, want := newScript(t, protocol)
		feed(whole, c, input, max(len(input), 1))
		parts, c, _, got := newScript(t, protocol)
		feed(parts, c, input, 1+int(uint(step)%64))
		if d := cmp.Diff(want.list, got.list); d != "" {
			t.Errorf("cut by %d (-whole +cut):\n%s", 1+int(uint(step)%64), d)
		}
	})
}

func TestTimeouts(t *testing.T) {
	q := timeouts{after: time.Second, in: func(s state) bool { return s == dialing }}
	var conns []*Conn
	for i := range 3 * compactAt {
		c := &Conn{Index: i}
		conns = append(conns, c)
		q.add(c, time.Duration(i))
	}
	conns[0].state = open
	if at, any := q.next(); !any || at != time.Second+1 {
		t.Errorf("the first is due at %v", at)
	}
	if q.due(time.Second) != nil {
		t.Error("due too early")
	}
	for i := 1; i < len(conns); i++ {
		if c := q.due(time.Hour); c != conns[i] {
			t.Fatalf("number %d is %+v", i, c)
		}
	}
	if q.due(time.Hour) != nil || len(q.queue) != 0 {
		t.Error("more than were put in")
	}
}

func TestStatusErrorHasTheBody(t *testing.T) {
	l, c, _, _ := newScript(t, WebSocket)
	var got error
	l.handler = closedFunc(func(err error) { got = err })
	c.state = shaking
	l.readable(c, []byte("HTTP/1.1 429 Too Many Requests\r\n\r\n"+strings.Repeat("x", 1000)))
	var status *StatusError
	if !errors.As(got, &status) || status.Status != 429 || len(status.Body) != maxExcerpt {
		t.Errorf("%v", got)
	}
}

type closedFunc func(error)

func (closedFunc) Opened(*Conn)                {}
func (closedFunc) Message(*Conn, []byte)       {}
func (closedFunc) Answered(*Conn, int)         {}
func (closedFunc) Pong(*Conn)                  {}
func (f closedFunc) Closed(_ *Conn, err error) { f(err) }
