package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/app"
)

// faultsOf is what validate says of a definition.
func faultsOf(t *testing.T, text string) string {
	t.Helper()
	_, problems, err := app.Validate([]string{write(t, t.TempDir(), "chat.yaml", text)}, "sallyport")
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&said, p.Error())
	}
	return said.String()
}

// §7.1: stage variables anywhere in a URI, and the range of timeouts.
func TestContract71Common(t *testing.T) {
	t.Parallel()
	backend, calls := recordingBackend(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(backend, "http://"), ":")
	rows := []struct{ row, kind, uri, want string }{
		{"the whole host", "HTTP_PROXY", "http://${stageVariables.host}/answer/200/", "/answer/200/"},
		{"a part of the host", "HTTP_PROXY", "http://${stageVariables.label}.0.0.1:" + port + "/answer/200/", "/answer/200/"},
		{"the path", "HTTP_PROXY", backend + "/answer/200/${stageVariables.folder}/x", "/answer/200/users/x"},
		{"a query value", "HTTP_PROXY", backend + "/answer/200/?table=${stageVariables.folder}", "/answer/200/?table=users"},
		{"the function's name", "LAMBDA", backend + "/answer/200/2015-03-31/functions/${stageVariables.folder}/invocations", "/answer/200/2015-03-31/functions/users/invocations"},
	}
	files := map[string]string{}
	for i, c := range rows {
		name := fmt.Sprint("row", i)
		files[name+".yaml"] = socketAPI(name, "", fmt.Sprintf("$default: {integration: {type: %s, uri: %q}}", c.kind, c.uri)) +
			`stages: {dev: {variables: {host: "127.0.0.1:` + port + `", label: "127", folder: users}}}` + "\n"
	}
	g := startGateway(t, files, nil)
	for i, c := range rows {
		t.Run(c.row, func(t *testing.T) {
			mustDial(t, g, fmt.Sprintf("/row%d/dev", i)).send("hello")
			if got := nextCall(t, calls); got.uri != c.want || got.host != "127.0.0.1:"+port {
				t.Errorf("the backend was called at %s%s", got.host, got.uri)
			}
		})
	}
	for milliseconds, fault := range map[int]bool{49: true, 50: false, 29000: false, 29001: true} {
		t.Run(fmt.Sprintf("timeoutInMillis %d", milliseconds), func(t *testing.T) {
			said := faultsOf(t, socketAPI("chat", "limits: aws\n", fmt.Sprintf(`x: {integration: {type: HTTP_PROXY, uri: "http://127.0.0.1/", timeoutInMillis: %d}}`, milliseconds)))
			if strings.Contains(said, "timeoutInMillis") != fault {
				t.Errorf("validate says %q", said)
			}
		})
	}
}

// §7.2 beyond the events: how a function is invoked, and what its endpoint's refusals become at $connect. Those of messages
// are rows of TestContract5ErrorFrames.
func TestContract72Lambda(t *testing.T) {
	t.Parallel()
	backend, calls := recordingBackend(t)
	files := map[string]string{}
	for _, status := range []int{200, 403, 429, 500} {
		name := fmt.Sprint("s", status)
		files[name+".yaml"] = socketAPI(name, "", fmt.Sprintf(`$connect: {integration: {type: AWS_PROXY, uri: "%s/answer/%d/2015-03-31/functions/f/invocations"}}`, backend, status))
	}
	g := startGateway(t, files, nil)
	for _, c := range []struct {
		row, api string
		want     int
	}{
		{"missing permission → 500", "s403", 500}, {"Lambda is throttled → 500", "s429", 500}, {"Lambda is broken → 500", "s500", 500},
		{"AWS_PROXY is LAMBDA; an event that comes back is no result", "s200", 502},
	} {
		t.Run(c.row, func(t *testing.T) {
			if _, got := knock(t, g, "/"+c.api+"/dev", nil); got != c.want {
				t.Errorf("the client saw %d", got)
			}
			got := nextCall(t, calls)
			if got.method != "POST" || !strings.HasSuffix(got.uri, "/2015-03-31/functions/f/invocations") ||
				got.header.Get("X-Amz-Invocation-Type") != "RequestResponse" || !strings.Contains(got.body, `"eventType":"CONNECT"`) {
				t.Errorf("the function was invoked with %+v", got)
			}
		})
	}
}

// §7.3: what an HTTP_PROXY backend gets, header by header, and what it answers.
func TestContract73HTTPProxy(t *testing.T) {
	t.Parallel()
	backend, calls := recordingBackend(t)
	integration := func(status int) string {
		return fmt.Sprintf(`{type: HTTP_PROXY, httpMethod: PUT, uri: "%s/answer/%d/"}`, backend, status)
	}
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", "maxInFlight: 1\n",
		"$connect: {integration: "+integration(200)+"}", "$disconnect: {integration: "+integration(500)+"}",
		"two: {routeResponse: true, integration: "+integration(200)+"}", "broken: {routeResponse: true, integration: "+integration(500)+"}",
		"quiet: {integration: "+integration(404)+"}",
	)}, nil)
	// of returns the call's headers without those that have another value each time.
	of := func(t *testing.T, c backendCall) map[string]string {
		t.Helper()
		if trace := c.header.Get("X-Amzn-Trace-Id"); !strings.HasPrefix(trace, "Root=1-") {
			t.Errorf("X-Amzn-Trace-Id is %q", trace)
		}
		rest := map[string]string{"Host": c.host}
		for name, values := range c.header {
			if !slices.Contains([]string{"X-Amzn-Trace-Id", "Accept-Encoding", "Content-Length", "X-Forwarded-Port"}, name) {
				rest[name] = strings.Join(values, ", ")
			}
		}
		return rest
	}
	host := strings.TrimPrefix(backend, "http://")
	check := func(t *testing.T, c backendCall, body, uri string, want map[string]string) {
		t.Helper()
		if c.method != "PUT" || c.body != body || c.uri != uri {
			t.Errorf("%s %s %q", c.method, c.uri, c.body)
		}
		want["Host"], want["X-Amzn-Apigateway-Api-Id"] = host, "chat"
		if want["User-Agent"] == "" {
			want["User-Agent"] = "AmazonAPIGateway_chat"
		}
		if diff := cmp.Diff(want, of(t, c)); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}
	conn := rawDial(t, g, "/chat/dev?channel=a%20b", "Cookie: sid=1", "Origin: https://app.example", "Sec-WebSocket-Extensions: x-none")
	t.Run("$connect: headers and query go through, no body", func(t *testing.T) {
		c := nextCall(t, calls)
		got := of(t, c)
		for name, want := range map[string]string{
			"Cookie": "sid=1", "Origin": "https://app.example", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			"Sec-Websocket-Version": "13", "Sec-Websocket-Extensions": "x-none", "Host": host, "X-Amzn-Apigateway-Api-Id": "chat",
		} {
			if got[name] != want {
				t.Errorf("the header %s is %q, want %q", name, got[name], want)
			}
		}
		if c.method != "PUT" || c.uri != "/answer/200/?channel=a%20b" || c.body != "" || got["Upgrade"] != "" || got["Connection"] != "" {
			t.Errorf("%s %s %q %v", c.method, c.uri, c.body, got)
		}
	})
	t.Run("message: the raw text and none of the client's headers; the whole answer is the reply", func(t *testing.T) {
		const text = `{"action":"two", "n":1.50 }`
		conn.frame(1, true, []byte(text))
		check(t, nextCall(t, calls), text, "/answer/200/", map[string]string{"Content-Type": "application/json"})
		if got := conn.next(); got != text {
			t.Errorf("the reply is %q", got)
		}
	})
	t.Run("a backend's 5xx: its body on a two-way route, no frame on a one-way one", func(t *testing.T) {
		conn.frame(1, true, []byte(`{"action":"quiet"}`))
		conn.frame(1, true, []byte(`{"action":"broken"}`))
		if got := conn.next(); got != `{"action":"broken"}` {
			t.Errorf("the client got %q", got)
		}
		nextCall(t, calls)
		nextCall(t, calls)
	})
	t.Run("$disconnect: an empty body", func(t *testing.T) {
		conn.frame(8, true, nil)
		check(t, nextCall(t, calls), "", "/answer/500/", map[string]string{})
	})
}

// §7.4 to §7.8: what goes to an HTTP backend, and which integration response makes the answer.
func TestContract74to78Mapped(t *testing.T) {
	t.Parallel()
	backend, calls := recordingBackend(t)
	integration := func(status int, more string) string {
		return fmt.Sprintf(`{type: HTTP, httpMethod: POST, uri: "%s/answer/%d/", %s}`, backend, status, more)
	}
	text := func(s string) string { return "{responseTemplates: {application/json: '" + s + "'}}" }
	mock := func(responses string) string {
		return `{type: MOCK, requestTemplates: {application/json: '{"statusCode": $input.path("$.status")}'}, responses: {` + responses + "}}"
	}
	const internal = frameInternal
	rows := []struct{ row, integration, message, sent, reply string }{ // reply "": silence
		{"§7.4 the rendered template", integration(200, "responses: {$default: "+text("<$input.body>")+"}"), "{}", "{}", "<{}>"},
		{"§7.4 the unmodified body without a template", integration(200, "responses: {$default: {}}"), "hello", "hello", "hello"},
		{"§7.4 what the request template renders", integration(200, `requestTemplates: {application/json: '[$input.body]'}, responses: {$default: {}}`), `{"a":1}`, `[{"a":1}]`, `[{"a":1}]`},
		{"§7.6 a pattern over the status code", integration(404, `responses: {'/2\d\d/': `+text("good")+`, '/4\d\d/': `+text("bad")+", $default: "+text("other")+"}"), "x", "x", "bad"},
		{"§7.6 $default", integration(503, `responses: {'/2\d\d/': `+text("good")+", $default: "+text("other")+"}"), "x", "x", "other"},
		{"§7.6 a pattern takes all of the code", integration(404, `responses: {'/4/': `+text("good")+", $default: "+text("other")+"}"), "x", "x", "other"},
		{"§7.6 several patterns: an exact code first", integration(404, `responses: {'/4\d\d/': `+text("pattern")+", '404': "+text("exact")+"}"), "x", "x", "exact"},
		{"§7.6 nothing matches and no $default", integration(404, `responses: {'/2\d\d/': `+text("good")+"}"), "x", "x", internal},
		{"§7.5 MOCK: the code chooses the text", mock(`'200': ` + text("yes") + ", $default: " + text("no")), `{"status":200}`, "", "yes"},
		{"§7.5 MOCK: $default", mock(`'200': ` + text("yes") + ", $default: " + text("no")), `{"status":500}`, "", "no"},
		{"§7.5 MOCK: nothing matches", mock(`'200': ` + text("yes")), `{"status":500}`, "", internal},
		{"§7.5 MOCK: a template that is no JSON", mock("$default: " + text("no")), `{"status":"x y"}`, "", internal},
		{"§7.8 CONVERT_TO_BINARY", integration(200, "contentHandling: CONVERT_TO_BINARY, responses: {$default: {}}"), "aMOpbGxv", "héllo", "héllo"},
		{"§7.8 CONVERT_TO_BINARY of text that is no base64", integration(200, "contentHandling: CONVERT_TO_BINARY, responses: {$default: {}}"), "?", "", internal},
		{"§7.8 CONVERT_TO_TEXT", strings.Replace(integration(200, "responses: {$default: {contentHandling: CONVERT_TO_TEXT}}"), "/answer/200/", "/bytes", 1), "x", "x", "/wBieXRlcw=="},
	}
	routes := []string{
		"$connect: {integration: " + integration(500, "responses: {$default: {statusCode: 200}}") + "}", // §7.4: a response that gives 200 admits
		"one: {integration: " + integration(200, "responses: {$default: "+text("nobody reads this")+"}") + "}",
	}
	files := map[string]string{}
	for i, c := range rows {
		name := fmt.Sprint("row", i)
		files[name+".yaml"] = socketAPI(name, "", "$default: {routeResponse: true, integration: "+c.integration+"}")
	}
	files["lead.yaml"] = socketAPI("lead", "maxInFlight: 1\n", append(routes, whoRoute)...)
	g := startGateway(t, files, nil)
	for i, c := range rows {
		t.Run(c.row, func(t *testing.T) {
			conn := mustDial(t, g, fmt.Sprintf("/row%d/dev", i))
			conn.send(c.message)
			if got := steady(conn.recv()); got != c.reply {
				t.Errorf("the client got %q, want %q", got, c.reply)
			}
			if c.sent == "" {
				return
			}
			got := nextCall(t, calls)
			if got.body != c.sent || got.header.Get("Content-Type") != "application/json" || got.header.Get("User-Agent") != fmt.Sprint("AmazonAPIGateway_row", i) {
				t.Errorf("the backend got %q, want %q, and %v", got.body, c.sent, got.header)
			}
		})
	}
	t.Run("§7.4 nothing of the client at $connect", func(t *testing.T) {
		conn, status := knock(t, g, "/lead/dev?room=blue", http.Header{"X-Mine": {"1"}, "Cookie": {"a=1"}})
		if conn == nil {
			t.Fatal(status)
		}
		got := nextCall(t, calls)
		if got.body != "" || got.uri != "/answer/500/" || got.header.Get("X-Mine") != "" || got.header.Get("Cookie") != "" || got.header.Get("Sec-Websocket-Key") != "" {
			t.Errorf("the backend got %+v", got)
		}
		conn.send(`{"action":"one"}`) // §7.4: only a two-way route answers
		conn.who()
	})
	for row, c := range map[string]struct{ text, fault string }{
		"§7.4 HTTP needs an integration response": {socketAPI("chat", "", `x: {integration: {type: HTTP, uri: "http://127.0.0.1/"}}`), "responses"},
		"§7.7 $disconnect can never answer":       {socketAPI("chat", "", `$disconnect: {routeResponse: true, integration: {type: NATS}}`), "$disconnect can't answer"},
		"§7.7 $connect has no frame to answer":    {socketAPI("chat", "", `$connect: {routeResponse: true, integration: {type: NATS}}`), "$connect can't answer"},
	} {
		t.Run(row, func(t *testing.T) {
			if said := faultsOf(t, c.text); !strings.Contains(said, c.fault) {
				t.Errorf("validate says %q", said)
			}
		})
	}
}

// §7.7: without a route response nothing of a result reaches the client, whatever the type.
func TestContract77OneWay(t *testing.T) {
	t.Parallel()
	reached := make(chan string, callBuffer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"statusCode":200,"body":"nobody reads this"}`)
		reached <- r.URL.Path
	}))
	t.Cleanup(server.Close)
	routes := []string{whoRoute, strings.Replace(mockRoute("MOCK", "nobody reads this"), "routeResponse: true, ", "", 1)}
	for _, kind := range []string{"HTTP_PROXY", "HTTP", "LAMBDA"} {
		more := map[string]string{"HTTP": ", responses: {$default: {}}"}[kind]
		routes = append(routes, fmt.Sprintf(`%s: {integration: {type: %s, uri: "%s/%s"%s}}`, kind, kind, server.URL, kind, more))
	}
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", "maxInFlight: 1\n", routes...)}, nil)
	for _, kind := range []string{"HTTP_PROXY", "HTTP", "LAMBDA", "MOCK"} {
		t.Run(kind, func(t *testing.T) {
			conn := mustDial(t, g, "/chat/dev")
			conn.send(`{"action":"` + kind + `"}`)
			if kind != "MOCK" {
				if got := <-reached; got != "/"+kind {
					t.Errorf("%s was called", got)
				}
			}
			conn.who() // the first frame is its answer
		})
	}
}
