package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/app"
)

// asRoot gives a gateway the root key of the tests.
func asRoot(c *app.Config) {
	c.Getenv = func(name string) string {
		return map[string]string{"SALLYPORT_ROOT_ACCESS_KEY_ID": rootKeyID, "SALLYPORT_ROOT_SECRET_ACCESS_KEY": rootKeySecret}[name]
	}
}

// What the gateway itself answers, with its headers.
func TestContract2GatewayAnswers(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", "", whoRoute)}, nil)

	t.Run("unknown stage or API → 403 with Amazon's headers", func(t *testing.T) {
		for _, path := range []string{"/chat/prod", "/nobody/dev", "/chat/dev/below"} {
			response, body := exchange(t, g, upgrade(g, path)...)
			if response.StatusCode != http.StatusForbidden || body != `{"message":"Forbidden"}` {
				t.Errorf("%s: %s %s", path, response.Status, body)
			}
			for name, form := range map[string]string{
				"Content-Type": "application/json", "Content-Length": "23", "X-Amzn-Errortype": "ForbiddenException",
				"X-Amzn-Requestid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "X-Amz-Apigw-Id": "[A-Za-z0-9_-]{15}=",
			} {
				if got := response.Header.Get(name); !regexp.MustCompile("^" + form + "$").MatchString(got) {
					t.Errorf("%s: the header %s is %q", path, name, got)
				}
			}
		}
	})
	t.Run("no upgrade, any path → 426", func(t *testing.T) {
		for _, line := range []string{"GET /chat/dev", "GET /chat/dev/below", "POST /chat/dev", "GET /chat/"} {
			if response, _ := exchange(t, g, line+" HTTP/1.1", "Host: "+g.Data); response.StatusCode != http.StatusUpgradeRequired {
				t.Errorf("%s: %s", line, response.Status)
			}
		}
	})
	t.Run("an upgrade that is no GET → 405", func(t *testing.T) {
		head := upgrade(g, "/chat/dev")
		head[0] = "POST /chat/dev HTTP/1.1"
		if response, _ := exchange(t, g, head...); response.StatusCode != http.StatusMethodNotAllowed {
			t.Error(response.Status)
		}
	})
	t.Run("headers of the 101", func(t *testing.T) {
		response, _ := exchange(t, g, upgrade(g, "/chat/dev/")...) // a slash after the stage is fine
		if response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(response.Status)
		}
		if date := response.Header.Get("Date"); date == "" {
			t.Error("there is no Date")
		}
		response.Header.Del("Date")
		want := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}
		if diff := cmp.Diff(want, response.Header); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// The upgrade stays pending until $connect has answered, and no frame can flow before that.
func TestContract2PendingUpgrade(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	l := startLambdas(t, map[string]lambdaFunction{
		"connect": func(map[string]any) (any, error) { close(asked); <-release; return ok(nil) },
		"echo":    echoBody,
	})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"$connect": "connect", "$default": "echo"}, "$default")}, nil)
	nc, err := net.Dial("tcp", g.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	conn := &raw{t, nc, bufio.NewReader(nc)}
	if _, err := io.WriteString(nc, strings.Join(upgrade(g, "/chat/dev"), "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	conn.frame(1, true, []byte("too early"))
	<-asked
	if err := nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if b, err := conn.r.Peek(1); err == nil {
		t.Errorf("before $connect has answered came %q", b)
	}
	if got := len(l.of("echo")); got != 0 {
		t.Errorf("%d messages went to the backend", got)
	}
	close(release)
	if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if response, err := http.ReadResponse(conn.r, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(response, err)
	}
	if got := conn.next(); got != "too early" {
		t.Errorf("the client got %q", got)
	}
}

func TestContract21Subprotocols(t *testing.T) {
	t.Parallel()
	returning := func(headers map[string]string) lambdaFunction {
		return func(map[string]any) (any, error) { return map[string]any{"statusCode": 200, "headers": headers}, nil }
	}
	l := startLambdas(t, map[string]lambdaFunction{
		"silent": ok, "chosen": returning(map[string]string{"Sec-Websocket-Protocol": "b"}),
		"upper": returning(map[string]string{"SEC-WEBSOCKET-PROTOCOL": "b"}), "stranger": returning(map[string]string{"Sec-WebSocket-Protocol": "other"}),
		"refusing": func(map[string]any) (any, error) { return map[string]any{"statusCode": 400}, nil },
	})
	files := map[string]string{}
	for _, name := range []string{"silent", "chosen", "upper", "stranger", "refusing"} {
		files[name+".yaml"] = socketAPI(name, "", "$connect: {integration: "+l.on(name)+"}")
	}
	g := startGateway(t, files, nil)
	for _, c := range []struct {
		row, api string
		offer    []string
		status   int
		chosen   string
	}{
		{"nothing is echoed by default", "silent", []string{"Sec-WebSocket-Protocol: a, b"}, 101, ""},
		{"the one that $connect returns", "chosen", []string{"Sec-WebSocket-Protocol: a, b"}, 101, "b"},
		{"whatever the case of the header's name", "upper", []string{"Sec-WebSocket-Protocol: a, b"}, 101, "b"},
		{"one that was not offered is sent unchanged", "stranger", []string{"Sec-WebSocket-Protocol: a, b"}, 101, "other"},
		{"one where none was offered", "chosen", nil, 101, "b"},
		{"the backend refuses", "refusing", []string{"Sec-WebSocket-Protocol: a, b"}, 400, ""},
	} {
		t.Run(c.row, func(t *testing.T) {
			response, _ := exchange(t, g, upgrade(g, "/"+c.api+"/dev", c.offer...)...)
			if got := response.Header.Get("Sec-WebSocket-Protocol"); response.StatusCode != c.status || got != c.chosen {
				t.Errorf("%s, protocol %q", response.Status, got)
			}
		})
	}
	t.Run("the offer is one comma-separated value in the event", func(t *testing.T) {
		if got := member(l.of("silent")[0], "headers", "Sec-WebSocket-Protocol"); got != "a, b" {
			t.Errorf("the event has %v", got)
		}
	})
}

func TestContract41OrderAtConnect(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{
		"connect": ok,
		"authorize": func(e map[string]any) (any, error) {
			effect := "Allow"
			if member(e, "queryStringParameters", "token") == "bad" {
				effect = "Deny"
			}
			arn, _ := e["methodArn"].(string)
			return policy(effect, arn), nil
		},
	})
	head := "apiKeys: [{name: partner, value: secret-of-the-partner}]\nauthorizers:\n  users: {type: REQUEST, identitySource: [route.request.querystring.token], integration: " + l.on("authorize") + "}\n"
	route := `$connect: {authorizer: users, apiKeyRequired: true, requestParameters: {route.request.header.X-Room: {required: true}}, integration: ` + l.on("connect") + "}"
	g := startGateway(t, map[string]string{
		"chat.yaml":    socketAPI("chat", head, route),
		"slow.yaml":    socketAPI("slow", head, route) + "stages: {dev: {routeSettings: {$connect: {throttle: {rateLimit: 0.001, burstLimit: 1}}}}}\n",
		"open.yaml":    socketAPI("open", "", whoRoute),
		"nothing.yaml": socketAPI("nothing", "", "$connect: {}"),
	}, nil)
	const key, room = "x-api-key: secret-of-the-partner", "X-Room: blue"
	for _, c := range []struct {
		row, path        string
		lines            []string
		status           int
		authorized, runs int // calls so far
	}{
		{"the address comes first", "/chat/prod?token=bad", nil, 403, 0, 0},
		{"throttled: the first spends the burst", "/slow/dev", nil, 401, 0, 0},
		{"throttled comes before the authorizer", "/slow/dev?token=good", []string{key, room}, 429, 0, 0},
		{"the authorizer's identity source comes before the API key", "/chat/dev", nil, 401, 0, 0},
		{"the authorizer comes before the API key", "/chat/dev?token=bad", []string{room}, 403, 1, 0},
		{"the API key comes before the parameters", "/chat/dev?token=good", nil, 403, 2, 0},
		{"the parameters come before the integration", "/chat/dev?token=good", []string{key}, 400, 3, 0},
		{"then the integration, then the 101", "/chat/dev?token=good", []string{key, room}, 101, 4, 1},
		{"no $connect route: accepted", "/open/dev", nil, 101, 4, 1},
		{"$connect without an integration: accepted", "/nothing/dev", nil, 101, 4, 1},
	} {
		t.Run(c.row, func(t *testing.T) {
			response, body := exchange(t, g, upgrade(g, c.path, c.lines...)...)
			if response.StatusCode != c.status {
				t.Errorf("%s %s, want %d", response.Status, body, c.status)
			}
			if a, r := len(l.of("authorize")), len(l.of("connect")); a != c.authorized || r != c.runs {
				t.Errorf("the authorizer was called %d times, the integration %d times, want %d and %d", a, r, c.authorized, c.runs)
			}
		})
	}
}

// The table of §4.2. Rows about authorizers' policies: TestConformance15Authorizer; about signatures: TestContract102IAM.
func TestContract42RefusalStatuses(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	result := func(v any) lambdaFunction { return func(map[string]any) (any, error) { return v, nil } }
	l := startLambdas(t, map[string]lambdaFunction{
		"crash": func(map[string]any) (any, error) { return nil, errors.New("boom") },
		"hang":  func(map[string]any) (any, error) { <-release; return ok(nil) },
		"none":  result(map[string]any{}), "nil": result(nil), "text": result("ok"), "words": result(map[string]any{"statusCode": "two hundred"}), "low": result(map[string]any{"statusCode": 99}),
		"no": result(map[string]any{"statusCode": 401, "headers": map[string]string{"Content-Type": "text/x-test", "X-Other": "no"}, "body": "who are you?"}),
	})
	t.Cleanup(func() { close(release) }) // before the functions' server ends, which waits for them
	backend, _ := recordingBackend(t)
	authorized := "authorizers:\n  users: {type: REQUEST, integration: {type: LAMBDA, timeoutInMillis: 100, uri: " + l.uri("hang") + "}}\n"
	files := map[string]string{}
	api := func(name, head, connect string) { files[name+".yaml"] = socketAPI(name, head, "$connect: "+connect) }
	for _, name := range []string{"none", "nil", "text", "words", "low", "no", "crash"} {
		api(name, "", "{integration: "+l.on(name)+"}")
	}
	for _, status := range []int{200, 204, 299, 301, 400, 401, 404, 501} {
		name := fmt.Sprint("s", status)
		api(name, "", fmt.Sprintf(`{integration: {type: HTTP_PROXY, httpMethod: POST, uri: "%s/answer/%d/"}}`, backend, status))
		api("mapped-"+name, "", fmt.Sprintf(`{integration: {type: HTTP, httpMethod: POST, uri: "%s/answer/%d/", responses: {$default: {}}}}`, backend, status))
	}
	api("late", authorized, "{authorizer: users}")
	api("slow", "", "{integration: {type: LAMBDA, timeoutInMillis: 100, uri: "+l.uri("hang")+"}}")
	api("slow-http", "", `{integration: {type: HTTP_PROXY, timeoutInMillis: 100, uri: "`+backend+`/hang"}}`)
	api("away", "", `{integration: {type: HTTP_PROXY, uri: "http://127.0.0.1:1/"}}`)
	api("nowhere", "", `{integration: {type: HTTP_PROXY, uri: "http://nobody.invalid/"}}`)
	api("tls", "", `{integration: {type: HTTP_PROXY, uri: "`+strings.Replace(backend, "http:", "https:", 1)+`/answer/200/"}}`)
	api("key", "apiKeys: [{name: partner, value: secret-of-the-partner}]\n", "{apiKeyRequired: true}")
	api("header", "", "{requestParameters: {route.request.header.X-Room: {required: true}}}")
	api("query", "", "{requestParameters: {route.request.querystring.room: {required: true}}}")
	g := startGateway(t, files, nil)

	const internal, forbidden, timeout = `{"message":"Internal server error"}`, `{"message":"Forbidden"}`, `{"message":"Endpoint request timed out"}`
	rows := []struct {
		row, api string
		lines    []string
		status   int
		body     string
	}{
		{"Lambda throws → 502", "crash", nil, 502, internal},
		{"Lambda returns no statusCode → 502", "none", nil, 502, internal},
		{"Lambda returns null → 502", "nil", nil, 502, internal},
		{"Lambda returns text → 502", "text", nil, 502, internal},
		{"Lambda returns a statusCode of words → 502", "words", nil, 502, internal},
		{"Lambda returns a statusCode that is none → 502", "low", nil, 502, internal},
		{"authorizer times out → 500", "late", nil, 500, internal},
		{"API key missing → 403", "key", nil, 403, forbidden},
		{"API key invalid → 403", "key", []string{"x-api-key: wrong"}, 403, forbidden},
		{"required header missing → 400", "header", nil, 400, `{"message":"Bad Request"}`},
		{"required query parameter missing → 400", "query", nil, 400, `{"message":"Bad Request"}`},
		{"Lambda exceeds the timeout → 504", "slow", nil, 504, timeout},
		{"HTTP backend exceeds the timeout → 504", "slow-http", nil, 504, timeout},
		{"backend unreachable → 504", "away", nil, 504, `{"message":"Network error communicating with endpoint"}`},
		{"backend without an address → 504", "nowhere", nil, 504, `{"message":"Network error communicating with endpoint"}`},
		{"backend without TLS → 504", "tls", nil, 504, `{"message":"Network error communicating with endpoint"}`},
	}
	for _, status := range []int{200, 204, 299, 301, 400, 401, 404, 501} {
		want := status
		if status < 300 {
			want = 101
		}
		for _, kind := range []string{"s", "mapped-s"} {
			rows = append(rows, rows[0])
			r := &rows[len(rows)-1]
			r.row, r.api, r.status, r.body = fmt.Sprintf("%s%d → %d", map[string]string{"s": "HTTP_PROXY answers ", "mapped-s": "HTTP answers "}[kind], status, want), fmt.Sprint(kind, status), want, ""
		}
	}
	for _, c := range rows {
		t.Run(c.row, func(t *testing.T) {
			response, body := exchange(t, g, upgrade(g, "/"+c.api+"/dev", c.lines...)...)
			if response.StatusCode != c.status || body != c.body {
				t.Errorf("%s %s", response.Status, body)
			}
			if got := response.Header.Get("X-Amzn-Errortype"); (got == "ForbiddenException") != (body == forbidden) {
				t.Errorf("x-amzn-ErrorType is %q", got) // §2, the shape of a gateway-made 403
			}
		})
	}
	t.Run("the refusal carries status, Content-Type and body of Lambda", func(t *testing.T) {
		response, body := exchange(t, g, upgrade(g, "/no/dev")...)
		if response.StatusCode != 401 || body != "who are you?" || response.Header.Get("Content-Type") != "text/x-test" || response.Header.Get("X-Other") != "" {
			t.Errorf("%s %v %s", response.Status, response.Header, body)
		}
	})
}

// A refused connect creates no connection: nothing can be sent to its id, and no $disconnect follows.
func TestContract42RefusedConnectIsNoConnection(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"bye": ok, "connect": func(e map[string]any) (any, error) {
		status := 200
		if member(e, "queryStringParameters", "no") != nil {
			status = 403
		}
		return map[string]any{"statusCode": status}, nil
	}})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"$connect": "connect", "$disconnect": "bye"})}, nil)
	if _, status := knock(t, g, "/chat/dev?no=1", nil); status != 403 {
		t.Fatalf("refused with %d", status)
	}
	refused, _ := member(l.awaitEvent(t, "connect", 1), "requestContext", "connectionId").(string)
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		if got := callback(t, g, method, refused, "hello"); got != http.StatusGone {
			t.Errorf("%s: %d", method, got)
		}
	}
	// A connection that was accepted later is told of; the refused one was not told of before it.
	_ = mustDial(t, g, "/chat/dev").CloseNow()
	accepted := member(l.awaitEvent(t, "connect", 2), "requestContext", "connectionId")
	if got := member(l.awaitEvent(t, "bye", 1), "requestContext", "connectionId"); got != accepted {
		t.Errorf("$disconnect was told of %v, want %v", got, accepted)
	}
}
