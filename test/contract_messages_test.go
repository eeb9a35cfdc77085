package test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// saying is a function that answers with what the message has as its result.
func saying(event map[string]any) (any, error) {
	var message struct{ Result any }
	body, _ := event["body"].(string)
	err := json.Unmarshal([]byte(body), &message)
	return message.Result, err
}

// §4.3: the form of ids, in events and in URLs.
func TestContract43Ids(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"connect": ok, "echo": echoBody})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "", map[string]string{"$connect": "connect", "echo": "echo"}, "echo")}, nil)
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`)
	conn := mustDial(t, g, "/chat/dev")
	conn.send(`{"action":"echo"}`)
	conn.recv()
	message := l.awaitEvent(t, "echo", 1)
	seen := map[any]bool{}
	for _, name := range []string{"connectionId", "requestId", "messageId"} {
		id, _ := member(message, "requestContext", name).(string)
		if raw, err := base64.URLEncoding.DecodeString(id); !form.MatchString(id) || err != nil || len(raw) != 11 || seen[id] {
			t.Errorf("%s is %q", name, id)
		}
		seen[id] = true
	}
	id, _ := member(message, "requestContext", "connectionId").(string)
	for _, written := range []string{id, strings.Replace(id, "=", "%3D", 1), strings.Replace(id, "=", "%3d", 1)} {
		if got := call(t, "POST", "http://"+g.Data+"/chat/dev/@connections/"+written, written); got != "200" {
			t.Errorf("%s in a URL: %s", written, got)
		} else if got := conn.recv(); got != written {
			t.Errorf("the client got %q", got)
		}
	}
}

// §4.4 and §4.5 beyond sizes and binary frames, which are TestConformance08Sizes.
func TestContract44Messages(t *testing.T) {
	t.Parallel()
	overtaken := make(chan struct{})
	l := startLambdas(t, map[string]lambdaFunction{
		"slow":  func(e map[string]any) (any, error) { <-overtaken; return echoBody(e) },
		"fast":  echoBody,
		"quiet": saying,
		"crash": func(map[string]any) (any, error) { return nil, errors.New("boom") },
	})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "limits: aws\n",
		map[string]string{"slow": "slow", "fast": "fast", "quiet": "quiet", "crash": "crash", "$default": "fast"}, "slow", "fast", "$default")}, nil)
	echoes := func(t *testing.T, conn *dialled) {
		t.Helper()
		conn.send(`{"action":"fast"}`)
		if got := conn.recv(); got != `{"action":"fast"}` {
			t.Errorf("the next answer is %s", got)
		}
	}

	t.Run("answers need not come in the order of messages", func(t *testing.T) {
		conn := mustDial(t, g, "/chat/dev")
		conn.send(`{"action":"slow"}`)
		l.awaitEvent(t, "slow", 1)
		echoes(t, conn)
		close(overtaken)
		if got := conn.recv(); got != `{"action":"slow"}` {
			t.Errorf("then came %s", got)
		}
	})
	t.Run("a backend's status makes no frame and leaves the connection open", func(t *testing.T) {
		conn := mustDial(t, g, "/chat/dev")
		for i, status := range []int{200, 201, 301, 400, 401, 403, 404, 500, 501} {
			conn.send(fmt.Sprintf(`{"action":"quiet","result":{"statusCode":%d,"body":"nobody reads this"}}`, status))
			l.awaitEvent(t, "quiet", i+1)
		}
		echoes(t, conn)
	})
	t.Run("a failure on a one-way route makes a frame and leaves the connection open", func(t *testing.T) {
		conn := mustDial(t, g, "/chat/dev")
		conn.send(`{"action":"crash"}`)
		if got := steady(conn.recv()); got != frameInternal {
			t.Errorf("got %s", got)
		}
		echoes(t, conn)
	})
	t.Run("§4.5 client pings are answered and reach no backend", func(t *testing.T) {
		raw := rawDial(t, g, "/chat/dev")
		before := len(l.of("fast"))
		raw.frame(9, true, []byte("are you there?"))
		if op, payload := raw.read(); op != 10 || string(payload) != "are you there?" {
			t.Errorf("got opcode %d %q", op, payload)
		}
		raw.frame(9, true, nil)
		raw.frame(1, true, []byte("hello"))
		if op, payload := raw.read(); op != 10 || len(payload) != 0 {
			t.Errorf("got opcode %d %q", op, payload)
		}
		if got := raw.next(); got != "hello" {
			t.Errorf("got %q", got)
		}
		if got := len(l.of("fast")) - before; got != 1 {
			t.Errorf("the backend was called %d times for two pings and a message", got)
		}
	})
}

// The table of §5. Frames are compared byte for byte, with <id> for ids; after each the connection is open.
func TestContract5ErrorFrames(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	l := startLambdas(t, map[string]lambdaFunction{
		"crash": func(map[string]any) (any, error) { return nil, errors.New("boom") },
		"hang":  func(map[string]any) (any, error) { <-release; return ok(nil) },
		"says":  saying,
		"echo":  echoBody,
	})
	t.Cleanup(func() { close(release) })
	backend, calls := recordingBackend(t)
	http := func(more string) string {
		return `{type: HTTP, httpMethod: POST, uri: "` + backend + `/answer/200/", responses: {$default: {}}, ` + more + "}"
	}
	denied := func(status int) string {
		return fmt.Sprintf(`{type: LAMBDA, uri: "%s/answer/%d/2015-03-31/functions/f/invocations"}`, backend, status)
	}
	text := socketAPI("chat", "models: {M: {schema: {type: object, required: [text]}}}\n",
		"crash: {integration: "+l.on("crash")+"}",
		"crash2: {routeResponse: true, integration: "+l.on("crash")+"}",
		"says: {integration: "+l.on("says")+"}",
		"says2: {routeResponse: true, integration: "+l.on("says")+"}",
		"denied: {integration: "+denied(403)+"}",
		"busy: {integration: "+denied(429)+"}",
		"mapping: {integration: "+http(`requestTemplates: {application/json: "#set($l = [])$l[3]"}`)+"}",
		"unmatched: {integration: "+strings.Replace(http(""), "$default", "/5../", 1)+"}",
		"hang: {integration: {type: LAMBDA, timeoutInMillis: 100, uri: "+l.uri("hang")+"}}",
		"model: {requestModels: {$default: M}, integration: "+l.on("echo")+"}",
		"never: {integration: "+http("passthroughBehavior: NEVER")+"}",
		"throttled: {throttle: {rateLimit: 0.001, burstLimit: 1}, integration: "+l.on("echo")+"}",
		"echo: {routeResponse: true, integration: "+l.on("echo")+"}",
	)
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	conn := mustDial(t, g, "/chat/dev")
	plain := func(words string) string {
		return `{"message": "` + words + `", "connectionId":"<id>", "requestId":"<id>"}`
	}
	for _, c := range []struct{ row, message, frame string }{ // "" is silence
		{"no route and no $default", `{"action":"nowhere"}`, plain("Forbidden")},
		{"no JSON and no $default", `hello`, plain("Forbidden")},
		{"Lambda exception, one-way", `{"action":"crash"}`, plain("Internal server error")},
		{"Lambda exception, two-way", `{"action":"crash2"}`, plain("Internal server error")},
		{"missing invoke permission", `{"action":"denied"}`, plain("Internal server error")},
		{"Lambda is throttled", `{"action":"busy"}`, plain("Internal server error")},
		{"malformed proxy response", `{"action":"says2","result":{"statusCode":"two"}}`, plain("Internal server error")},
		{"malformed proxy response, one-way: discarded", `{"action":"says","result":"two"}`, ""},
		{"bad mapping: the template fails", `{"action":"mapping"}`, plain("Internal server error")},
		{"bad mapping: no integration response", `{"action":"unmatched"}`, plain("Internal server error")},
		{"integration timeout", `{"action":"hang"}`, plain("Endpoint request timed out")},
		{"model validation failure", `{"action":"model"}`, `{"message": "Bad request body", "connectionId":"<id>", "requestId":"<id>", "messageId":"<id>"}`},
		{"throttled: the burst", `{"action":"throttled"}`, ""},
		{"throttled", `{"action":"throttled"}`, plain("Too Many Requests")},
		{"no template and passthrough refused", `{"action":"never"}`, plain("Unsupported Media Type")},
		{"null on a one-way route", `{"action":"says","result":null}`, ""},
		{"null on a two-way route", `{"action":"says2","result":null}`, plain("Internal server error")},
	} {
		t.Run(c.row, func(t *testing.T) {
			conn.t = t
			conn.send(c.message)
			if c.frame != "" {
				if got := steady(conn.recv()); got != c.frame {
					t.Errorf("got  %s\nwant %s", got, c.frame)
				}
			}
			conn.send(`{"action":"echo"}`)
			if got := conn.recv(); got != `{"action":"echo"}` {
				t.Errorf("afterwards: %s", got)
			}
		})
	}
	conn.t = t
	t.Run("requestId is that of the failed message", func(t *testing.T) {
		conn.send(`{"action":"crash2","again":true}`)
		var ids struct{ ConnectionID, RequestID string }
		if err := json.Unmarshal([]byte(conn.recv()), &ids); err != nil {
			t.Fatal(err)
		}
		events := l.of("crash")
		failed := member(events[len(events)-1], "requestContext")
		if member(failed, "requestId") != ids.RequestID || member(failed, "connectionId") != ids.ConnectionID {
			t.Errorf("the frame has %v, the event %v", ids, failed)
		}
	})
	t.Run("what is refused before the integration does not reach it", func(t *testing.T) {
		close(calls)
		for c := range calls {
			if strings.Contains(c.body, "never") || strings.Contains(c.body, "mapping") {
				t.Errorf("the backend got %s", c.body)
			}
		}
		for _, e := range l.of("echo") {
			if strings.Contains(fmt.Sprint(e["body"]), "model") {
				t.Errorf("the function got %v", e["body"])
			}
		}
	})
}

// §6.5 and §7.7: what of a result becomes a frame.
func TestContract65Results(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{
		"says":    saying,
		"connect": func(map[string]any) (any, error) { return map[string]any{"statusCode": 200, "body": "welcome"}, nil },
	})
	g := startGateway(t, map[string]string{"chat.yaml": onFunctions(l, "maxInFlight: 1\n", map[string]string{"$connect": "connect", "two": "says", "one": "says"}, "two")}, nil)
	for _, c := range []struct{ row, message, want string }{ // want: "" is silence
		{"the body is one frame, bare", `{"action":"two","result":{"statusCode":200,"headers":{"X":"y"},"body":"hello"}}`, "text hello"},
		{"an empty body sends nothing", `{"action":"two","result":{"statusCode":200,"body":""}}`, ""},
		{"a missing body sends nothing", `{"action":"two","result":{"statusCode":200}}`, ""},
		{"without a route response the result is discarded", `{"action":"one","result":{"statusCode":200,"body":"hello"}}`, ""},
		{"status 300 and more: the body regardless", `{"action":"two","result":{"statusCode":404,"body":"hello"}}`, "text hello"},
		{"status 500: the body regardless", `{"action":"two","result":{"statusCode":500,"body":"hello"}}`, "text hello"},
		{"base64 that is UTF-8 becomes text", `{"action":"two","result":{"statusCode":200,"isBase64Encoded":true,"body":"aMOp"}}`, "text hé"},
		{"base64 that is none becomes a binary frame", `{"action":"two","result":{"statusCode":200,"isBase64Encoded":true,"body":"/wA="}}`, "binary ff00"},
	} {
		t.Run(c.row, func(t *testing.T) {
			conn := mustDial(t, g, "/chat/dev") // the first frame is never the welcome of $connect
			conn.send(c.message)
			conn.send(`{"action":"two","result":{"statusCode":200,"body":"end"}}`)
			want := "[text end]"
			if c.want != "" {
				want = "[" + c.want + " text end]"
			}
			var got []string
			for len(got) == 0 || got[len(got)-1] != "text end" {
				kind, body, err := conn.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				one := "text " + string(body)
				if kind == websocket.MessageBinary {
					one = fmt.Sprintf("binary %x", body)
				}
				got = append(got, one)
			}
			if fmt.Sprint(got) != want {
				t.Errorf("the client got %v, want %s", got, want)
			}
		})
	}
}
