package edge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

func TestConnectEvent(t *testing.T) {
	w := newWorld(t, chatAPI())
	c, status, _ := w.knock(upgradeRequest("/chat/dev?room=a&room=b%20c", "oRiGiN: http://page.example", "X-Mine: 1", "X-Mine: 2",
		"Sec-WebSocket-Protocol: a, b", "user-agent: probe/1", "Sallyport-Context: {}", "nats-trace-dest: x", "Status: 1", "Content-Length: 0"))
	if status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	for _, line := range []string{"Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"} {
		if !strings.Contains(c.head, line) {
			t.Errorf("no %q in %q", line, c.head)
		}
	}
	if strings.Contains(c.head, "Sec-Websocket-Protocol") || strings.Contains(c.head, "Extensions") {
		t.Errorf("nobody chose a protocol or an extension: %q", c.head)
	}
	ev := w.sender.next(t, gateway.RouteConnect)
	if ev.Kind != gateway.EventConnect || ev.Expect != gateway.ExpectReply || ev.Timeout == 0 || len(ev.Body) != 0 {
		t.Errorf("event %+v", ev)
	}
	want := map[string]string{
		"Host": "[test.local:8080]", "oRiGiN": "[http://page.example]", "X-Mine": "[1 2]", "user-agent": "[probe/1]",
		"Sec-WebSocket-Protocol": "[a, b]", "Sec-WebSocket-Version": "[13]", "Sec-WebSocket-Key": "[dGhlIHNhbXBsZSBub25jZQ==]",
	}
	for name, values := range ev.Header {
		switch {
		case name == "X-Amzn-Trace-Id":
			if !strings.HasPrefix(values[0], "Root=1-") || len(values[0]) != len("Root=1-65d2ff2e-718990494fd688f062bf1571") {
				t.Errorf("trace id %q", values)
			}
		case want[name] != fmt.Sprint(values):
			t.Errorf("%s: %v, want %q", name, values, want[name])
		}
	}
	if len(ev.Header) != len(want)+1 {
		t.Errorf("header %v", ev.Header)
	}
	got := contextOf(t, ev)
	if got.RawQueryString != "room=a&room=b%20c" || got.QueryStringParameters["room"] != "b c" ||
		fmt.Sprint(got.MultiValueQueryStringParameters["room"]) != "[a b c]" || got.EventType != event.KindConnect ||
		got.RouteKey != gateway.RouteConnect || got.Identity.UserAgent != "probe/1" || got.MessageID != "" {
		t.Errorf("context %s", ev.Context)
	}
	if c := w.hub.get(ev.Connection); c == nil || ev.Connection.Edge() != "EDGE" {
		t.Errorf("connection %s is not in the hub", ev.Connection)
	}
}

func TestRefusedHandshakes(t *testing.T) {
	httpAPI := compileHTTP(t, "shop", "dev", nil, map[gateway.RouteKey]*gateway.Integration{"GET /": nil})
	w := newWorld(t, chatAPI(func(a *gateway.API) { a.AllowOrigins = []string{"https://good.example"} }))
	w.Server.cfg.Live.Swap(withProgram(w, httpAPI))
	good := upgradeRequest("/chat/dev", "Origin: https://good.example")
	const forbidden = `{"message":"Forbidden"}`
	for _, test := range []struct {
		name, request string
		status        int
		body, header  string
	}{
		{"unknown API", upgradeRequest("/nope/dev"), 403, forbidden, "X-Amzn-Errortype: ForbiddenException"},
		{"unknown stage", upgradeRequest("/chat/prod"), 403, forbidden, "X-Amz-Apigw-Id: "},
		{"no stage", upgradeRequest("/chat"), 403, forbidden, "X-Amzn-Requestid: "},
		{"more path", upgradeRequest("/chat/dev/room"), 403, forbidden, ""},
		{"an HTTP API", upgradeRequest("/shop/dev"), 403, forbidden, ""},
		{"foreign origin", upgradeRequest("/chat/dev", "Origin: https://evil.example"), 403, forbidden, ""},
		{"no GET", strings.Replace(good, "GET", "POST", 1), 405, "", "Allow: GET"},
		{"version 8", strings.Replace(good, "Version: 13", "Version: 8", 1), 426, "", "Sec-Websocket-Version: 13"},
		{"no version", strings.Replace(good, "Sec-WebSocket-Version: 13\r\n", "", 1), 400, "", ""},
		{"no key", strings.Replace(good, "Sec-WebSocket-Key: ", "X: ", 1), 400, "", ""},
		{"short key", strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 1), 400, "", ""},
		{"HTTP/1.0", strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), 400, "", ""},
		{"a body", upgradeRequest("/chat/dev", "Content-Length: 3") + "abc", 400, "", ""},
		{"two hosts", upgradeRequest("/chat/dev", "Host: other"), 400, "", ""},
		{"folded header", upgradeRequest("/chat/dev", "X-A: 1", " folded"), 400, "", ""},
		{"bad target", upgradeRequest("chat/dev"), 400, "", ""},
		{"not connection: upgrade", strings.Replace(good, "Connection: Upgrade", "Connection: close", 1), 400, "", ""},
		{"no upgrade at all", "GET /chat/dev HTTP/1.1\r\nHost: x\r\n\r\n", 426, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, status, body := w.knock(test.request)
			if status != test.status || test.body != "" && body != test.body || !strings.Contains(c.head, test.header) {
				t.Errorf("%d %s\n%s, want %d %s %s", status, body, c.head, test.status, test.body, test.header)
			}
			w.sender.none(t)
		})
	}
	if len(w.journal.open) != 0 {
		t.Errorf("the journal has %v", w.journal.open)
	}
	for _, request := range []string{good, upgradeRequest("/chat/dev/"), strings.Replace(upgradeRequest("/dev"), "test.local", "CHAT.localhost", 1),
		strings.Replace(upgradeRequest("http://chat.localhost:1/dev"), "GET", "GET", 1)} {
		if _, status, body := w.knock(request); status != http.StatusSwitchingProtocols {
			t.Errorf("%q: %d %s", request, status, body)
		}
	}
}

func TestRefusedByConnect(t *testing.T) {
	w := newWorld(t, chatAPI())
	for _, test := range []struct {
		name   string
		reply  *gateway.Reply
		err    error
		status int
		body   string
	}{
		{"its own status", &gateway.Reply{Status: 401, Header: gateway.Header{"content-type": {"text/plain"}}, Body: []byte("who?")}, nil, 401, "who?"},
		{"a redirect", &gateway.Reply{Status: 301}, nil, 301, ""},
		{"a status that is none", &gateway.Reply{Status: 99}, nil, 502, `{"message":"Internal server error"}`},
		{"timeout", nil, gateway.Errorf(gateway.CodeTimeout, "late"), 504, `{"message":"Endpoint request timed out"}`},
		{"nobody", nil, gateway.Errorf(gateway.CodeUnavailable, "nobody"), 504, ""},
		{"malformed", nil, gateway.Errorf(gateway.CodeIntegration, "junk"), 502, ""},
		{"unknown", nil, errors.New("secret"), 500, `{"message":"Internal server error"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(w.journal.closed)
			w.sender.on(gateway.RouteConnect, func(ev *gateway.Event) (*gateway.Reply, error) {
				if !w.journal.has(ev.Connection) {
					t.Error("the backend knows a connection that is not recorded")
				}
				return test.reply, test.err
			})
			c, status, body := w.knock(upgradeRequest("/chat/dev"))
			if status != test.status || test.body != "" && body != test.body {
				t.Errorf("%d %s, want %d %s", status, body, test.status, test.body)
			}
			if test.reply != nil && test.reply.Header != nil && !strings.Contains(c.head, "Content-Type: text/plain") {
				t.Errorf("header %s", c.head)
			}
			ev := w.sender.next(t, gateway.RouteConnect)
			w.journal.waitClosed(t, before+1)
			if w.journal.has(ev.Connection) {
				t.Error("the refusal is not recorded")
			}
			w.sender.none(t) // no $disconnect
		})
	}
}

func TestWithoutConnectRoute(t *testing.T) {
	w := newWorld(t, chatAPI(func(a *gateway.API) { delete(a.Routes, gateway.RouteConnect) }))
	if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusSwitchingProtocols {
		t.Error(status)
	}
	w.sender.none(t)
}

// Until $connect has answered the id is nobody's; afterwards a client that left is told of as gone.
func TestDuringConnect(t *testing.T) {
	w := newWorld(t, chatAPI())
	w.sender.hold(gateway.RouteConnect)
	nc := w.dial()
	if _, err := io.WriteString(nc, upgradeRequest("/chat/dev")); err != nil {
		t.Fatal(err)
	}
	ev := w.sender.next(t, gateway.RouteConnect)
	err := w.Connections().Post(t.Context(), gateway.ConnectionRef{ID: ev.Connection}, gateway.Push{Body: []byte("x")})
	if gateway.ErrorCode(err) != gateway.CodeGone {
		t.Errorf("a post during $connect: %v", err)
	}
	_ = nc.Close()
	w.sender.release(t, ev.Request, &gateway.Reply{Status: 200}, nil)
	w.wantDisconnect(&client{id: ev.Connection}, 1006, reasonLost)
	w.journal.waitClosed(t, 1)
}

func TestJournalTrouble(t *testing.T) {
	t.Run("not recorded", func(t *testing.T) {
		w := newWorld(t, chatAPI())
		w.journal.refuse = gateway.Errorf(gateway.CodeUnavailable, "no leader")
		if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusServiceUnavailable {
			t.Error(status)
		}
		w.sender.none(t)
	})
	t.Run("taken over while it was recorded", func(t *testing.T) {
		w := newWorld(t, chatAPI())
		w.journal.afterOpened = func() { w.journal.cutOff.Store(true) } // as a process that is frozen there and wakes
		if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusServiceUnavailable {
			t.Error(status)
		}
		w.sender.none(t) // its end may have been told already
		w.journal.waitClosed(t, 1)
	})
	t.Run("queue full", func(t *testing.T) {
		w := newWorld(t, chatAPI())
		w.journal.healthy.Store(false)
		for range maxJournalWaiters {
			w.journalWaiters <- struct{}{}
		}
		if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusServiceUnavailable {
			t.Error(status)
		}
		<-w.journalWaiters
		if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusSwitchingProtocols {
			t.Error(status)
		}
	})
	t.Run("too many handshakes", func(t *testing.T) {
		w := newWorld(t, chatAPI())
		for range maxUpgrades {
			w.upgrades <- struct{}{}
		}
		if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusServiceUnavailable {
			t.Error(status)
		}
		<-w.upgrades
		if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusSwitchingProtocols {
			t.Error(status)
		}
		for range maxUpgrades - 1 { // the slot of the handshake above is its own
			<-w.upgrades
		}
	})
}

func TestGarbage(t *testing.T) {
	w := newWorld(t, chatAPI())
	for _, test := range []struct {
		name, send string
		status     int
	}{
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"no method", " / HTTP/1.1\r\n", 400},
		{"an endless method", strings.Repeat("A", 64), 400},
		{"an endless target", "GET /" + strings.Repeat("a", maxHeadBytes), 431},
		{"endless headers", "GET / HTTP/1.1\r\n" + strings.Repeat("X-Filler: 0123456789\r\n", maxHeadBytes/20), 431},
		{"no version", "GET /\r\n\r\n", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			nc := w.dial()
			defer nc.Close()
			go func() { _, _ = io.WriteString(nc, test.send) }() // ends with the connection
			c := &client{Conn: nc, t: t, r: bufio.NewReader(nc)}
			if status, _ := c.response(); status != test.status {
				t.Errorf("%d, want %d", status, test.status)
			}
			if _, err := c.r.ReadByte(); err == nil {
				t.Error("the connection stays open")
			}
		})
	}
}

// Plain requests go to net/http with their bytes put back, body and pipelined requests included; an upgrade that follows
// on the same connection works.
func TestKeptAliveConnection(t *testing.T) {
	shop := compileHTTP(t, "shop", "dev", nil, map[gateway.RouteKey]*gateway.Integration{"POST /a": nil})
	w := newWorld(t, chatAPI())
	w.Server.cfg.Live.Swap(withProgram(w, shop))
	one := "POST /shop/dev/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
	c, status, body := w.knock(one + one)
	if status != 200 || body != "invoked" {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := c.response(); status != 200 || body != "invoked" {
		t.Fatalf("the second: %d %s", status, body)
	}
	w.sender.on("ask", func(*gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: []byte("here")}, nil })
	if _, err := io.WriteString(c, upgradeRequest("/chat/dev")+string(textFrame(`{"action":"ask"}`))); err != nil {
		t.Fatal(err)
	}
	if status, _ := c.response(); status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	c.id = w.sender.next(t, gateway.RouteConnect).Connection
	c.wantText("here")
	if l, ok := w.hub.get(c.id).link.(*goroutineLink); ok && l.raw == nil {
		t.Error("the hijacked connection is not on its bare descriptor")
	}
}

// A body would be read as frames, also behind a request that net/http has read.
func TestKeptAliveConnectionUpgradesWithoutABody(t *testing.T) {
	shop := compileHTTP(t, "shop", "dev", nil, map[gateway.RouteKey]*gateway.Integration{"POST /a": nil})
	for _, header := range []string{"Transfer-Encoding: chunked", "Content-Length: 3"} {
		w := newWorld(t, chatAPI())
		w.Server.cfg.Live.Swap(withProgram(w, shop))
		c, status, _ := w.knock("POST /shop/dev/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		if status != http.StatusOK {
			t.Fatal(status)
		}
		if _, err := io.WriteString(c, upgradeRequest("/chat/dev", header)+"3\r\nabc\r\n0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if status, _ := c.response(); status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", header, status)
		}
	}
}

// Frames behind the head, in the same packet.
func TestEarlyFrames(t *testing.T) {
	w := newWorld(t, chatAPI())
	w.sender.on("ask", func(*gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: []byte("here")}, nil })
	c, status, _ := w.knock(upgradeRequest("/chat/dev") + string(textFrame(`{"action":"ask"}`)) + string(ping("p")))
	if status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	c.wantText("here")
	if h, _ := c.read(); h.OpCode != ws.OpPong {
		t.Error(h)
	}
}

func TestListenNamesTheFlag(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w := prepareWorld(t, chatAPI(), func(c *Config) { c.Listen = taken.Addr().String() })
	if _, err := w.Listen(); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("error %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	full := prepareWorld(t, chatAPI()).cfg
	for name, spoil := range map[string]func(*Config){
		"Live": func(c *Config) { c.Live = nil }, "Sender": func(c *Config) { c.Sender = nil }, "Invoker": func(c *Config) { c.Invoker = nil },
		"Journal": func(c *Config) { c.Journal = nil }, "Remote": func(c *Config) { c.Remote = nil }, "Lease": func(c *Config) { c.Lease = nil },
	} {
		c := full
		spoil(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
