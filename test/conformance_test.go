package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// The checks of contract/websocket-api.md §15, one test a line and named by its number: TestConformance01 and so on. They see
// the gateway as clients and backends do. Checks 12 and 13 drive Amazon's SDKs: sdk_test.go.

// dialled is a WebSocket client of a conformance test.
type dialled struct {
	*websocket.Conn
	t        *testing.T
	response *http.Response
}

// knock connects, or returns the refusal.
func knock(t *testing.T, g *stageGateway, path string, header http.Header, protocols ...string) (*dialled, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, "ws://"+g.Data+path, &websocket.DialOptions{
		HTTPHeader: header, Subprotocols: protocols, Host: header.Get("Host"),
	})
	if err != nil {
		if response == nil {
			t.Fatal(err)
		}
		return nil, response.StatusCode
	}
	conn.SetReadLimit(1 << 21)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &dialled{conn, t, response}, http.StatusSwitchingProtocols
}

// mustDial connects.
func mustDial(t *testing.T, g *stageGateway, path string) *dialled {
	t.Helper()
	conn, status := knock(t, g, path, nil)
	if conn == nil {
		t.Fatalf("%s was refused with %d", path, status)
	}
	return conn
}

func (d *dialled) send(text string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	if err := d.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dialled) recv() string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	kind, body, err := d.Read(ctx)
	if err != nil {
		d.t.Fatal(err)
	}
	if kind != websocket.MessageText {
		d.t.Errorf("a binary frame came: %q", body)
	}
	return string(body)
}

// end waits for the close frame and returns its code and reason.
func (d *dialled) end() (int, string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	for {
		_, _, err := d.Read(ctx)
		if err == nil {
			continue
		}
		var closed websocket.CloseError
		if code := websocket.CloseStatus(err); code >= 0 {
			closed.Code = code
			_ = asClose(err, &closed)
			return int(closed.Code), closed.Reason
		}
		d.t.Fatalf("no close frame: %v", err)
	}
}

// member walks down a decoded JSON object.
func member(v any, path ...string) any {
	for _, key := range path {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return v
}

// ok is what a function returns that has nothing to say.
func ok(map[string]any) (any, error) { return map[string]any{"statusCode": 200}, nil }

// echoBody answers with the message.
func echoBody(event map[string]any) (any, error) {
	return map[string]any{"statusCode": 200, "body": event["body"]}, nil
}

// onFunctions is a WebSocket API whose routes are Lambda functions: routes maps a route key to a function's name.
func onFunctions(l *lambdas, head string, routes map[string]string, twoWay ...string) string {
	var b strings.Builder
	b.WriteString("name: chat\nprotocolType: WEBSOCKET\n" + head)
	if !strings.Contains(head, "routeSelectionExpression") {
		b.WriteString("routeSelectionExpression: $request.body.action\n")
	}
	b.WriteString("routes:\n")
	for key, name := range routes {
		fmt.Fprintf(&b, "  %q: {integration: {type: LAMBDA, uri: %s}, routeResponse: %t}\n", key, l.uri(name), slices.Contains(twoWay, key))
	}
	return b.String()
}

func TestConformance01ConnectStatuses(t *testing.T) {
	answers := map[string]any{}
	functions := map[string]lambdaFunction{"crash": func(map[string]any) (any, error) { return nil, fmt.Errorf("boom") }}
	definitions := map[string]string{"open.yaml": "name: open\nprotocolType: WEBSOCKET\nrouteSelectionExpression: $request.body.action\n" +
		"routes: {x: {integration: {type: NATS}}}\n"}
	for _, status := range []int{200, 201, 301, 401, 403, 501} {
		name := fmt.Sprint("s", status)
		answers[name] = map[string]any{"statusCode": status}
		functions[name] = func(map[string]any) (any, error) { return answers[name], nil }
	}
	l := startLambdas(t, functions)
	for name := range functions {
		definitions[name+".yaml"] = strings.Replace(onFunctions(l, "", map[string]string{"$connect": name}), "name: chat", "name: "+name, 1)
	}
	g := startGateway(t, definitions, nil)
	for name, want := range map[string]int{
		"open": 101, "s200": 101, "s201": 101, "s301": 301, "s401": 401, "s403": 403, "s501": 501, "crash": 502,
	} {
		if _, got := knock(t, g, "/"+name+"/dev", nil); got != want {
			t.Errorf("%s: the client saw %d, want %d", name, got, want)
		}
	}
}

func TestConformance02ConnectEvent(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"$connect": "connect"})}, nil)
	mustDial(t, g, "/chat/dev")
	plain := l.awaitEvent(t, "connect", 1)
	for _, key := range []string{"queryStringParameters", "multiValueQueryStringParameters", "body", "httpMethod", "path", "pathParameters"} {
		if _, there := plain[key]; there {
			t.Errorf("without a query the event has %s", key)
		}
	}
	// net/http's client would change the case of names: the head is written by hand.
	status := rawHandshake(t, g, "/chat/dev?a=1&a=2&b=%20x", "X-cUSTOM: one", "X-cUSTOM: two")
	if !strings.Contains(status, "101") {
		t.Fatalf("the handshake got %q", status)
	}
	event := l.awaitEvent(t, "connect", 2)
	if got := member(event, "queryStringParameters", "a"); got != "2" {
		t.Errorf("the single map has a=%v, want the last value", got)
	}
	if got := fmt.Sprint(member(event, "multiValueQueryStringParameters", "a")); got != "[1 2]" {
		t.Errorf("the multi map has a=%v", got)
	}
	if got := member(event, "queryStringParameters", "b"); got != " x" {
		t.Errorf("b=%q is not decoded", got)
	}
	if got := member(event, "headers", "X-cUSTOM"); got != "two" {
		t.Errorf("the header is %v", got)
	}
	if got := fmt.Sprint(member(event, "multiValueHeaders", "X-cUSTOM")); got != "[one two]" {
		t.Errorf("the multi-value header is %v", got)
	}
}

func TestConformance03Subprotocol(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{
		"silent": ok,
		"choose": func(map[string]any) (any, error) {
			return map[string]any{"statusCode": 200, "headers": map[string]string{"sec-websocket-protocol": "v2", "X-Other": "no"}}, nil
		},
	})
	g := startGateway(t, map[string]string{
		"silent.yaml": strings.Replace(onFunctions(l, "", map[string]string{"$connect": "silent"}), "chat", "silent", 1),
		"choose.yaml": strings.Replace(onFunctions(l, "", map[string]string{"$connect": "choose"}), "chat", "choose", 1),
	}, nil)
	conn, _ := knock(t, g, "/silent/dev", nil, "v1", "v2")
	if got := conn.response.Header.Get("Sec-WebSocket-Protocol"); got != "" {
		t.Errorf("nothing was chosen, and the 101 says %q", got)
	}
	conn, _ = knock(t, g, "/choose/dev", nil, "v1", "v2")
	if got := conn.response.Header.Get("Sec-WebSocket-Protocol"); got != "v2" {
		t.Errorf("v2 was chosen, and the 101 says %q", got)
	}
	if got := conn.response.Header.Get("X-Other"); got != "" {
		t.Errorf("another header of the backend got through: %q", got)
	}
}

func TestConformance04Routes(t *testing.T) {
	type check struct{ message, route string }
	for _, c := range []struct {
		expression string
		routes     []string
		checks     []check
	}{
		{"$request.body.action", []string{"join", "$default"}, []check{
			{`{"action":"join"}`, "join"}, {`{"action":"other"}`, "$default"}, {`{}`, "$default"}, {`not JSON`, "$default"},
			{`{"action":"$connect"}`, "$default"}, {`{"action":"$disconnect"}`, "$default"}, {`{"action":"JOIN"}`, "$default"},
		}},
		{"${request.body.action}-${request.body.missing}", []string{"join-", "$default"}, []check{{`{"action":"join"}`, "join-"}}},
		{"$request.body.service.do", []string{"it", "$default"}, []check{{`{"service":{"do":"it"}}`, "it"}}},
		{"${request.body.service}/${request.body.action}", []string{"chat/join", "$default"}, []check{{`{"service":"chat","action":"join"}`, "chat/join"}}},
		{"$request.body.list", []string{"[item1, item2]", "$default"}, []check{{`{"list":["item1","item2"]}`, "[item1, item2]"}}},
		{"action", []string{"action", "$default"}, []check{{`{"x":1}`, "action"}}},
		{`\$default`, []string{"other", "$default"}, []check{{`{"action":"other"}`, "$default"}}},
		{"$request.body.detail-type", []string{"placed", "$default"}, []check{{`{"detail-type":"placed"}`, "placed"}}},
	} {
		t.Run(c.expression, func(t *testing.T) {
			l := startLambdas(t, map[string]lambdaFunction{"route": func(e map[string]any) (any, error) {
				return map[string]any{"statusCode": 200, "body": member(e, "requestContext", "routeKey")}, nil
			}})
			routes := map[string]string{}
			for _, key := range c.routes {
				routes[key] = "route"
			}
			g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, fmt.Sprintf("routeSelectionExpression: '%s'\n", c.expression), routes, c.routes...)}, nil)
			conn := mustDial(t, g, "/chat/dev")
			for _, one := range c.checks {
				conn.send(one.message)
				if got := conn.recv(); got != one.route {
					t.Errorf("%s went to %q, want %q", one.message, got, one.route)
				}
			}
		})
	}
}

// frame is the error frame of contract/websocket-api.md §5 with its ids taken out.
func frame(t *testing.T, text string) string {
	t.Helper()
	var ids struct{ Message, ConnectionID, RequestID string }
	if err := json.Unmarshal([]byte(text), &ids); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if len(ids.ConnectionID) != 16 || len(ids.RequestID) != 16 {
		t.Errorf("the ids are not Amazon's form: %s", text)
	}
	return strings.NewReplacer(ids.ConnectionID, "C", ids.RequestID, "R").Replace(text)
}

func TestConformance05Forbidden(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"echo": echoBody})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"echo": "echo"}, "echo")}, nil)
	conn := mustDial(t, g, "/chat/dev")
	conn.send(`{"action":"nowhere"}`)
	if got := frame(t, conn.recv()); got != `{"message": "Forbidden", "connectionId":"C", "requestId":"R"}` {
		t.Errorf("got %s", got)
	}
	conn.send(`{"action":"echo"}`)
	if got := conn.recv(); got != `{"action":"echo"}` {
		t.Errorf("afterwards: %s", got)
	}
}

func TestConformance06FailingBackends(t *testing.T) {
	release := make(chan struct{})
	l := startLambdas(t, map[string]lambdaFunction{
		"crash": func(map[string]any) (any, error) { return nil, fmt.Errorf("boom") },
		"hang":  func(map[string]any) (any, error) { <-release; return ok(nil) },
		"fail":  func(map[string]any) (any, error) { return map[string]any{"statusCode": 500, "body": "no"}, nil },
		"echo":  echoBody,
	})
	t.Cleanup(func() { close(release) })
	text := onFunctions(l, "limits: {integrationTimeoutMillis: 200}\n",
		map[string]string{"crash": "crash", "hang": "hang", "fail": "fail", "echo": "echo"}, "echo")
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	conn := mustDial(t, g, "/chat/dev")
	for action, want := range map[string]string{"crash": "Internal server error", "hang": "Endpoint request timed out"} {
		conn.send(`{"action":"` + action + `"}`)
		if got := frame(t, conn.recv()); got != `{"message": "`+want+`", "connectionId":"C", "requestId":"R"}` {
			t.Errorf("%s: got %s", action, got)
		}
	}
	conn.send(`{"action":"fail"}`) // silence: the next frame is the echo's
	l.awaitEvent(t, "fail", 1)
	conn.send(`{"action":"echo"}`)
	if got := conn.recv(); got != `{"action":"echo"}` {
		t.Errorf("after a status of 500: %s", got)
	}
}

func TestConformance07RouteResponse(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"echo": echoBody, "empty": ok})
	text := onFunctions(l, "", map[string]string{"on": "echo", "empty": "empty", "off": "echo"}, "on", "empty")
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	conn := mustDial(t, g, "/chat/dev")
	conn.send(`{"action":"empty"}`)
	l.awaitEvent(t, "empty", 1)
	conn.send(`{"action":"off"}`)
	l.awaitEvent(t, "echo", 1)
	conn.send(`{"action":"on"}`)
	if got := conn.recv(); got != `{"action":"on"}` {
		t.Errorf("got %s", got)
	}
	conn.send(`{"action":"on","n":2}`)
	if got := conn.recv(); got != `{"action":"on","n":2}` { // and the first came once only
		t.Errorf("got %s", got)
	}
}

func TestConformance08Sizes(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"length": func(e map[string]any) (any, error) {
		body, _ := e["body"].(string)
		return map[string]any{"statusCode": 200, "body": fmt.Sprint(len(body))}, nil
	}})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "limits: aws\n", map[string]string{"$default": "length"}, "$default")}, nil)
	const frameLimit, messageLimit = 32 << 10, 128 << 10
	for _, c := range []struct {
		name   string
		frames []int
		want   string
	}{
		{"a frame of 32768", []int{frameLimit}, "32768"},
		{"a frame of 32769", []int{frameLimit + 1}, "closed 1009 Message too big"},
		{"a message of 131072 in frames", []int{frameLimit, frameLimit, frameLimit, frameLimit}, "131072"},
		{"a message of 131073 in frames", []int{frameLimit, frameLimit, frameLimit, frameLimit, 1}, "closed 1009 Message too big"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := rawDial(t, g, "/chat/dev")
			raw.message(1, c.frames...)
			if got := raw.next(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("binary", func(t *testing.T) {
		raw := rawDial(t, g, "/chat/dev")
		raw.message(2, 3)
		if got := raw.next(); got != "closed 1003 Binary messages are not accepted" {
			t.Errorf("got %q", got)
		}
	})
	if messageLimit != 4*frameLimit {
		t.Error("the figures of the table don't fit together")
	}
}

func TestConformance09IdleAndAge(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"bye": ok, "connect": ok})
	routes := map[string]string{"$connect": "connect", "$disconnect": "bye"}
	// Amazon's 600 s and 7200 s are the aws profile's (TestLimits of gateway); what they do is the same at 2 s.
	g := startGateway(t, map[string]string{
		"idle.yaml": strings.Replace(onFunctions(l, "limits: {profile: aws, idleTimeoutSeconds: 2}\n", routes), "chat", "idle", 1),
		"age.yaml":  strings.Replace(onFunctions(l, "limits: {profile: aws, maxConnectionSeconds: 3}\n", routes), "chat", "age", 1),
	}, nil)
	began := time.Now()
	if code, reason := mustDial(t, g, "/idle/dev").end(); code != 1001 || reason != "Going away" {
		t.Errorf("the idle client saw %d %q", code, reason)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it was closed after %s, which is early", took)
	}
	event := l.awaitEvent(t, "bye", 1)
	if code, reason := member(event, "requestContext", "disconnectStatusCode"), member(event, "requestContext", "disconnectReason"); code != 1001.0 || reason != "Going away" {
		t.Errorf("DISCONNECT says %v %q", code, reason)
	}
	if code, reason := mustDial(t, g, "/age/dev").end(); code != 1001 || reason != "Going away" {
		t.Errorf("the old client saw %d %q", code, reason)
	}
}

func TestConformance10Delete(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok, "bye": ok})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"$connect": "connect", "$disconnect": "bye"})}, nil)
	conn := mustDial(t, g, "/chat/dev")
	id, _ := member(l.awaitEvent(t, "connect", 1), "requestContext", "connectionId").(string)
	if got := callback(t, g, http.MethodDelete, id, ""); got != 204 {
		t.Errorf("DELETE: %d", got)
	}
	if code, _ := conn.end(); code != 1000 {
		t.Errorf("the client saw %d", code)
	}
	event := l.awaitEvent(t, "bye", 1)
	if code, reason := member(event, "requestContext", "disconnectStatusCode"), member(event, "requestContext", "disconnectReason"); code != 1000.0 || reason != "Connection Closed Normally" {
		t.Errorf("DISCONNECT says %v %q", code, reason)
	}
	if got := callback(t, g, http.MethodDelete, id, ""); got != 410 {
		t.Errorf("a second DELETE: %d", got)
	}
}

// callback makes an unsigned callback and returns the status.
func callback(t *testing.T, g *stageGateway, method, id, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.Data+"/chat/dev/@connections/"+strings.ReplaceAll(id, "=", "%3D"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestConformance11ClientCloses(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"bye": ok})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"$disconnect": "bye"})}, nil)
	raw := rawDial(t, g, "/chat/dev")
	raw.frame(8, true, nil) // a close frame without a code, as browsers' close() sends it
	event := l.awaitEvent(t, "bye", 1)
	if code, reason := member(event, "requestContext", "disconnectStatusCode"), member(event, "requestContext", "disconnectReason"); code != 1005.0 || reason != "Client-side close frame status not set" {
		t.Errorf("DISCONNECT says %v %q", code, reason)
	}
	headers, _ := event["headers"].(map[string]any)
	if len(headers) != 4 || headers["Host"] != "127.0.0.1" || headers["x-api-key"] != "" || headers["X-Forwarded-For"] != "" || headers["x-restapi"] != "" {
		t.Errorf("its headers are %v", headers)
	}
}

func TestConformance14PostDuringConnect(t *testing.T) {
	status := make(chan int, 1)
	var g *stageGateway
	l := startLambdas(t, map[string]lambdaFunction{"connect": func(e map[string]any) (any, error) {
		id, _ := member(e, "requestContext", "connectionId").(string)
		status <- callback(t, g, http.MethodPost, id, "welcome")
		return ok(nil)
	}})
	g = startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"$connect": "connect"})}, nil)
	mustDial(t, g, "/chat/dev")
	if got := <-status; got != 410 {
		t.Errorf("POST during $connect: %d, want 410", got)
	}
}
