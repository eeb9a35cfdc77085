package test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

const upgradeHead = "GET /chat/dev HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// A client that sends something else than a handshake is told so, where it can be, and cut off; nobody else notices.
func TestGarbageInsteadOfAHandshake(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": quietChat}, nil)
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	witness := dial(t, g.Data, "/chat/dev")
	for _, test := range []struct{ name, sent, answer string }{
		{"bytes", string(bytes.Repeat([]byte{0, 0xff, '\n', 0x80}, 5000)), "HTTP/1.1 400 Bad Request"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x5a", 512), "HTTP/1.1 400 Bad Request"},
		{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"words", "let me in please\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"an endless line", "GET /" + strings.Repeat("a", 100_000), "HTTP/1.1 431 "},
		{"endless headers", upgradeHead + strings.Repeat("X-More: and more\r\n", 10_000), "HTTP/1.1 431 "},
		{"a key that is none", strings.Replace(upgradeHead, "dGhlIHNhbXBsZSBub25jZQ==", "key", 1) + "\r\n", "HTTP/1.1 400 Bad Request"},
		{"a version that is none", strings.Replace(upgradeHead, "Version: 13", "Version: x", 1) + "\r\n", "HTTP/1.1 426 Upgrade Required"},
		{"a body", upgradeHead + "Content-Length: 5\r\n\r\nhello", "HTTP/1.1 400 Bad Request"},
		{"another method", strings.Replace(upgradeHead, "GET", "POST", 1) + "\r\n", "HTTP/1.1 405 Method Not Allowed"},
		{"an unknown API", strings.Replace(upgradeHead, "/chat/dev", "/nobody/dev", 1) + "\r\n", "HTTP/1.1 403 Forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := dialTCP(t, g.Data)
			_, _ = io.WriteString(conn, test.sent) // the gateway may stop reading half-way
			line, err := bufio.NewReader(conn).ReadString('\n')
			if !strings.HasPrefix(line, test.answer) {
				t.Errorf("the answer is %q, %v; want %q", line, err, test.answer)
			}
			if test.answer != "HTTP/1.1 403 Forbidden" {
				endsBy(t, conn, patience)
			}
			witness.say(`{"action":"ask"}`)
			witness.hears("answer")
		})
	}
}

// Garbage behind the handshake is a fault of the protocol (RFC 6455 §5): 1002 or 1007, and the connection ends.
func TestGarbageInsteadOfFrames(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": quietChat}, nil)
	for _, test := range []struct {
		name, sent string
		code       uint16
	}{
		{"not masked", "\x81\x05hello", 1002},
		{"a reserved opcode", "\x83\x80abcd", 1002},
		{"a reserved bit", "\xf1\x80abcd", 1002},
		{"a continuation of nothing", "\x80\x80abcd", 1002},
		{"a ping in pieces", "\x09\x80abcd", 1002},
		{"text that is not UTF-8", "\x81\x81\x00\x00\x00\x00\xff", 1007},
		{"the length of everything", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffabcd", 1002},
		{"more than a message may have", "\x82\xff\x00\x00\x00\x10\x00\x00\x00\x00abcd", 1009},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := dialTCP(t, g.Data)
			if _, err := io.WriteString(conn, upgradeHead+"\r\n"+test.sent); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			for line := ""; line != "\r\n"; { // the 101
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			frame := make([]byte, 4)
			if _, err := io.ReadFull(in, frame); err != nil || frame[0] != 0x88 {
				t.Fatalf("the answer is % x, %v; want a close frame", frame, err)
			}
			if code := uint16(frame[2])<<8 | uint16(frame[3]); code != test.code {
				t.Errorf("close code %d, want %d", code, test.code)
			}
			endsBy(t, conn, patience)
		})
	}
}

// handshakeLimit is what a client has for its first request head, and lateness what the coarse deadlines and a busy
// machine may add.
const (
	handshakeLimit = 10 * time.Second
	lateness       = 5 * time.Second
)

// Whoever does not finish a first request in time is cut off: silent from the start, silent half-way, or slow for ever.
func TestHalfAHandshakeAndSilence(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": quietChat}, nil)
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	var visitors sync.WaitGroup // all wait at the same time
	for name, sent := range map[string]string{
		"nothing": "", "half a line": "GET /chat", "half a handshake": upgradeHead, "half a request": "GET /web/dev/x HTTP/1.1\r\nHost: x\r\n",
	} {
		conn := dialTCP(t, g.Data)
		visitors.Go(func() {
			began := time.Now()
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			endsBy(t, conn, handshakeLimit+lateness)
			if took := time.Since(began); took < handshakeLimit-time.Second {
				t.Errorf("%s was cut off after %s, which is early", name, took)
			}
		})
	}
	slow := dialTCP(t, g.Data)
	cut := make(chan struct{})
	visitors.Go(func() {
		defer close(cut)
		endsBy(t, slow, handshakeLimit+lateness)
	})
	visitors.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for _, letter := range []byte(upgradeHead) {
			select {
			case <-cut:
				return
			case <-ticker.C:
				_, _ = slow.Write([]byte{letter}) // fails once it is cut off, which the reader reports
			}
		}
	})
	u := dial(t, g.Data, "/chat/dev") // nobody else waits for them
	u.say(`{"action":"ask"}`)
	u.hears("answer")
	visitors.Wait()
}

func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	return conn
}

// endsBy reads until the other side ends the connection, which it must within most.
func endsBy(t *testing.T, conn net.Conn, most time.Duration) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(most))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the gateway did not end the connection within %s", most)
	}
}
