package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/internal/app"
)

// authorizedChat is an API whose $connect asks the authorizer with that integration, and whose echo route answers with
// nothing but what a MOCK can say.
func authorizedChat(integration string) string {
	return `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
authorizers:
  users: {type: REQUEST, identitySource: [route.request.querystring.token], integration: ` + integration + `}
routes:
  $connect: {authorizer: users}
  who: {integration: {type: NATS}, routeResponse: true}
stages: {dev: {}}
`
}

// decide is what both backends below do with an authorizer's event.
func decide(event []byte) (status int, answer []byte) {
	var ask struct {
		Type, MethodARN                string
		Headers, QueryStringParameters map[string]string
	}
	if json.Unmarshal(event, &ask) != nil || ask.Type != "REQUEST" ||
		ask.Headers["Connection"] != "Upgrade" || ask.Headers["Upgrade"] != "websocket" || ask.Headers["content-length"] != "0" {
		return http.StatusBadRequest, nil
	}
	effect := "Deny"
	switch ask.QueryStringParameters["token"] {
	case "who":
		return http.StatusUnauthorized, nil
	case "junk":
		return http.StatusOK, []byte("yes")
	case "good":
		effect = "Allow"
	}
	return http.StatusOK, fmt.Appendf(nil, `{"principalId":"ann","context":{"level":7},"policyDocument":{"Statement":`+
		`{"Effect":%q,"Action":"execute-api:Invoke","Resource":%q}}}`, effect, ask.MethodARN)
}

// knockAll compares what clients with each token see.
func knockAll(t *testing.T, g *stageGateway) {
	t.Helper()
	for query, want := range map[string]int{
		"": 401, "?token=": 401, "?token=who": 401, "?token=bad": 403, "?token=junk": 500, "?token=good": 101,
	} {
		if _, got := knock(t, g, "/chat/dev"+query, nil); got != want {
			t.Errorf("%q: the client saw %d, want %d", query, got, want)
		}
	}
}

// TestAuthorizerOnNATS: a NATS client that subscribes to the authorizer's subject decides, and what it says is in the
// events of the connection.
func TestAuthorizerOnNATS(t *testing.T) {
	g := startGateway(t, map[string]string{"chat.yaml": authorizedChat("{type: NATS}")}, nil)
	if _, got := knock(t, g, "/chat/dev?token=good", nil); got != http.StatusInternalServerError {
		t.Errorf("with nobody who decides the client saw %d, want 500", got)
	}
	subscribe := func(subject string, answer func(*nats.Msg) *nats.Msg) {
		t.Helper()
		if _, err := g.nats.QueueSubscribe(subject, "mine", func(m *nats.Msg) { _ = m.RespondMsg(answer(m)) }); err != nil {
			t.Fatal(err) // and a lost answer fails what waits for it
		}
	}
	subscribe("sallyport.chat.dev.auth.users", func(m *nats.Msg) *nats.Msg {
		status, answer := decide(m.Data)
		if status == http.StatusUnauthorized {
			return &nats.Msg{Header: nats.Header{"Sallyport-Error": {"unauthorized"}}}
		}
		return &nats.Msg{Data: answer}
	})
	subscribe("sallyport.chat.dev.ws.who", func(m *nats.Msg) *nats.Msg {
		var context struct{ Authorizer json.RawMessage }
		if err := json.Unmarshal([]byte(m.Header.Get("Sallyport-Context")), &context); err != nil {
			return &nats.Msg{Data: []byte(err.Error())}
		}
		return &nats.Msg{Data: context.Authorizer}
	})
	if err := g.nats.Flush(); err != nil {
		t.Fatal(err)
	}
	knockAll(t, g)
	conn := mustDial(t, g, "/chat/dev?token=good")
	conn.send(`{"action":"who"}`)
	if got := conn.recv(); !strings.Contains(got, `"principalId":"ann"`) || !strings.Contains(got, `"level":7`) {
		t.Errorf("the message's authorizer is %s", got)
	}
}

// TestAuthorizerOverHTTP: a worker posts the event to an HTTP backend.
func TestAuthorizerOverHTTP(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		status, answer := decide(event)
		w.WriteHeader(status)
		_, _ = w.Write(answer) // a lost answer fails the test
	}))
	t.Cleanup(backend.Close)
	g := startGateway(t, map[string]string{
		"chat.yaml": authorizedChat("{type: HTTP_PROXY, httpMethod: POST, uri: " + backend.URL + "/authorize}"),
	}, nil)
	knockAll(t, g)
}

// TestDefinitionsOfAuthorizersAreValid: the definitions and parts of definitions in docs/authorizers.md have no fault.
func TestDefinitionsOfAuthorizersAreValid(t *testing.T) {
	blocks := yamlForm.FindAllStringSubmatch(readDocument(t, "docs/authorizers.md"), -1)
	if len(blocks) < 4 {
		t.Fatalf("found %d definitions, want one for each kind of access", len(blocks))
	}
	for i, block := range blocks {
		text := block[1]
		if !strings.Contains(text, "protocolType:") {
			text = "name: part\nprotocolType: WEBSOCKET\nrouteSelectionExpression: $request.body.action\n" + text
		}
		file := filepath.Join(t.TempDir(), fmt.Sprintf("definition%d.yaml", i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, problems, err := app.Validate([]string{file}, "sallyport")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("block %d: %s", i+1, p.Error())
		}
	}
}
