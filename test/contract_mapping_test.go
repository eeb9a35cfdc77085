package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of §8.1: each source, into each target, at $connect and with messages.
func TestContract81Sources(t *testing.T) {
	t.Parallel()
	backend, calls := recordingBackend(t)
	l := startLambdas(t, map[string]lambdaFunction{"authorize": func(e map[string]any) (any, error) {
		arn, _ := e["methodArn"].(string)
		return policy("Allow", arn), nil
	}})
	rows := []struct{ row, source, connect, message string }{ // "-": the parameter is left out
		{"query string", "route.request.querystring.room", "b", "-"},
		{"header", "route.request.header.X-Mine", "two", "-"},
		{"header, in any case", "route.request.header.x-mINE", "two", "-"},
		{"multi-value query string", "route.request.multivaluequerystring.room", "a,b", "-"},
		{"multi-value header", "route.request.multivalueheader.X-Mine", "one,two", "-"},
		{"body", "route.request.body", "-", `{"text":"hello","list":[1,{"x":"y"}]}`},
		{"a member of the body", "route.request.body.text", "-", "hello"},
		{"a path into the body", "route.request.body.list[1].x", "-", "y"},
		{"a member that the body lacks", "route.request.body.missing", "-", "-"},
		{"a query parameter that is missing", "route.request.querystring.missing", "-", "-"},
		{"a header that is missing", "route.request.header.X-Missing", "-", "-"},
		{"stage variable", "stageVariables.table", "users", "users"},
		{"stage variable that is missing", "stageVariables.missing", "-", "-"},
		{"context", "context.routeKey", "$connect", "$default"},
		{"context, nested", "context.identity.sourceIp", "127.0.0.1", "127.0.0.1"},
		{"context of the authorizer", "context.authorizer.room", "blue", "blue"},
		{"constant", "'a text'", "a text", "a text"},
		{"the V2 reference's spelling", "method.request.querystring.room", "b", "-"},
	}
	parameters := []string{
		"integration.request.querystring.kind: stageVariables.table", "integration.request.path.name: context.stage",
		`integration.request.querystring.odd: "'a&b c/d'"`, `integration.request.path.odd: "'a/b c?d'"`,
	}
	for i, c := range rows {
		parameters = append(parameters, fmt.Sprintf("integration.request.header.row-%d: %q", i, c.source))
	}
	integration := fmt.Sprintf(`{type: HTTP, httpMethod: POST, uri: "%s/answer/200/{name}/{odd}", responses: {$default: {}}, requestParameters: {%s}}`, backend, strings.Join(parameters, ", "))
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat",
		"authorizers:\n  users: {type: REQUEST, integration: "+l.on("authorize")+"}\nintegrations:\n  it: "+integration+"\n",
		"$connect: {authorizer: users, integration: it}", "$default: {integration: it}",
	) + "stages: {dev: {variables: {table: users}}}\n"}, nil)
	conn, status := knock(t, g, "/chat/dev?room=a&room=b", http.Header{"X-Mine": {"one", "two"}})
	if conn == nil {
		t.Fatal(status)
	}
	connect := nextCall(t, calls)
	conn.send(`{"text":"hello","list":[1,{"x":"y"}]}`)
	message := nextCall(t, calls)
	for i, c := range rows {
		t.Run(c.row, func(t *testing.T) {
			for kind, want := range map[*backendCall]string{&connect: c.connect, &message: c.message} {
				got := "-"
				if values := kind.header.Values(fmt.Sprint("row-", i)); len(values) > 0 {
					got = strings.Join(values, "|")
				}
				if got != want {
					t.Errorf("%s: %q with the body %q, want %q", c.source, got, kind.body, want)
				}
			}
		})
	}
	t.Run("path and query targets, percent-encoded", func(t *testing.T) {
		for _, c := range []backendCall{connect, message} {
			if c.uri != "/answer/200/dev/a%2Fb%20c%3Fd?kind=users&odd=a%26b+c%2Fd" {
				t.Errorf("the backend was called at %s", c.uri)
			}
		}
	})
	t.Run("proxies take them too", func(t *testing.T) {
		said := faultsOf(t, socketAPI("chat", "", `x: {integration: {type: HTTP_PROXY, uri: "http://127.0.0.1/", requestParameters: {integration.request.header.connectionId: context.connectionId}}}`))
		if said != "" {
			t.Errorf("validate says %q", said)
		}
	})
	for row, parameter := range map[string]string{
		"names have letters, digits, . _ $ -": `integration.request.header.a b: context.stage`,
		"a value has at most 512 characters":  `integration.request.header.a: "'` + strings.Repeat("x", 511) + `'"`,
		"a value is not empty":                `integration.request.header.a: ""`,
		"no other source":                     `integration.request.header.a: route.response.body`,
		"no other target":                     `integration.response.header.a: context.stage`,
	} {
		t.Run(row, func(t *testing.T) {
			said := faultsOf(t, socketAPI("chat", "", `x: {integration: {type: HTTP_PROXY, uri: "http://127.0.0.1/", requestParameters: {`+parameter+`}}}`))
			if !strings.Contains(said, "requestParameters") {
				t.Errorf("validate says %q", said)
			}
		})
	}
}

// §8.2: what templates see, and which one is taken.
func TestContract82Templates(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"authorize": func(e map[string]any) (any, error) {
		arn, _ := e["methodArn"].(string)
		return policy("Allow", arn), nil
	}})
	backend, calls := recordingBackend(t)
	variables := []struct{ row, template, message, want string }{
		{"$input.body", "$input.body", `{"a": 1}`, `{"a": 1}`},
		{"$input.json", "$input.json('$.a')", `{"a":{"b":"c"}}`, `{"b":"c"}`},
		{"$input.path", "$input.path('$.a.b')", `{"a":{"b":"c"}}`, "c"},
		{"$stageVariables", "$stageVariables.table", "{}", "users"},
		{"$util.escapeJavaScript", `$util.escapeJavaScript($input.path('$.a'))`, `{"a":"say \"hi\""}`, `say \"hi\"`},
		{"$util.parseJson", `$util.parseJson($input.path('$.a')).b`, `{"a":"{\"b\":7}"}`, "7"},
		{"$util.urlEncode", `$util.urlEncode($input.path('$.a'))`, `{"a":"a b&c"}`, "a+b%26c"},
		{"$util.urlDecode", `$util.urlDecode($input.path('$.a'))`, `{"a":"a+b%26c"}`, "a b&c"},
		{"$util.base64Encode", `$util.base64Encode($input.path('$.a'))`, `{"a":"hello"}`, "aGVsbG8="},
		{"$util.base64Decode", `$util.base64Decode($input.path('$.a'))`, `{"a":"aGVsbG8="}`, "hello"},
		{"$context.connectionId", "$context.connectionId", "{}", "<id>"},
		{"$context.messageId", "$context.messageId", "{}", "<id>"},
		{"$context.requestId", "$context.requestId", "{}", "<id>"},
		{"$context.extendedRequestId", "$context.extendedRequestId", "{}", "<id>"},
		{"$context.connectedAt", "$context.connectedAt", "{}", "<ms>"},
		{"$context.requestTimeEpoch", "$context.requestTimeEpoch", "{}", "<ms>"},
		{"$context.requestTime", "$context.requestTime", "{}", "<time>"},
		{"$context.domainName", "$context.domainName", "{}", "127.0.0.1"},
		{"$context.eventType", "$context.eventType", "{}", "MESSAGE"},
		{"$context.routeKey", "$context.routeKey", "{}", "$default"},
		{"$context.apiId", "$context.apiId", "{}", "API"},
		{"$context.stage", "$context.stage", "{}", "dev"},
		{"$context.authorizer.principalId", "$context.authorizer.principalId", "{}", "ann"},
		{"$context.authorizer, a number as text", "$context.authorizer.level", "{}", "7"},
		{"$context.authorizer, a boolean as text", "$context.authorizer.admin", "{}", "true"},
		{"$context.identity.sourceIp", "$context.identity.sourceIp", "{}", "127.0.0.1"},
		{"$context.identity.userAgent", "$context.identity.userAgent", "{}", "Go-http-client/1.1"},
	}
	const three = `requestTemplates: {application/json: 'json', text/a: 'a', $default: 'default'}`
	const pick = "templateSelectionExpression: $request.body.kind, "
	choices := []struct{ row, settings, message, want string }{
		{"without an expression application/json", three, `{"kind":"text/a"}`, "json"},
		{"without an expression, and without application/json, $default", `requestTemplates: {text/a: 'a', $default: 'default'}`, `{"kind":"text/a"}`, "default"},
		{"the evaluated key", pick + three, `{"kind":"text/a"}`, "a"},
		{"then $default", pick + three, `{"kind":"b"}`, "default"},
		{"no match, WHEN_NO_MATCH", `requestTemplates: {text/a: 'a'}`, "hello", "hello"},
		{"no template, WHEN_NO_TEMPLATES", "passthroughBehavior: WHEN_NO_TEMPLATES", "hello", "hello"},
		{"no match, WHEN_NO_TEMPLATES", `passthroughBehavior: WHEN_NO_TEMPLATES, requestTemplates: {text/a: 'a'}`, "hello", "415"},
		{"no match, NEVER", `passthroughBehavior: NEVER, requestTemplates: {text/a: 'a'}`, "hello", "415"},
	}
	head := "authorizers:\n  users: {type: REQUEST, integration: " + l.on("authorize") + "}\n"
	files := map[string]string{}
	api := func(name, settings string) {
		files[name+".yaml"] = socketAPI(name, head, "$connect: {authorizer: users}", fmt.Sprintf(
			`$default: {routeResponse: true, integration: {type: HTTP, httpMethod: POST, uri: "%s/answer/200/", responses: {$default: {}}, %s}}`, backend, settings)) +
			"stages: {dev: {variables: {table: users}}}\n"
	}
	for i, c := range variables {
		api(fmt.Sprint("variable", i), `requestTemplates: {$default: "`+strings.ReplaceAll(c.template, `"`, `\"`)+`"}`)
	}
	for i, c := range choices {
		api(fmt.Sprint("choice", i), c.settings)
	}
	files["connect.yaml"] = socketAPI("connect", "", `$connect: {integration: {type: HTTP, httpMethod: POST, uri: "`+backend+`/answer/200/", responses: {$default: {}}, `+
		`requestTemplates: {$default: "$input.params('room') $input.params().querystring.room $input.params().header.get('X-Mine') [$input.body] $context.eventType"}}}`)
	g := startGateway(t, files, nil)
	run := func(row, name, message, want string) {
		t.Run(row, func(t *testing.T) {
			conn := mustDial(t, g, "/"+name+"/dev")
			conn.send(message)
			got := strings.ReplaceAll(steady(conn.recv()), name, "API")
			if want == "415" {
				want = `{"message": "Unsupported Media Type", "connectionId":"<id>", "requestId":"<id>"}`
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	for i, c := range variables {
		run(c.row, fmt.Sprint("variable", i), c.message, c.want)
	}
	for i, c := range choices {
		run(c.row, fmt.Sprint("choice", i), c.message, c.want)
	}
	t.Run("$input.params at $connect", func(t *testing.T) {
		for len(calls) > 0 {
			<-calls
		}
		if conn, status := knock(t, g, "/connect/dev?room=blue", http.Header{"X-Mine": {"1"}}); conn == nil {
			t.Fatal(status)
		}
		if got := nextCall(t, calls); got.body != "blue blue 1 [{}] CONNECT" {
			t.Errorf("the backend got %q", got.body)
		}
	})
}

// §8.3: which model a message is held to, and that proxies are held to it too.
func TestContract83Models(t *testing.T) {
	t.Parallel()
	l := startLambdas(t, map[string]lambdaFunction{"echo": echoBody})
	route := func(key, settings string) string {
		return key + ": {routeResponse: true, " + settings + "integration: " + l.on("echo") + "}"
	}
	models := `models:
  Word: {schema: {type: object, required: [word], properties: {word: {type: string}}}}
  Four: {schema: {type: object, properties: {n: {type: number, minimum: 0, exclusiveMinimum: true}}}}
  Any: {schema: {}}
`
	const pick = "modelSelectionExpression: $request.body.kind, "
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", models,
		route("picked", pick+"requestModels: {word: Word, $default: Any}, "), route("strict", pick+"requestModels: {word: Word}, "),
		route("default", "requestModels: {$default: Word}, "), route("four", "requestModels: {$default: Four}, "), route("free", ""),
	)}, nil)
	conn := mustDial(t, g, "/chat/dev")
	for _, c := range []struct {
		row, message string
		passes       bool
	}{
		{"the model of the evaluated key passes", `{"action":"picked","kind":"word","word":"x"}`, true},
		{"the model of the evaluated key refuses", `{"action":"picked","kind":"word"}`, false},
		{"no match: $default", `{"action":"picked","kind":"other"}`, true},
		{"no match and no $default", `{"action":"strict","kind":"other"}`, false},
		{"without an expression $default, on a proxy", `{"action":"default","word":7}`, false},
		{"draft 4: exclusiveMinimum is a boolean", `{"action":"four","n":0}`, false},
		{"draft 4: exclusiveMinimum is a boolean, and lets more pass", `{"action":"four","n":1}`, true},
		{"no models: no validation", `{"action":"free"}`, true},
	} {
		t.Run(c.row, func(t *testing.T) {
			before := len(l.of("echo"))
			conn.t = t
			conn.send(c.message)
			want := `{"message": "Bad request body", "connectionId":"<id>", "requestId":"<id>", "messageId":"<id>"}`
			if c.passes {
				want = c.message
			}
			if got := steady(conn.recv()); got != want {
				t.Errorf("got %s", got)
			}
			if called := len(l.of("echo")) > before; called != c.passes {
				t.Errorf("the backend was called: %t", called)
			}
		})
	}
}

// §8.3: what is wrong with a message is told in the access log alone.
func TestContract83DetailIsInTheLog(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "access.log")
	g := startGateway(t, map[string]string{"chat.yaml": socketAPI("chat", "models: {Word: {schema: {type: object, required: [word]}}}\n",
		strings.Replace(mockRoute("say", "x"), "{routeResponse", "{requestModels: {$default: Word}, routeResponse", 1)) +
		`stages: {dev: {accessLog: {destination: "` + file + `", format: '$context.requestId $context.eventType $context.error.message: $context.error.validationErrorString'}}}` + "\n"}, nil)
	conn := mustDial(t, g, "/chat/dev")
	conn.send(`{"action":"say"}`)
	if got := steady(conn.recv()); got != `{"message": "Bad request body", "connectionId":"<id>", "requestId":"<id>", "messageId":"<id>"}` {
		t.Errorf("the client got %s", got)
	}
	_ = conn.CloseNow()
	if err := g.stop(); err != nil { // writes what is queued
		t.Fatal(err)
	}
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`MESSAGE .*`).FindString(string(log))
	if !strings.HasPrefix(line, "MESSAGE Bad request body: ") || !strings.Contains(line, "word") {
		t.Errorf("the log holds:\n%s", log)
	}
}
