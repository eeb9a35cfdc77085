package edge

import (
	"bytes"
	stdflate "compress/flate"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// inflateStd inflates one message with Go's own package.
func inflateStd(t testing.TB, raw []byte) string {
	t.Helper()
	r := stdflate.NewReader(io.MultiReader(bytes.NewReader(raw), strings.NewReader(deflateEnd)))
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("a compressed message can't be read: %v", err)
	}
	return string(b)
}

// prose is text of n bytes that compresses as text does.
func prose(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":%d,"name":"user %x","ok":%t},`, i, i*i*2654435761, i%3 == 0)
	}
	return b.String()[:n]
}

// Group 12 varies sizes over the default offer, group 13 the parameters.
func TestConformanceCompression(t *testing.T) {
	w := echoWorld(t)
	for _, group := range []struct{ name, offer string }{
		{"12 permessage-deflate", "permessage-deflate"},
		{"13.1 server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
		{"13.2 client_no_context_takeover", "permessage-deflate; client_no_context_takeover"},
		{"13.3 window of 9", "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"},
		{"13.4 window of 15", "permessage-deflate; server_max_window_bits=15; client_max_window_bits"},
		{"13.5 no takeover and window of 8", "permessage-deflate; server_no_context_takeover; server_max_window_bits=8"},
		{"13.7 three offers", "permessage-deflate; server_max_window_bits=1, permessage-deflate; mux, permessage-deflate; client_max_window_bits"},
	} {
		t.Run(group.name, func(t *testing.T) {
			w := &world{Server: w.Server, t: t, sender: w.sender, addr: w.addr}
			c := newDeflateClient(t, w, group.offer)
			for _, n := range []int{16, 64, 256, 511, 512, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
				for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
					for _, size := range []int{1 << 20, 256} {
						want := prose(n)
						c.send(c.compressed(op, want, size))
						gotOp, got, packed := c.message()
						if gotOp != op || got != want || packed != (n >= minDeflateBytes) {
							t.Fatalf("%d bytes in frames of %d: opcode %x, %d bytes, compressed %v", n, size, gotOp, len(got), packed)
						}
					}
				}
			}
			c.say("plain") // messages need not be compressed
			c.wantText("plain")
			c.send(closeFrame(1000, ""))
			c.wantClose(1000, "")
		})
	}
}

// RFC 7692 §6 and §7.2, and our limits, one connection each.
func TestConformanceCompressionFaults(t *testing.T) {
	const limit = 64 << 10
	w := echoWorld(t, withLimits(func(l *gateway.LimitSettings) { l.MaxMessageBytes = ptr(limit) }))
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	packed := func(op ws.OpCode, s string) []byte { return opFrame(op, rsvDeflated, s) }
	beginning := frame(ws.Header{OpCode: ws.OpText, Rsv: rsvDeflated}, []byte(hello[:3]))
	for _, test := range []struct {
		name string
		send []byte
		want string
		code int
	}{
		{name: "RSV2", send: opFrame(ws.OpText, 2, hello), code: 1002},
		{name: "RSV1 and RSV3", send: opFrame(ws.OpText, rsvDeflated|1, hello), code: 1002},
		{name: "RSV1 on a ping", send: packed(ws.OpPing, ""), code: 1002},
		{name: "RSV1 on a close", send: packed(ws.OpClose, ""), code: 1002},
		{name: "RSV1 on a continuation", send: join(beginning, frame(ws.Header{Fin: true, OpCode: ws.OpContinuation, Rsv: rsvDeflated}, []byte(hello[3:]))), code: 1002},
		{name: "RSV1 on the continuation of a plain message", send: join(first(ws.OpText, "a"), frame(ws.Header{Fin: true, OpCode: ws.OpContinuation, Rsv: rsvDeflated}, nil)), code: 1002},
		{name: "no deflate data", send: packed(ws.OpText, "\x07\x07\x07"), code: 1007},
		{name: "cut off", send: packed(ws.OpText, hello[:3]), code: 1007},
		{name: "not UTF-8 once inflated", send: packed(ws.OpText, string(deflated(t, "a\xff"))), code: 1007},
		{name: "a bomb", send: packed(ws.OpBinary, string(deflated(t, strings.Repeat("\x00", 32<<20)))), code: 1009},
		{name: "one byte over the limit", send: packed(ws.OpText, string(deflated(t, long(limit+1)))), code: 1009},
		{name: "at the limit", send: packed(ws.OpText, string(deflated(t, long(limit)))), want: long(limit)},
		{name: "the RFC's Hello", send: packed(ws.OpText, hello), want: "Hello"},
		{name: "the RFC's Hello in fragments, a ping among them", send: join(beginning, ping(""), last(hello[3:])), want: "Hello"},
		{name: "a finished block", send: packed(ws.OpText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), want: "Hello"},
		{name: "an empty first frame", send: join(frame(ws.Header{OpCode: ws.OpText, Rsv: rsvDeflated}, nil), last(hello)), want: "Hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{Server: w.Server, t: t, sender: w.sender, addr: w.addr}
			c := newDeflateClient(t, w, "permessage-deflate; client_max_window_bits")
			c.send(test.send)
			if test.code != 0 {
				h, b := c.read()
				if h.OpCode != ws.OpClose || len(b) < 2 || int(b[0])<<8|int(b[1]) != test.code {
					t.Fatalf("frame %+v %q, want close %d", h, b, test.code)
				}
				return
			}
			op, got, _ := c.message()
			if op == ws.OpPong {
				op, got, _ = c.message()
			}
			if op != ws.OpText || got != test.want {
				t.Errorf("opcode %x %.60q, want %.60q", op, got, test.want)
			}
		})
	}
}

// A well-known client library in each of its modes.
func TestCompressionWithALibrary(t *testing.T) {
	w := echoWorld(t)
	for _, mode := range []websocket.CompressionMode{
		websocket.CompressionDisabled, websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover,
	} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c, response, err := websocket.Dial(ctx, "ws://"+w.addr+"/chat/dev", &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.CloseNow() }()
			answered := response.Header.Get("Sec-WebSocket-Extensions") != ""
			if answered != (mode != websocket.CompressionDisabled) {
				t.Errorf("answer %q", response.Header.Get("Sec-WebSocket-Extensions"))
			}
			c.SetReadLimit(1 << 20)
			for _, n := range []int{1, 600, 600, 40_000, 200_000} {
				want := prose(n)
				if err := c.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.Read(ctx); err != nil || string(got) != want {
					t.Fatalf("%d bytes: %d came back, %v", n, len(got), err)
				}
			}
			if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A push is compressed too, and a client that offers nothing sees no extension.
func TestCompressionOfPushes(t *testing.T) {
	w := newWorld(t, chatAPI())
	packed, plain := w.connect("Sec-WebSocket-Extensions: permessage-deflate"), w.connect()
	if strings.Contains(plain.head, "Extensions") {
		t.Errorf("an extension without an offer: %s", plain.head)
	}
	body := prose(2000)
	for _, c := range []*client{packed, plain} {
		ref := gateway.ConnectionRef{API: "chat", Stage: "dev", ID: c.id}
		if err := w.Connections().Post(context.Background(), ref, gateway.Push{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	plain.wantText(body)
	d := &deflateClient{client: packed}
	if op, got, compressed := d.message(); op != ws.OpText || got != body || !compressed {
		t.Errorf("opcode %x, %d bytes, compressed %v", op, len(got), compressed)
	}
}
