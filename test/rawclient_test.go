package test

import (
	"bufio"
	wire "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// raw is a WebSocket client that writes frames as the test says, also those that a library would not.
type raw struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
}

// rawHandshake sends an upgrade with these header lines and returns the status line.
func rawHandshake(t *testing.T, g *stageGateway, path string, headers ...string) string {
	t.Helper()
	_, status := rawUpgrade(t, g, path, headers...)
	return status
}

func rawDial(t *testing.T, g *stageGateway, path string, headers ...string) *raw {
	t.Helper()
	c, status := rawUpgrade(t, g, path, headers...)
	if !strings.Contains(status, " 101 ") {
		t.Fatalf("%s: %s", path, status)
	}
	return c
}

func rawUpgrade(t *testing.T, g *stageGateway, path string, headers ...string) (*raw, string) {
	t.Helper()
	nc, err := net.Dial("tcp", g.Data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	head := "GET " + path + " HTTP/1.1\r\nHost: " + g.Data + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, line := range headers {
		head += line + "\r\n"
	}
	if _, err := io.WriteString(nc, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	c := &raw{t: t, nc: nc, r: bufio.NewReader(nc)}
	status, err := c.r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for line := status; line != "\r\n"; {
		if line, err = c.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return c, strings.TrimSpace(status)
}

// message sends one message in frames of the given sizes.
func (c *raw) message(op byte, sizes ...int) {
	c.t.Helper()
	for i, size := range sizes {
		c.frame(op, i == len(sizes)-1, []byte(strings.Repeat("x", size)))
		op = 0
	}
}

// frame sends one masked frame. A peer that has closed already is no failure: next tells how.
func (c *raw) frame(op byte, fin bool, payload []byte) {
	c.t.Helper()
	first := op
	if fin {
		first |= 0x80
	}
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126)
		b = wire.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, 0x80|127)
		b = wire.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, 0, 0, 0, 0) // a mask of zeros leaves the payload as it is
	_, _ = c.nc.Write(append(b, payload...))
}

// read returns the next frame's opcode and payload.
func (c *raw) read() (byte, []byte) {
	c.t.Helper()
	take := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c.r, b); err != nil {
			c.t.Fatal(err)
		}
		return b
	}
	head := take(2)
	size := int(head[1] & 0x7f)
	switch size {
	case 126:
		size = int(wire.BigEndian.Uint16(take(2)))
	case 127:
		size = int(wire.BigEndian.Uint64(take(8)))
	}
	return head[0] & 0xf, take(size)
}

// next returns the next message's text, or "closed CODE REASON"; a close frame without a code is "closed".
func (c *raw) next() string {
	c.t.Helper()
	op, payload := c.read()
	switch {
	case op != 8:
		return string(payload)
	case len(payload) < 2:
		return "closed"
	}
	return strings.TrimSpace(fmt.Sprintf("closed %d %s", wire.BigEndian.Uint16(payload), payload[2:]))
}

// ended fails unless the server has closed the TCP connection.
func (c *raw) ended() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Errorf("after the end came %#x", b)
	}
}

// asClose finds the close frame in an error of the client.
func asClose(err error, into *websocket.CloseError) bool { return errors.As(err, into) }
