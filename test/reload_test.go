package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A definition that is saved with a fault leaves the running one in place; one without takes its place. Neither cuts a
// connection.
func TestReload(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": quietChat}, nil)
	file := filepath.Join(g.dir, "chat.yaml")
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	early := dial(t, g.Data, "/chat/dev")
	works := func() {
		t.Helper()
		early.say(`{"action":"ask"}`)
		early.hears("answer")
		early.say(`{"action":"new"}`)
	}
	works()
	early.hears(frameForbidden)

	const stay = "the definitions have faults, so the running ones stay:"
	for _, bad := range []struct{ name, text, place string }{
		{"malformed", malformed, ":4:3: malformed YAML"},
		{"does not compile", strings.Replace(quietChat, "tell: {integration: {type: NATS}}", "new: {integration: nowhere}", 1), ":6:9: routes.new.integration: no integration"},
		{"another kind of API", strings.Replace(quietChat, "WEBSOCKET", "HTTP", 1), `routes.ask: `},
		{"empty", "", "chat.yaml:"},
	} {
		before := strings.Count(g.output.String(), stay)
		save(t, file, bad.text)
		g.output.awaitCount(t, stay, before+1)
		g.output.await(t, bad.place)
		works()
		early.hears(frameForbidden)
		if _, status, err := tryDial(t, g.Data, "/chat/dev"); err != nil {
			t.Errorf("%s: a new client was refused with %d: %v", bad.name, status, err)
		}
	}

	// The file is away for a moment, as when an editor replaces it.
	before := strings.Count(g.output.String(), stay)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	g.output.awaitCount(t, stay, before+1)
	works()
	early.hears(frameForbidden)

	serveSubject(t, g.nats, "sallyport.chat.dev.ws.new", reply("new answer"))
	save(t, file, quietChat+"  new: {integration: {type: NATS}, routeResponse: true}\n")
	g.output.await(t, "the definitions were reloaded; no connection was cut")
	works()
	early.hears("new answer")
}

const frameForbidden = `{"message": "Forbidden", "connectionId":"<id>", "requestId":"<id>"}`

// save writes a definition as careful editors do: a new file that takes the old one's place.
func save(t *testing.T, file, text string) {
	t.Helper()
	if err := os.Rename(write(t, filepath.Dir(file), "saved", text), file); err != nil {
		t.Fatal(err)
	}
}

// A stage's worker follows a reload too: what a new integration says reaches clients that were there before.
func TestReloadOfAnIntegration(t *testing.T) {
	t.Parallel()
	const mock = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $default: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}, responses: {default: {responseTemplates: {application/json: 'first'}}}}, routeResponse: true}
`
	g := startGateway(t, map[string]string{"chat.yaml": mock}, nil)
	u := dial(t, g.Data, "/chat/dev")
	u.say("hello")
	u.hears("first")
	save(t, filepath.Join(g.dir, "chat.yaml"), strings.Replace(mock, "'first'", "'second'", 1))
	g.output.await(t, "the definitions were reloaded")
	u.say("hello")
	u.hears("second")
}
