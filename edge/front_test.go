package edge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

func TestHeadEnd(t *testing.T) {
	for _, test := range []struct {
		in   string
		want int
	}{
		{"", 0}, {"GET / HTTP/1.1\r\n", 0}, {"a\r\n\r\n", 5}, {"a\r\n\r\nbody", 5}, {"a\n\nbody", 3}, {"a\n\r\nbody", 4}, {"a\r\nb\r\n\r", 0},
	} {
		if got := headEnd([]byte(test.in)); got != test.want {
			t.Errorf("%q: %d, want %d", test.in, got, test.want)
		}
	}
}

func TestParseHead(t *testing.T) {
	h, err := parseHead([]byte("GET /a?b HTTP/1.1\r\nHOST: x\r\nX-a:  1 \r\nx-A: 2\n\r\n"))
	if err != nil || h.method != "GET" || h.target != "/a?b" || h.proto != "HTTP/1.1" || h.header["HOST"][0] != "x" ||
		h.header["X-a"][0] != "1" || h.header["x-A"][0] != "2" {
		t.Errorf("%+v %v", h, err)
	}
	for _, bad := range []string{
		"GET /\r\nHost: x\r\n\r\n", "GET / HTTP/x\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n A: 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
		"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "GET  HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		if h, err := parseHead([]byte(bad)); err == nil {
			t.Errorf("%q is taken: %+v", bad, h)
		}
	}
}

// What the front takes for an upgrade, net/http reads the same way.
func FuzzHead(f *testing.F) {
	f.Add([]byte(upgradeRequest("/chat/dev")))
	f.Add([]byte("GET / HTTP/1.1\nHost: a\nUpgrade: h2c, websocket\n\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n folded\r\n\r\n"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size := headEnd(b)
		if size == 0 {
			return
		}
		if size > len(b) || !bytes.HasSuffix(b[:size], []byte("\n")) {
			t.Fatalf("a head of %d bytes in %q", size, b)
		}
		if headEnd(b[:size-1]) != 0 {
			t.Fatalf("%q is complete one byte earlier", b[:size])
		}
		asksUpgrade(b[:size])
		h, err := parseHead(b[:size])
		if err != nil {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:size])))
		if err != nil {
			return // net/http may be stricter, in targets for one
		}
		if r.Method != h.method || r.RequestURI != h.target || r.Header.Get("Upgrade") != h.header.Get("Upgrade") {
			t.Errorf("%q: %q %q %q, net/http reads %q %q %q", b[:size], h.method, h.target, h.header.Get("Upgrade"),
				r.Method, r.RequestURI, r.Header.Get("Upgrade"))
		}
	})
}

func TestAsksUpgrade(t *testing.T) {
	for in, want := range map[string]bool{
		upgradeRequest("/"): true, "GET / HTTP/1.1\r\nupgrade: WebSocket\r\n\r\n": true, "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n": false,
		"GET / HTTP/1.1\r\nX-Upgrade: websocket\r\n\r\n": false, "GET /upgrade:websocket HTTP/1.1\r\n\r\n": false,
	} {
		if asksUpgrade([]byte(in)) != want {
			t.Errorf("%q: %v", in, !want)
		}
	}
	head := []byte("GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { asksUpgrade(head) }); n != 0 {
		t.Errorf("%v allocations for a plain request", n)
	}
}

// Half a head and silence: closed after the handshake timeout, never early, at most a second late.
func TestSilentHandshake(t *testing.T) {
	for _, send := range []string{"", "GET /chat/dev HT"} {
		synctest.Test(t, func(t *testing.T) {
			w := newPipeWorld(t, chatAPI(), func(c *Config) { c.HandshakeTimeout = 5 * time.Second })
			defer w.end()
			nc := w.dial()
			start := time.Now()
			if _, err := io.WriteString(nc, send); err != nil {
				t.Fatal(err)
			}
			if _, err := nc.Read(make([]byte, 1)); err == nil {
				t.Error("an answer to silence")
			}
			if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
				t.Errorf("closed after %v", took)
			}
		})
	}
}

// A deadline that comes when the head is complete does not cut what has become somebody else's connection.
func TestVisitorIsCutOrPasses(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name string
		do   func(*visitor) bool // reports whether the visitor passed
		open bool
	}{
		{"passed, then late", func(v *visitor) bool { ok := v.pass(); v.due(now); v.cut(); return ok }, true},
		{"late, then complete", func(v *visitor) bool { v.due(now); return v.pass() }, false},
		{"not late yet", func(v *visitor) bool { v.deadline = now.Add(1); return v.due(now) == v.deadline && v.pass() }, true},
	} {
		a, b := net.Pipe()
		v := &visitor{nc: b, deadline: now}
		passed := test.do(v)
		_ = b.SetDeadline(now) // an open pipe times out, a closed one is closed
		_, err := b.Read(make([]byte, 1))
		if open := errors.Is(err, os.ErrDeadlineExceeded); passed != test.open || open != test.open {
			t.Errorf("%s: passed %v, open %v", test.name, passed, open)
		}
		_, _ = a.Close(), b.Close()
	}
}

// troubledListener fails before each connection.
type troubledListener struct {
	net.Listener
	errs []error
}

func (l *troubledListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	return l.Listener.Accept()
}

func TestAcceptWithoutDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prepareWorld(t, chatAPI())
		w.pipes = newPipeListener()
		w.use(&troubledListener{w.pipes, []error{syscall.EMFILE, syscall.ENFILE, syscall.EMFILE}})
		w.run()
		defer w.end()
		start := time.Now()
		c := w.connect()
		if took := time.Since(start); took != 35*time.Millisecond { // 5 + 10 + 20
			t.Errorf("accepted after %v", took)
		}
		_ = c.Close()
		w.wantDisconnect(c, 1006, reasonLost)
	})
}

// Slow visitors make room for others when there is no more, the oldest first; without others they have their full time.
func TestSlowVisitorsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prepareWorld(t, chatAPI())
		w.pipes = newPipeListener()
		w.use(w.pipes)
		w.front.heads = make(chan struct{}, 2)
		w.run()
		defer w.end()
		ended := make(chan int, 2)
		visit := func(n int) {
			nc := w.dial()
			go func() {
				_, _ = io.Copy(io.Discard, nc)
				ended <- n
			}()
		}
		start := time.Now()
		visit(1)
		elapse(time.Second)
		visit(2)
		c := w.connect() // in the place of the first, which has had its two seconds then
		soon(t, "connected", time.Since(start), crowdedHeadTimeout)
		if n := <-ended; n != 1 {
			t.Errorf("visitor %d was cut", n)
		}
		if n := <-ended; n != 2 {
			t.Errorf("visitor %d was cut", n)
		}
		soon(t, "cut", time.Since(start), time.Second+defaultHandshakeTimeout) // nobody waited for its place
		_ = c.Close()
		w.wantDisconnect(c, 1006, reasonLost)
	})
}

func TestAcceptBroken(t *testing.T) {
	w := prepareWorld(t, chatAPI())
	w.use(&troubledListener{newPipeListener(), []error{errors.New("broken")}})
	if err := w.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}

func TestVisitorsAreCutAtTheEnd(t *testing.T) {
	w := newWorld(t, chatAPI())
	silent, plain := w.dial(), w.dial()
	defer silent.Close()
	defer plain.Close()
	if _, err := io.WriteString(plain, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(plain), nil); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	w.sender.hold(gateway.RouteConnect)
	upgrading := w.dial()
	defer upgrading.Close()
	if _, err := io.WriteString(upgrading, upgradeRequest("/chat/dev")); err != nil {
		t.Fatal(err)
	}
	w.sender.next(t, gateway.RouteConnect)
	go func() { _, err := silent.Read(make([]byte, 1)); waiting <- err }()
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; err == nil {
		t.Error("the silent visitor got an answer")
	}
}
