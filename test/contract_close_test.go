package test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// endOf waits for a connection's $disconnect and returns its code and reason in one line.
func endOf(t *testing.T, l *lambdas, id gateway.ConnectionID) string {
	t.Helper()
	context := l.awaitOf(t, "bye", id, "DISCONNECT")["requestContext"]
	return fmt.Sprintf("%v %q", member(context, "disconnectStatusCode"), member(context, "disconnectReason"))
}

// idOf asks for the connection's id.
func (c *raw) idOf() gateway.ConnectionID {
	c.t.Helper()
	c.frame(1, true, []byte(`{"action":"who"}`))
	id, err := gateway.ParseConnectionID(c.next())
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// The table of §4.6: the close frame that the client sees, and code and reason in its $disconnect. Texts that nobody has
// seen are ours. That pushes and pings put the idle timer off is TestIdle of edge, in virtual time; Amazon's own 10
// minutes and 2 hours are TestLimits of gateway.
func TestContract46CloseCodes(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"bye": ok})
	bye := `$disconnect: {integration: ` + l.on("bye") + "}"
	files := map[string]string{}
	for name, limits := range map[string]string{
		"aws": "limits: aws\n", "idle": "limits: {profile: aws, idleTimeoutSeconds: 1}\n", "old": "limits: {profile: aws, maxConnectionSeconds: 1}\n",
	} {
		files[name+".yaml"] = socketAPI(name, limits, whoRoute, bye)
	}
	g := startGateway(t, files, nil)
	send := func(op byte, payload string) func(*raw, gateway.ConnectionID) {
		return func(c *raw, _ gateway.ConnectionID) { c.frame(op, true, []byte(payload)) }
	}
	for _, c := range []struct {
		row, api     string
		do           func(*raw, gateway.ConnectionID)
		frame, event string // frame "": the connection ends without one
	}{
		{"idle", "idle", func(*raw, gateway.ConnectionID) {}, "closed 1001 Going away", `1001 "Going away"`},
		{"too old, although active", "old", func(c *raw, _ gateway.ConnectionID) { c.frame(1, true, []byte(`{"action":"who"}`)); c.next() }, "closed 1001 Going away", `1001 "Going away"`},
		{"DELETE @connections/{id}", "aws", func(_ *raw, id gateway.ConnectionID) { call(t, "DELETE", callbackURL(g.Data, "aws/dev", id), "") }, "closed 1000", `1000 "Connection Closed Normally"`},
		{"client closes with no code", "aws", send(8, ""), "closed", `1005 "Client-side close frame status not set"`},
		{"browser leaves the page", "aws", send(8, "\x03\xe9"), "closed 1001", `1001 ""`},
		{"client sends its own code and reason", "aws", send(8, "\x0f\xa1see you"), "closed 4001 see you", `4001 "see you"`},
		{"client closes with 1000", "aws", send(8, "\x03\xe8"), "closed 1000", `1000 ""`},
		{"frame too large", "aws", func(c *raw, _ gateway.ConnectionID) { c.message(1, 32<<10+1) }, "closed 1009 Message too big", `1009 "Message too big"`},
		{"message too large", "aws", func(c *raw, _ gateway.ConnectionID) { c.message(1, 32<<10, 32<<10, 32<<10, 32<<10, 1) }, "closed 1009 Message too big", `1009 "Message too big"`},
		{"binary frame", "aws", send(2, "bytes"), "closed 1003 Binary messages are not accepted", `1003 "Binary messages are not accepted"`},
		{"invalid UTF-8 in text", "aws", send(1, "\xff"), "closed 1007 Invalid UTF-8", `1007 "Invalid UTF-8"`},
		{"protocol violation: a reserved opcode", "aws", send(3, ""), "closed 1002 Protocol error", `1002 "Protocol error"`},
		{"protocol violation: a frame without a mask", "aws", func(c *raw, _ gateway.ConnectionID) { _, _ = c.nc.Write([]byte{0x81, 1, 'x'}) }, "closed 1002 Protocol error", `1002 "Protocol error"`},
		{"TCP reset", "aws", func(c *raw, _ gateway.ConnectionID) { _ = c.nc.(*net.TCPConn).SetLinger(0); _ = c.nc.Close() }, "", `1006 "Connection lost"`},
		{"network loss", "aws", func(c *raw, _ gateway.ConnectionID) { _ = c.nc.Close() }, "", `1006 "Connection lost"`},
	} {
		t.Run(c.row, func(t *testing.T) {
			t.Parallel()
			conn := rawDial(t, g, "/"+c.api+"/dev")
			id := conn.idOf()
			c.do(conn, id)
			if c.frame != "" {
				if got := conn.next(); got != c.frame {
					t.Errorf("the client saw %q, want %q", got, c.frame)
				}
			}
			if got := endOf(t, l, id); got != c.event {
				t.Errorf("$disconnect has %s, want %s", got, c.event)
			}
			if strings.HasPrefix(c.row, "client") || strings.HasPrefix(c.row, "browser") {
				conn.ended()
			}
		})
	}
}

// The row "gateway node shutdown" of §4.6.
func TestContract46Shutdown(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"bye": ok})
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", "", whoRoute, "$disconnect: {integration: "+l.on("bye")+"}")}, nil)
	conn := mustDial(t, g, "/chat/dev")
	id := conn.who()
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	if code, reason := conn.end(); code != 1001 || reason != "Going away" {
		t.Errorf("the client saw %d %q", code, reason)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if got := endOf(t, l, id); got != `1001 "Going away"` {
		t.Errorf("$disconnect has %s", got)
	}
}

func TestContract47Disconnect(t *testing.T) {
	t.Parallel()
	var g *stageGateway
	inside := make(chan string, 10)
	l := startLambdas(t, map[string]lambdaFunction{
		"ok": ok,
		"bye": func(e map[string]any) (any, error) {
			id, _ := member(e, "requestContext", "connectionId").(string)
			inside <- call(t, "POST", "http://"+g.Data+"/chat/dev/@connections/"+id, "anybody there?")
			inside <- call(t, "GET", "http://"+g.Data+"/chat/dev/@connections/"+id, "")
			if member(e, "requestContext", "disconnectReason") == "crash" {
				return nil, errors.New("boom")
			}
			return map[string]any{"statusCode": 500, "body": "nobody reads this"}, nil
		},
	})
	g = startGateway(t, map[string]string{
		"chat.yaml": socketAPI("chat", "", whoRoute, "$connect: {integration: "+l.on("ok")+"}", "$disconnect: {integration: "+l.on("bye")+"}"),
	}, nil)
	for _, c := range []struct {
		row string
		end func(conn *raw, id gateway.ConnectionID)
	}{
		{"after a close by the client", func(conn *raw, _ gateway.ConnectionID) { conn.frame(8, true, []byte("\x03\xe8done")) }},
		{"after a close by the client, and the function crashes", func(conn *raw, _ gateway.ConnectionID) { conn.frame(8, true, []byte("\x03\xe8crash")) }},
		{"after DELETE", func(_ *raw, id gateway.ConnectionID) {
			if got := call(t, "DELETE", callbackURL(g.Data, "chat/dev", id), ""); got != "204" {
				t.Errorf("DELETE: %s", got)
			}
		}},
	} {
		t.Run(c.row, func(t *testing.T) {
			conn := rawDial(t, g, "/chat/dev?room=blue", "Cookie: a=1", "X-Mine: 1")
			id := conn.idOf()
			c.end(conn, id)
			for _, method := range []string{"POST", "GET"} { // it runs after the end
				if got := <-inside; got != "410 GoneException" {
					t.Errorf("%s inside $disconnect: %s", method, got)
				}
			}
			event := l.awaitOf(t, "bye", id, "DISCONNECT")
			headers, _ := event["headers"].(map[string]any)
			for _, name := range []string{"queryStringParameters", "multiValueQueryStringParameters", "body"} {
				if v, there := event[name]; there {
					t.Errorf("the event has %s %v", name, v)
				}
			}
			if len(headers) != 4 || headers["Cookie"] != nil || headers["X-Mine"] != nil {
				t.Errorf("its headers are %v", headers)
			}
			// The result is ignored: after the close frame nothing comes, and there is no second event.
			if got := conn.next(); !strings.HasPrefix(got, "closed 1000") {
				t.Errorf("the client saw %q", got)
			}
			if strings.Contains(c.row, "client") {
				conn.ended()
			}
		})
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if got := len(l.of("bye")); got != 3 {
		t.Errorf("$disconnect ran %d times for three connections", got)
	}
}
