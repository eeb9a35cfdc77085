package edge

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"github.com/sallyport/sallyport/gateway"
)

// The conformance tests speak RFC 6455 and RFC 7692 to a live server over TCP, frame by frame. Their subtests have the
// names of the Autobahn suite's case groups. Every message comes back through a two-way $default route.

// echoWorld is a server that sends every message back.
func echoWorld(t *testing.T, change ...func(*gateway.API)) *world {
	t.Helper()
	return echoes(newWorld(t, echoAPI(change...)))
}

func echoAPI(change ...func(*gateway.API)) *gateway.API {
	const room = 16 << 20
	return chatAPI(append([]func(*gateway.API){withDefault, func(a *gateway.API) {
		delete(a.Routes, gateway.RouteConnect)
		delete(a.Routes, gateway.RouteDisconnect)
	}, withLimits(func(l *gateway.LimitSettings) { l.SendQueueBytes = ptr(room) })}, change...)...)
}

// echoes makes the backend send every message back.
func echoes(w *world) *world {
	w.sender.on(gateway.RouteDefault, func(ev *gateway.Event) (*gateway.Reply, error) {
		<-w.sender.events // nobody else reads them
		return &gateway.Reply{Body: ev.Body, Binary: ev.Binary}, nil
	})
	return w
}

// exchangeCase is what a client sends and what it then reads, frame by frame. code ends it with a close frame, 0 with a
// close handshake of the client's and 1 with a close frame without payload.
type exchangeCase struct {
	name string
	send []byte
	want []heardFrame
	code int
}

type heardFrame struct {
	op      ws.OpCode
	payload string
}

func text(s string) heardFrame { return heardFrame{ws.OpText, s} }
func bin(s string) heardFrame  { return heardFrame{ws.OpBinary, s} }
func pong(s string) heardFrame { return heardFrame{ws.OpPong, s} }

// runExchanges plays the cases against w, each on a connection of its own, in one piece and byte by byte.
func runExchanges(t *testing.T, w *world, cases []exchangeCase) {
	t.Helper()
	const longest = 2000 // bytes that are worth writing one at a time
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			w := &world{Server: w.Server, t: t, sender: w.sender, addr: w.addr, client: w.client}
			for _, piece := range []int{len(test.send), 997, 1} {
				if piece == 0 || piece == 1 && len(test.send) > longest {
					continue
				}
				c := w.connect()
				c.exchange(test, piece)
			}
		})
	}
}

func (c *client) exchange(test exchangeCase, piece int) {
	c.t.Helper()
	for rest := test.send; len(rest) > 0; {
		n := min(piece, len(rest))
		if _, err := c.Write(rest[:n]); err != nil {
			break // closed by a fault that came early
		}
		rest = rest[n:]
	}
	for i, want := range test.want {
		h, b := c.read()
		if h.OpCode != want.op || !h.Fin || string(b) != want.payload {
			c.t.Fatalf("in pieces of %d, frame %d: %+v %.80q, want %+v %.80q", piece, i, h, b, want.op, want.payload)
		}
	}
	if test.code == 0 {
		c.send(closeFrame(int(ws.StatusNormalClosure), "bye"))
		c.wantClose(int(ws.StatusNormalClosure), "bye")
		c.wantEnd()
		return
	}
	h, b := c.read()
	if h.OpCode != ws.OpClose || test.code > 1 && (len(b) < 2 || int(b[0])<<8|int(b[1]) != test.code) || test.code == 1 && len(b) > 0 {
		c.t.Fatalf("in pieces of %d: frame %+v %q, want close %d", piece, h, b, test.code)
	}
	_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	c.wantEnd()
}

// deflateClient compresses and inflates as another implementation does.
type deflateClient struct {
	*client
	out    bytes.Buffer
	writer *flate.Writer
}

func newDeflateClient(t *testing.T, w *world, offer string) *deflateClient {
	t.Helper()
	c := &deflateClient{client: w.connect("Sec-WebSocket-Extensions: " + offer)}
	if !strings.Contains(c.head, extensionDeflate) {
		t.Fatalf("offer %q was declined: %s", offer, c.head)
	}
	var err error
	if c.writer, err = flate.NewWriter(&c.out, flate.DefaultCompression); err != nil {
		t.Fatal(err)
	}
	return c
}

// compressed is payload as one or more frames of at most size bytes.
func (c *deflateClient) compressed(op ws.OpCode, payload string, size int) []byte {
	c.t.Helper()
	c.out.Reset()
	c.writer.Reset(&c.out) // the server always asks for client_no_context_takeover
	if _, err := io.WriteString(c.writer, payload); err != nil {
		c.t.Fatal(err)
	}
	if err := c.writer.Flush(); err != nil {
		c.t.Fatal(err)
	}
	rest := bytes.TrimSuffix(c.out.Bytes(), []byte(deflateTail))
	var out []byte
	for rsv := byte(rsvDeflated); ; rsv, op = 0, ws.OpContinuation {
		n := min(size, len(rest))
		out = append(out, frame(ws.Header{Fin: n == len(rest), OpCode: op, Rsv: rsv}, rest[:n])...)
		if rest = rest[n:]; len(rest) == 0 {
			return out
		}
	}
}

// message reads one whole message and inflates it with Go's own package when RSV1 says so.
func (c *deflateClient) message() (ws.OpCode, string, bool) {
	c.t.Helper()
	c.deadline()
	var op ws.OpCode
	var raw []byte
	packed := false
	for first := true; ; first = false {
		h, err := ws.ReadHeader(c.r)
		if err != nil {
			c.t.Fatal(err)
		}
		if first {
			op, packed = h.OpCode, h.Rsv == rsvDeflated
		}
		if h.Masked || h.Rsv != 0 && !first || (h.OpCode == ws.OpContinuation) == first {
			c.t.Fatalf("frame %+v", h)
		}
		b := make([]byte, h.Length)
		if _, err := io.ReadFull(c.r, b); err != nil {
			c.t.Fatal(err)
		}
		raw = append(raw, b...)
		if h.Fin {
			break
		}
	}
	if !packed {
		return op, string(raw), false
	}
	return op, inflateStd(c.t, raw), true
}
