package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// policy is what an authorizer returns.
func policy(effect, resource string) map[string]any {
	return map[string]any{
		"principalId": "ann",
		"policyDocument": map[string]any{
			"Version":   "2012-10-17",
			"Statement": []any{map[string]any{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}},
		},
		"context": map[string]any{"room": "blue", "level": 7, "admin": true},
	}
}

func TestConformance15Authorizer(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{
		"connect": ok, "bye": ok,
		"echo": func(e map[string]any) (any, error) {
			return map[string]any{"statusCode": 200, "body": fmt.Sprint(member(e, "requestContext", "authorizer"))}, nil
		},
		"authorize": func(e map[string]any) (any, error) {
			arn, _ := e["methodArn"].(string)
			switch member(e, "queryStringParameters", "token") {
			case "good":
				return policy("Allow", arn), nil
			case "stage":
				return policy("Allow", strings.TrimSuffix(arn, "$connect")+"*"), nil
			case "rest":
				return policy("Allow", strings.TrimSuffix(arn, "$connect")+"*/*"), nil
			case "denied":
				return policy("Deny", arn), nil
			case "who":
				return nil, fmt.Errorf("Unauthorized") //nolint:staticcheck // the word that Amazon's samples throw
			case "junk":
				return "no policy", nil
			}
			return nil, fmt.Errorf("boom")
		},
	})
	text := onFunctions(l, "authorizers:\n  users: {type: REQUEST, identitySource: [route.request.querystring.token], integration: {type: LAMBDA, uri: "+
		l.uri("authorize")+"}}\n", map[string]string{"$connect": "connect", "$disconnect": "bye", "echo": "echo"}, "echo")
	text = strings.Replace(text, `"$connect": {`, `"$connect": {authorizer: users, `, 1)
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	for _, c := range []struct {
		query string
		want  int
		calls int // of the authorizer so far
	}{
		{"", 401, 0}, {"?token=", 401, 0},
		{"?token=who", 401, 1}, {"?token=denied", 403, 2}, {"?token=rest", 403, 3}, {"?token=crash", 500, 4}, {"?token=junk", 500, 5},
		{"?token=stage", 101, 6},
	} {
		if _, got := knock(t, g, "/chat/dev"+c.query, nil); got != c.want {
			t.Errorf("%q: the client saw %d, want %d", c.query, got, c.want)
		}
		if got := len(l.of("authorize")); got != c.calls {
			t.Errorf("%q: the authorizer was called %d times, want %d", c.query, got, c.calls)
		}
	}
	before := len(l.of("bye"))
	conn := mustDial(t, g, "/chat/dev?token=good")
	for range 2 {
		conn.send(`{"action":"echo"}`)
		if got := conn.recv(); !strings.Contains(got, "principalId:ann") || !strings.Contains(got, "room:blue") {
			t.Errorf("MESSAGE has the authorizer's context %s", got)
		}
	}
	_ = conn.CloseNow()
	for name, event := range map[string]map[string]any{
		"CONNECT": l.awaitEvent(t, "connect", 2), "DISCONNECT": l.awaitEvent(t, "bye", before+1),
	} {
		if got := member(event, "requestContext", "authorizer", "principalId"); got != "ann" {
			t.Errorf("%s has the principal %v", name, got)
		}
		if got := member(event, "requestContext", "authorizer", "room"); got != "blue" && name == "CONNECT" {
			t.Errorf("%s has room %v", name, got)
		}
	}
	if got := len(l.of("authorize")); got != 7 {
		t.Errorf("the authorizer was called %d times in all, want once a connection: 7", got)
	}
	asked := l.of("authorize")[6]
	if asked["type"] != "REQUEST" || !strings.HasSuffix(fmt.Sprint(asked["methodArn"]), ":chat/dev/$connect") {
		t.Errorf("the authorizer was asked %v %v", asked["type"], asked["methodArn"])
	}
	for _, key := range []string{"path", "httpMethod", "pathParameters", "body"} {
		if _, there := asked[key]; there {
			t.Errorf("the authorizer's event has %s", key)
		}
	}
}

func TestConformance16HTTPProxy(t *testing.T) {
	type seen struct {
		method, path, body string
		header             http.Header
	}
	calls := make(chan seen, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- seen{r.Method, r.URL.RequestURI(), string(body), r.Header}
		fmt.Fprint(w, "done")
	}))
	t.Cleanup(backend.Close)
	const integration = `{type: HTTP_PROXY, httpMethod: PUT, uri: "http://${stageVariables.backend}/v/send", requestParameters: {integration.request.header.connectionId: context.connectionId}}`
	g := startGateway(t, map[string]string{"chat.yaml": `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
integrations:
  backend: ` + integration + `
routes:
  $connect: {integration: backend}
  send: {integration: backend, routeResponse: true}
stages: {dev: {variables: {backend: "` + strings.TrimPrefix(backend.URL, "http://") + `"}}}
`}, nil)
	conn := mustDial(t, g, "/chat/dev?room=1")
	connect := <-calls
	if connect.method != "PUT" || connect.path != "/v/send?room=1" || connect.body != "" || connect.header.Get("Sec-Websocket-Key") == "" {
		t.Errorf("$connect came as %+v", connect)
	}
	conn.send(`{"action":"send","n":1.50}`)
	if got := conn.recv(); got != "done" {
		t.Errorf("the reply is %q", got)
	}
	message := <-calls
	if message.method != "PUT" || message.path != "/v/send" || message.body != `{"action":"send","n":1.50}` {
		t.Errorf("the message came as %+v", message)
	}
	if id := message.header.Get("connectionId"); len(id) != 16 || id != connect.header.Get("connectionId") {
		t.Errorf("connectionId: %q at $connect, %q with the message", connect.header.Get("connectionId"), id)
	}
	if message.header.Get("x-amzn-apigateway-api-id") != "chat" || message.header.Get("User-Agent") != "AmazonAPIGateway_chat" {
		t.Errorf("its headers are %v", message.header)
	}
}

func TestConformance17TemplatesAndModels(t *testing.T) {
	bodies := make(chan string, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(backend.Close)
	g := startGateway(t, map[string]string{"chat.yaml": `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
models:
  Message: {schema: {type: object, required: [text], properties: {text: {type: string}}}}
routes:
  send:
    routeResponse: true
    requestModels: {$default: Message}
    integration:
      type: HTTP
      httpMethod: POST
      uri: "` + backend.URL + `"
      templateSelectionExpression: ${request.body.type}
      requestTemplates:
        loud: 'LOUD $input.path("$.text")'
        $default: 'plain $input.path("$.text")'
      responses:
        default: {responseTemplates: {application/json: 'sent by $context.connectionId'}}
`}, nil)
	conn := mustDial(t, g, "/chat/dev")
	for _, c := range []struct{ message, backend string }{
		{`{"action":"send","type":"loud","text":"hi"}`, "LOUD hi"},
		{`{"action":"send","type":"other","text":"hi"}`, "plain hi"},
		{`{"action":"send","text":"hi"}`, "plain hi"},
	} {
		conn.send(c.message)
		if got := conn.recv(); !strings.HasPrefix(got, "sent by ") || len(got) != len("sent by ")+16 {
			t.Errorf("%s: the client got %q", c.message, got)
		}
		if got := <-bodies; got != c.backend {
			t.Errorf("%s: the backend got %q, want %q", c.message, got, c.backend)
		}
	}
	for _, wrong := range []string{`{"action":"send"}`, `{"action":"send","text":7}`} {
		conn.send(wrong)
		if got := frame(t, conn.recv()); got != `{"message": "Bad request body", "connectionId":"C", "requestId":"R", "messageId":"R"}` {
			t.Errorf("%s: the client got %s", wrong, got)
		}
	}
	if len(bodies) > 0 {
		t.Errorf("the backend was called with %q", <-bodies)
	}
}

// The address that an event names is one that callbacks reach: on the default host in path style and in host style, on a
// custom domain with a key and with none, where the stage is taken too.
func TestConformance18CallbackBase(t *testing.T) {
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok, "other": ok})
	stages := "stages:\n  dev: {}\n  prod: {domains: [{domainName: api.example.com, apiMappingKey: live}]}\n  beta: {domains: [{domainName: '*.example.net'}]}\n"
	g := startGateway(t, map[string]string{
		"chat.yaml": onFunctions(l, stages, map[string]string{"$connect": "connect"}),
		"rest.yaml": strings.Replace(onFunctions(l, "stages: {prod: {domains: [{domainName: api.example.com}]}}\n",
			map[string]string{"$connect": "other"}), "name: chat", "name: rest", 1),
	}, nil)
	for i, c := range []struct {
		host, path string // of the client; "" is the gateway's own address
		stage      string
		bases      [][2]string // host and base of callbacks
	}{
		{"", "/chat/dev", "dev", [][2]string{{"", "/dev"}, {"", "/chat/dev"}, {"chat.localhost", "/dev"}, {"", ""}}},
		{"api.example.com", "/live", "prod", [][2]string{{"api.example.com", "/live"}, {"api.example.com", "/prod"}, {"", "/chat/prod"}}},
		{"a.example.net", "", "beta", [][2]string{{"a.example.net", ""}, {"a.example.net", "/beta"}}},
	} {
		conn, status := knock(t, g, c.path, http.Header{"Host": {c.host}})
		if conn == nil {
			t.Fatalf("%s%s: refused with %d", c.host, c.path, status)
		}
		event := l.awaitEvent(t, "connect", i+1)
		id, _ := member(event, "requestContext", "connectionId").(string)
		if got := member(event, "requestContext", "stage"); got != c.stage {
			t.Errorf("%s%s: stage %v, want %s", c.host, c.path, got, c.stage)
		}
		if got := member(event, "requestContext", "domainName"); c.host != "" && got != c.host {
			t.Errorf("%s%s: domainName %v", c.host, c.path, got)
		}
		for _, base := range c.bases {
			if status := post(t, g, base[0], base[1], id); status != http.StatusOK {
				t.Errorf("%s%s: %d", base[0], base[1], status)
			} else if got := conn.recv(); got != "hello" {
				t.Errorf("%s%s: the client got %q", base[0], base[1], got)
			}
		}
	}
	// Addresses of other stages, and none at all.
	conn := mustDial(t, g, "/chat/dev")
	id, _ := member(l.awaitEvent(t, "connect", 4), "requestContext", "connectionId").(string)
	for base, want := range map[[2]string]int{
		{"api.example.com", "/live"}: http.StatusGone, {"api.example.com", ""}: http.StatusGone,
		{"api.example.com", "/dev"}: http.StatusNotFound, {"a.b.example.net", "/nope"}: http.StatusForbidden,
	} {
		if got := post(t, g, base[0], base[1], id); got != want {
			t.Errorf("%s%s: %d, want %d", base[0], base[1], got, want)
		}
	}
	if status := post(t, g, "", "/dev", id); status != http.StatusOK || conn.recv() != "hello" {
		t.Errorf("the connection is gone: %d", status)
	}
}

// post sends hello to a connection by a callback base and returns the status.
func post(t *testing.T, g *stageGateway, host, base, id string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.Data+base+"/@connections/"+id, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
