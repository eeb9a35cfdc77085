package test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// refusalFormat has what tells who was refused, and why.
const refusalFormat = "$context.status $context.error.message | $context.authenticate.status $context.authenticate.error | " +
	"$context.authorizer.status $context.authorizer.error $context.authorizer.integrationStatus $context.authorizer.requestId | " +
	"$context.authorize.status $context.authorize.error | $context.requestId"

// refusals is what the access log says of clients that knock with each of the queries.
func refusals(t *testing.T, access string, queries ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "access.log")
	g := startGateway(t, map[string]string{"chat.yaml": `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
apiKeys: [{name: partner, value: secret-of-the-partner}]
` + access + `
  say: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}
stages: {dev: {accessLog: {destination: "` + file + `", format: "` + refusalFormat + `"}}}
`}, nil)
	for _, query := range queries {
		if conn, _ := knock(t, g, "/chat/dev"+query, nil); conn != nil {
			_ = conn.CloseNow()
		}
	}
	if err := g.stop(); err != nil { // writes what is queued
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		line = line[:strings.LastIndex(line, " | ")]
		if line != "200 - | - - | - - - - | - -" { // of a DISCONNECT
			got = append(got, line)
		}
	}
	return got
}

// The access log tells its owner why a client was refused, where the client itself is told one word.
func TestAccessLogTellsWhoWasRefused(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-amzn-RequestId", "q-1")
		effect := map[string]string{"good": "Allow", "bad": "Deny"}[strings.Split(r.URL.Path, "/")[3]]
		_, _ = w.Write([]byte(`{"principalId":"ann","context":{"status":"a claim"},"policyDocument":{"Statement":` +
			`{"Effect":"` + effect + `","Action":"execute-api:Invoke","Resource":"*"}}}`))
	}))
	t.Cleanup(backend.Close)
	users := func(function string) string {
		return `
authorizers: {users: {type: REQUEST, identitySource: [route.request.querystring.token], integration: {type: LAMBDA, uri: "` + backend.URL + "/2015-03-31/functions/" + function + `/invocations"}}}
routes:
  $connect: {authorizer: users}`
	}
	issuer, token := tokenIssuer(t)
	jwt := `
authorizers: {users: {type: JWT, identitySource: [route.request.querystring.token], jwtConfiguration: {issuer: "` + issuer.URL + `", audience: [chat]}}}
routes:
  $connect: {authorizer: users, authorizationScopes: [chat], apiKeyRequired: true}`
	for _, c := range []struct{ name, access, query, want string }{
		{"identity", users("good"), "", "401 Unauthorized | - - | 401 authorizer users: route.request.querystring.token is missing - - | - -"},
		{"allowed", users("good"), "?token=x", "200 - | - - | 200 - 200 q-1 | 200 -"},
		{"denied", users("bad"), "?token=x", "403 Forbidden | - - | 403 authorizer users: its policy does not allow execute-api:Invoke on arn:aws:execute-api:us-east-1:000000000000:chat/dev/$connect 200 q-1 | " +
			"403 authorizer users: its policy does not allow execute-api:Invoke on arn:aws:execute-api:us-east-1:000000000000:chat/dev/$connect"},
		{"unsigned", "routes:\n  $connect: {authorizer: IAM}", "", "403 Forbidden | 403 MissingAuthenticationTokenException: Missing Authentication Token | - - - - | - -"},
		{"expired", jwt, "?token=" + token(map[string]any{"exp": 1, "status": "a claim"}),
			"401 Unauthorized | - - | 401 authorizers/jwt: the token has expired, or has no exp - - | - -"},
		{"scopes", jwt, "?token=" + token(map[string]any{"scope": "shop", "status": "a claim"}),
			"403 Forbidden | - - | 200 - - - | 403 none of the scopes is granted"},
		{"no key", jwt, "?token=" + token(map[string]any{"status": "a claim"}),
			"403 Forbidden | - - | 200 - - - | 403 no API key, or an unknown one"},
	} {
		if got := refusals(t, c.access, c.query); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
	}
}

// --log-level debug tells why a client was refused.
func TestLogLevel(t *testing.T) {
	text := `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes: {$connect: {authorizer: IAM}, say: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}}
stages: {dev: {}}
`
	file := filepath.Join(t.TempDir(), "chat.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "serve", file, "--log-level", "debug", "--data", t.TempDir())
	_, response, err := websocket.Dial(t.Context(), "ws://"+p.Data+"/chat/dev", nil) //nolint:bodyclose // it is read already
	if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Fatalf("an unsigned handshake: %v", err)
	}
	p.output.await(t, "MissingAuthenticationTokenException")
}
