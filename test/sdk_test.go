package test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/app"
)

// The root key of the tests. It is nobody's.
const (
	rootKeyID     = "AKIASALLYPORTROOT000"
	rootKeySecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// signedStage is a gateway as serve runs it: callbacks must be signed.
func signedStage(t *testing.T, definitions map[string]string) *stage {
	s := &stage{t: t, clients: map[string]*client{}, ids: map[string]string{}, events: newEvents()}
	s.gateway = startGateway(t, definitions, func(c *app.Config) {
		c.Mode = app.ModeServe
		c.Getenv = func(name string) string {
			return map[string]string{"SALLYPORT_ROOT_ACCESS_KEY_ID": rootKeyID, "SALLYPORT_ROOT_SECRET_ACCESS_KEY": rootKeySecret}[name]
		}
	})
	return s
}

const signedAPI = echoAPI + "stages: {dev: {}}\n"

// sdk is a client of Amazon's that makes the calls of clients/sdk_callbacks.mjs and prints what it made of the answers.
type sdk struct {
	name    string
	command func(t *testing.T) *exec.Cmd
}

var sdks = []sdk{
	{"JavaScript v3", nodeScript("sdk_callbacks.mjs")},
	{"JavaScript v2", nodeScript("sdk2_callbacks.cjs")},
	{"Go v1", func(t *testing.T) *exec.Cmd {
		binary := filepath.Join(t.TempDir(), "awsgov1")
		build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
		build.Dir = "clients/awsgov1"
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return exec.CommandContext(t.Context(), binary)
	}},
}

func nodeScript(name string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		needsNode(t, "clients")
		cmd := exec.CommandContext(t.Context(), "node", "--no-warnings", name)
		cmd.Dir = "clients"
		return cmd
	}
}

// sdkAnswer is what an SDK made of one answer.
type sdkAnswer struct {
	Status  int
	Error   string
	Message string
}

// run runs the client with a secret, and returns its answers.
func (c sdk) run(t *testing.T, base, id, secret string) map[string]sdkAnswer {
	t.Helper()
	cmd := c.command(t)
	cmd.Env = append(os.Environ(), "CALLBACK_URL="+base, "CONNECTION_ID="+id, "MESSAGE=from "+c.name,
		"AWS_ACCESS_KEY_ID="+rootKeyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_EC2_METADATA_DISABLED=true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &stderr)
	}
	var got map[string]sdkAnswer
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return got
}

// contract/websocket-api.md §15, check 12: the SDKs post, get and delete, and make of each failure what they make of Amazon's.
func TestConformance12SDKs(t *testing.T) {
	for _, c := range sdks {
		t.Run(c.name, func(t *testing.T) {
			s := signedStage(t, map[string]string{"chat.yaml": signedAPI})
			mustRun(t, s, `backend chat.dev.ws.echo {"body":"hello"}`, "connect alice /chat/dev", `send alice {"action":"echo"}`, "event", "recv alice")
			got := c.run(t, "http://"+s.gateway.Data+"/chat/dev", s.ids["alice"], rootKeySecret)
			if text := mustRun(t, s, "recv alice"); text != "text from "+c.name {
				t.Errorf("the client received %q", text)
			}
			if end := mustRun(t, s, "recv alice"); end != "closed 1000" {
				t.Errorf("after DELETE the client saw %q", end)
			}
			for call, want := range map[string]sdkAnswer{
				"post": {Status: 200}, "get": {Status: 200}, "delete": {Status: 204},
				"postUnknown": {410, "GoneException", ""}, "getUnknown": {410, "GoneException", ""}, "deleteUnknown": {410, "GoneException", ""},
				"postDeleted": {410, "GoneException", ""}, "postTooLarge": {413, "PayloadTooLargeException", ""},
				"postMalformed": {400, "BadRequestException", ""},
			} {
				if got[call].Status != want.Status || got[call].Error != want.Error {
					t.Errorf("%s: got %+v, want status %d and %q", call, got[call], want.Status, want.Error)
				}
			}
		})
	}
}

// contract/websocket-api.md §15, check 13, the other half: a wrong key is refused with the signature's text.
func TestConformance13WrongKey(t *testing.T) {
	for _, c := range sdks {
		t.Run(c.name, func(t *testing.T) {
			s := signedStage(t, map[string]string{"chat.yaml": signedAPI})
			mustRun(t, s, `backend chat.dev.ws.echo {"body":"hello"}`, "connect alice /chat/dev", `send alice {"action":"echo"}`, "event", "recv alice")
			got := c.run(t, "http://"+s.gateway.Data+"/chat/dev", s.ids["alice"], "not"+rootKeySecret)
			for _, call := range []string{"post", "get", "delete"} {
				if a := got[call]; a.Status != 403 || a.Error != "InvalidSignatureException" ||
					!strings.Contains(a.Message, "The request signature we calculated does not match") {
					t.Errorf("%s: got %+v", call, a)
				}
			}
		})
	}
}

// The aws command line, whose signer is botocore's, as boto3's is (contract/websocket-api.md §15, checks 12 and 13).
func TestConformance12CommandLine(t *testing.T) {
	_, err := exec.LookPath("aws")
	needs(t, "the aws command is not installed", err == nil)
	s := signedStage(t, map[string]string{"chat.yaml": signedAPI})
	mustRun(t, s, `backend chat.dev.ws.echo {"body":"hello"}`, "connect alice /chat/dev", `send alice {"action":"echo"}`, "event", "recv alice")
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte("from the command line"), 0o600); err != nil {
		t.Fatal(err)
	}
	aws := func(secret string, arguments ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
		defer cancel()
		arguments = append([]string{"apigatewaymanagementapi"}, arguments...)
		arguments = append(arguments, "--endpoint-url", "http://"+s.gateway.Data+"/chat/dev", "--region", "us-east-1", "--output", "json")
		cmd := exec.CommandContext(ctx, "aws", arguments...)
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+rootKeyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_PAGER=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	id := s.ids["alice"]
	if out, err := aws(rootKeySecret, "post-to-connection", "--connection-id", id, "--data", "fileb://"+file); err != nil {
		t.Fatalf("post: %v\n%s", err, out)
	}
	if text := mustRun(t, s, "recv alice"); text != "text from the command line" {
		t.Errorf("the client received %q", text)
	}
	if out, err := aws(rootKeySecret, "get-connection", "--connection-id", id); err != nil || !strings.Contains(out, `"127.0.0.1"`) {
		t.Errorf("get: %v\n%s", err, out)
	}
	if out, err := aws("wrong", "get-connection", "--connection-id", id); err == nil || !strings.Contains(out, "InvalidSignatureException") {
		t.Errorf("with a wrong secret: %v\n%s", err, out)
	}
	if out, err := aws(rootKeySecret, "delete-connection", "--connection-id", id); err != nil {
		t.Errorf("delete: %v\n%s", err, out)
	}
	if end := mustRun(t, s, "recv alice"); end != "closed 1000" {
		t.Errorf("after DELETE the client saw %q", end)
	}
	if out, err := aws(rootKeySecret, "get-connection", "--connection-id", id); err == nil || !strings.Contains(out, "GoneException") {
		t.Errorf("after DELETE: %v\n%s", err, out)
	}
}
