package edge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// client is a WebSocket client that sees frames.
type client struct {
	net.Conn
	t    testing.TB
	r    *bufio.Reader
	id   gateway.ConnectionID // from the $connect event, when there was one
	head string               // the response's
}

// upgradeRequest is a good handshake; lines are added to it.
func upgradeRequest(path string, lines ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: test.local:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		strings.Join(append(lines, "", ""), "\r\n")
}

// knock sends a request and reads the response's head and the body that Content-Length announces.
func (w *world) knock(request string) (*client, int, string) {
	w.t.Helper()
	c := &client{Conn: w.dial(), t: w.t}
	c.r = bufio.NewReader(c.Conn)
	w.t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		w.t.Fatal(err)
	}
	status, body := c.response()
	return c, status, body
}

func (c *client) response() (int, string) {
	c.t.Helper()
	c.deadline()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	var head bytes.Buffer
	_ = r.Header.Write(&head)
	c.head = head.String()
	if r.StatusCode == http.StatusSwitchingProtocols {
		return r.StatusCode, ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// deadline bounds the next reads; under virtual time it costs nothing.
func (c *client) deadline() { _ = c.SetReadDeadline(time.Now().Add(time.Hour)) }

// connect is a client that got in.
func (w *world) connect(lines ...string) *client {
	w.t.Helper()
	c, status, body := w.knock(upgradeRequest("/chat/dev", lines...))
	if status != http.StatusSwitchingProtocols {
		w.t.Fatalf("handshake: %d %s", status, body)
	}
	if w.cfg.Live.Load().Program("chat", "dev").Connect() != nil {
		c.id = w.sender.next(w.t, gateway.RouteConnect).Connection
	}
	return c
}

func (c *client) ref() gateway.ConnectionRef { return gateway.ConnectionRef{ID: c.id} }

// frame is a masked client frame.
func frame(h ws.Header, payload []byte) []byte {
	h.Masked, h.Mask = true, [4]byte{0x37, 0xfa, 0x21, 0x3d}
	h.Length = int64(len(payload))
	var b bytes.Buffer
	if err := ws.WriteHeader(&b, h); err != nil {
		panic(err)
	}
	masked := bytes.Clone(payload)
	ws.Cipher(masked, h.Mask, 0)
	b.Write(masked)
	return b.Bytes()
}

func textFrame(s string) []byte { return frame(ws.Header{Fin: true, OpCode: ws.OpText}, []byte(s)) }

func closeFrame(code int, reason string) []byte {
	return frame(ws.Header{Fin: true, OpCode: ws.OpClose}, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) say(s string) { c.t.Helper(); c.send(textFrame(s)) }

// read returns the next frame.
func (c *client) read() (ws.Header, []byte) {
	c.t.Helper()
	h, b, err := c.tryRead()
	if err != nil {
		c.t.Fatalf("no frame: %v", err)
	}
	return h, b
}

func (c *client) tryRead() (ws.Header, []byte, error) {
	c.deadline()
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return h, nil, err
	}
	if h.Masked || h.Rsv != 0 {
		return h, nil, errors.New("a server frame is masked or has reserved bits")
	}
	b := make([]byte, h.Length)
	_, err = io.ReadFull(c.r, b)
	return h, b, err
}

// wantText reads a whole text message.
func (c *client) wantText(want string) {
	c.t.Helper()
	h, b := c.read()
	if h.OpCode != ws.OpText || !h.Fin || string(b) != want {
		c.t.Fatalf("frame %v %q, want text %q", h, b, want)
	}
}

// wantClose reads a close frame; code 0 is one without payload.
func (c *client) wantClose(code int, reason string) {
	c.t.Helper()
	h, b := c.read()
	got := gateway.Close{}
	if len(b) >= 2 {
		got = gateway.Close{Code: int(binary.BigEndian.Uint16(b)), Reason: string(b[2:])}
	}
	if h.OpCode != ws.OpClose || got != (gateway.Close{Code: code, Reason: reason}) {
		c.t.Fatalf("frame %v %q, want close %d %q", h, b, code, reason)
	}
}

// wantEnd reads the end of the connection.
func (c *client) wantEnd() {
	c.t.Helper()
	if h, b, err := c.tryRead(); err == nil {
		c.t.Fatalf("frame %v %q, want the end", h, b)
	}
}

// wantDisconnect reads the $disconnect event of c.
func (w *world) wantDisconnect(c *client, code int, reason string) {
	w.t.Helper()
	ev := w.sender.next(w.t, gateway.RouteDisconnect)
	got := contextOf(w.t, ev)
	if ev.Connection != c.id || got.DisconnectStatusCode != code || got.DisconnectReason == nil && reason != "" ||
		got.DisconnectReason != nil && *got.DisconnectReason != reason {
		w.t.Fatalf("$disconnect of %s: %s, want %s %d %q", ev.Connection, ev.Context, c.id, code, reason)
	}
}
