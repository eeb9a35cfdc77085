package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What a WebSocket API may ask for beyond Amazon's service, and the throttles and keys that it shares with it.

// At the limit handshakes get 429 and messages the frame; the connection stays (contract/websocket-api.md §5, §11).
func TestThrottles(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"echo": echoBody})
	text := onFunctions(l, "", map[string]string{"echo": "echo", "free": "echo"}, "echo", "free") + `
stages:
  dev:
    routeSettings:
      $connect: {throttle: {rateLimit: 0.001, burstLimit: 1}}
      echo: {throttle: {rateLimit: 0.001, burstLimit: 2}}
`
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	conn := mustDial(t, g, "/chat/dev")
	if _, status := knock(t, g, "/chat/dev", nil); status != http.StatusTooManyRequests {
		t.Errorf("a second handshake got %d", status)
	}
	for range 2 {
		conn.send(`{"action":"echo"}`)
		if got := conn.recv(); got != `{"action":"echo"}` {
			t.Errorf("within the burst: %s", got)
		}
	}
	conn.send(`{"action":"echo"}`)
	if got := frame(t, conn.recv()); got != `{"message": "Too Many Requests", "connectionId":"C", "requestId":"R"}` {
		t.Errorf("beyond it: %s", got)
	}
	conn.send(`{"action":"free"}`)
	if got := conn.recv(); got != `{"action":"free"}` {
		t.Errorf("another route: %s", got)
	}
}

func TestAPIKeys(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok})
	text := onFunctions(l, "apiKeys: [{name: partner, value: secret-of-the-partner}]\n", map[string]string{"$connect": "connect"})
	text = strings.Replace(text, `"$connect": {`, `"$connect": {apiKeyRequired: true, requestParameters: {route.request.querystring.room: {required: true}}, `, 1)
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	for _, c := range []struct {
		key, query string
		want       int
	}{
		{"", "?room=1", 403}, {"wrong", "?room=1", 403}, {"secret-of-the-partner", "", 400}, {"secret-of-the-partner", "?room=1", 101},
	} {
		header := http.Header{}
		if c.key != "" {
			header.Set("x-api-key", c.key)
		}
		if _, got := knock(t, g, "/chat/dev"+c.query, header); got != c.want {
			t.Errorf("key %q, query %q: %d, want %d", c.key, c.query, got, c.want)
		}
	}
	event := l.awaitEvent(t, "connect", 1)
	if got := member(event, "requestContext", "identity", "apiKeyId"); got != "partner" {
		t.Errorf("identity.apiKeyId is %v", got)
	}
}

// With postDuringConnect: hold a backend greets its client inside $connect.
func TestPostDuringConnectIsHeld(t *testing.T) {
	status := make(chan int, 2)
	var g *stageGateway
	accept := true
	l := startLambdas(t, map[string]lambdaFunction{"connect": func(e map[string]any) (any, error) {
		id, _ := member(e, "requestContext", "connectionId").(string)
		status <- callback(t, g, http.MethodPost, id, "welcome")
		if accept {
			return ok(nil)
		}
		return map[string]any{"statusCode": 403}, nil
	}})
	g = startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "postDuringConnect: hold\n", map[string]string{"$connect": "connect"})}, nil)
	conn := mustDial(t, g, "/chat/dev")
	if got := <-status; got != http.StatusOK {
		t.Errorf("POST during $connect: %d", got)
	}
	if got := conn.recv(); got != "welcome" {
		t.Errorf("the first message is %q", got)
	}
	accept = false
	if _, got := knock(t, g, "/chat/dev", nil); got != http.StatusForbidden {
		t.Errorf("the refused one got %d", got)
	}
	<-status
	id, _ := member(l.awaitEvent(t, "connect", 2), "requestContext", "connectionId").(string)
	if got := callback(t, g, http.MethodPost, id, "too late"); got != http.StatusGone {
		t.Errorf("POST to a refused connection: %d", got)
	}
}

// With keepHandshake the headers and the query are in later events too.
func TestKeepHandshake(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok, "echo": echoBody, "bye": ok})
	text := onFunctions(l, "keepHandshake: [headers, query]\n", map[string]string{"$connect": "connect", "echo": "echo", "$disconnect": "bye"}, "echo")
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	conn, _ := knock(t, g, "/chat/dev?room=blue", http.Header{"X-Tenant": {"acme"}})
	conn.send(`{"action":"echo"}`)
	conn.recv()
	event := l.awaitEvent(t, "echo", 1)
	if got := member(event, "queryStringParameters", "room"); got != "blue" {
		t.Errorf("MESSAGE has room=%v", got)
	}
	if got := member(event, "headers", "X-Tenant"); got != "acme" {
		t.Errorf("MESSAGE has the header %v", got)
	}
	_ = conn.CloseNow()
	if got := fmt.Sprint(member(l.awaitEvent(t, "bye", 1), "headers", "x-api-key")); got != "" {
		t.Errorf("DISCONNECT has lost Amazon's four headers: %v", got)
	}
}

// A token's scopes hold for each message, and $refresh brings a new one; edge.TestTokenExpiry shows their ends.
func TestTokensOnOpenConnections(t *testing.T) {
	issuer, token := tokenIssuer(t)
	l := startLambdas(t, map[string]lambdaFunction{"echo": echoBody})
	text := onFunctions(l, `
authorizers:
  users: {type: JWT, identitySource: [route.request.querystring.token], jwtConfiguration: {issuer: "`+issuer.URL+`", audience: [chat]}}
`, map[string]string{"$refresh": "echo", "write": "echo"}, "$refresh", "write")
	text = strings.Replace(text, `"write": {`, `"write": {authorizationScopes: [write], `, 1)
	text = strings.Replace(text, "routes:\n", "routes:\n  $connect: {authorizer: users}\n", 1)
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	conn := mustDial(t, g, "/chat/dev?token="+token(nil))
	write := func(want string) {
		t.Helper()
		conn.send(`{"action":"write"}`)
		if got := conn.recv(); !strings.HasPrefix(got, want) {
			t.Errorf("write: got %s, want %s", got, want)
		}
	}
	write(`{"message": "Forbidden"`)
	for _, c := range []struct{ token, want string }{
		{"junk", `{"message": "Unauthorized"`},
		{token(map[string]any{"sub": "eve", "scope": "write"}), `{"message": "Forbidden"`},
		{token(map[string]any{"scope": "chat write"}), `{"action":"$refresh"`},
	} {
		conn.send(`{"action":"$refresh","token":"` + c.token + `"}`)
		if got := conn.recv(); !strings.HasPrefix(got, c.want) {
			t.Errorf("$refresh: got %.80s, want %s", got, c.want)
		}
	}
	write(`{"action":"write"}`)
	for selector, want := range map[string]int{
		`sallyport_refreshes_total{error_type=""}`:             1,
		`sallyport_refreshes_total{error_type="unauthorized"}`: 1,
		`sallyport_refreshes_total{error_type="forbidden"}`:    1,
	} {
		if got := sum(t, scrape(t, g), selector); got != want {
			t.Errorf("%s is %d, want %d", selector, got, want)
		}
	}
}
