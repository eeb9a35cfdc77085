package test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/coder/websocket"
)

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
	p := startProcess(t, "serve", file, "--log-level", "debug")
	_, response, err := websocket.Dial(t.Context(), "ws://"+p.Data+"/chat/dev", nil)
	if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Fatalf("an unsigned handshake: %v", err)
	}
	p.output.await(t, "MissingAuthenticationTokenException")
}
