package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport/sallyport/internal/app"
)

// clientPatience is how long a foreign client may take: Node and a browser start slowly on a busy machine.
const clientPatience = 90 * time.Second

// needs skips a test whose tools are not installed, and says which; with SALLYPORT_E2E=required, as in CI, it fails.
func needs(t *testing.T, why string, present bool) {
	t.Helper()
	if present {
		return
	}
	if os.Getenv("SALLYPORT_E2E") == "required" {
		t.Fatalf("%s, and SALLYPORT_E2E=required", why)
	}
	t.Skip(why + "; .ci/run installs it")
}

func needsNode(t *testing.T, folder string) {
	t.Helper()
	_, err := exec.LookPath("node")
	needs(t, "node is not installed", err == nil)
	_, err = os.Stat(filepath.Join(folder, "node_modules"))
	needs(t, "npm ci --prefix "+folder+" has not run", err == nil)
}

func needsChromium(t *testing.T) {
	t.Helper()
	browser := os.Getenv("CHROMIUM")
	if browser == "" {
		browser = "/usr/bin/chromium"
	}
	_, err := os.Stat(browser)
	needs(t, "there is no Chromium at "+browser, err == nil)
}

// script runs a Node script to its end and returns its standard output.
func script(t *testing.T, name string, env ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--no-warnings", name)
	cmd.Dir = "clients"
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, &stderr)
	}
	return out
}

// echoAPI answers with the connection's own id, so that a client can tell who it is.
const echoAPI = `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $disconnect: {integration: {type: NATS}}
  echo: {integration: {type: NATS}, routeResponse: true}
`

// The unmodified AWS SDK for JavaScript, pointed at the gateway's URL (contract/websocket-api.md §9).
func TestAWSSDKForJavaScript(t *testing.T) {
	needsNode(t, "clients")
	s := newStage(t, map[string]string{"chat.yaml": echoAPI})
	mustRun(t, s, `backend chat.dev.ws.echo {"body":"hello"}`, "connect alice /chat/dev", `send alice {"action":"echo"}`, "event", "recv alice")
	for _, base := range []string{
		"http://" + s.gateway.Data + "/chat/dev",  // the data listener, path style
		"http://" + s.gateway.Admin + "/chat/dev", // the admin listener
	} {
		t.Run(base, func(t *testing.T) {
			name := "alice at " + base
			mustRun(t, s, "connect alice /chat/dev", `send alice {"action":"echo"}`, "event", "recv alice")
			var got map[string]struct {
				Status       int
				Error, Class string
				Message      string
				Identity     struct{ SourceIp, UserAgent string }
				ConnectedAt  time.Time
				LastActiveAt time.Time
			}
			raw := script(t, "sdk_callbacks.mjs", "CALLBACK_URL="+base, "CONNECTION_ID="+s.ids["alice"], "MESSAGE="+name)
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatalf("%v\n%s", err, raw)
			}
			if text := mustRun(t, s, "recv alice"); text != "text "+name {
				t.Errorf("the client received %q", text)
			}
			if end := mustRun(t, s, "recv alice"); end != "closed 1000" {
				t.Errorf("after DELETE the client saw %q", end)
			}
			for call, want := range map[string]struct {
				status int
				class  string
			}{
				"post": {200, ""}, "get": {200, ""}, "delete": {204, ""},
				"postUnknown": {410, "GoneException"}, "getUnknown": {410, "GoneException"}, "deleteUnknown": {410, "GoneException"},
				"postDeleted": {410, "GoneException"}, "postTooLarge": {413, "PayloadTooLargeException"},
				"postMalformed": {400, "ApiGatewayManagementApiServiceException"},
			} {
				if got[call].Status != want.status || got[call].Class != want.class {
					t.Errorf("%s: the SDK made %+v of the answer, want status %d and class %q", call, got[call], want.status, want.class)
				}
			}
			if got["postMalformed"].Error != "BadRequestException" {
				t.Errorf("a malformed id is %q to the SDK", got["postMalformed"].Error)
			}
			if g := got["get"]; g.Identity.SourceIp != "127.0.0.1" || g.ConnectedAt.IsZero() || g.LastActiveAt.Before(g.ConnectedAt) {
				t.Errorf("GetConnection returned %+v", g)
			}
		})
	}
}

func mustRun(t *testing.T, s *stage, lines ...string) (last string) {
	t.Helper()
	for _, line := range lines {
		var err error
		if last, err = s.run(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return last
}

// A backend on the NATS client from npm: it knows nothing but subjects and headers.
func TestForeignNATSBackend(t *testing.T) {
	needsNode(t, "clients")
	g := startGateway(t, map[string]string{"chat.yaml": echoAPI}, nil)
	cmd := exec.CommandContext(t.Context(), "node", "nats_backend.mjs")
	cmd.Dir = "clients"
	cmd.Env = append(os.Environ(), "NATS_URL="+g.NATS, "ROUTE=chat.dev.ws.echo")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = g.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the backend said %q", lines.Text())
	}
	ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+g.Data+"/chat/dev", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	const message = `{"action":"echo","n":1.50}`
	if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
	var pushed struct{ Pushed string }
	read(ctx, t, conn, &pushed)
	if pushed.Pushed != message {
		t.Errorf("pushed %q", pushed.Pushed)
	}
	var answer struct {
		Echo    string
		Push    int
		Context struct{ RouteKey, ConnectionID, EventType string }
	}
	read(ctx, t, conn, &answer)
	if answer.Echo != message || answer.Push != 200 || answer.Context.RouteKey != "echo" || answer.Context.EventType != "MESSAGE" {
		t.Errorf("answered %+v", answer)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the backend ended with %v", err)
	}
	if string(rest) != "" && !strings.Contains(string(rest), "MESSAGE echo") {
		t.Errorf("the backend printed %q", rest)
	}
}

func read(ctx context.Context, t *testing.T, conn *websocket.Conn, into any) {
	t.Helper()
	_, data, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
}

// startExample runs an example with its backend, as its README says. Its backend's own port, where it has one, is a
// free one here.
func startExample(t *testing.T, folder, command string) *stageGateway {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(root, "examples", folder, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no definitions in %s: %v", folder, err)
	}
	port := freePort(t)
	files := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = strings.ReplaceAll(string(text), "127.0.0.1:3000", "127.0.0.1:"+port)
	}
	return startGateway(t, files, func(c *app.Config) {
		c.Environ = func() []string { return append(os.Environ(), "PORT="+port) }
		c.Run = "cd " + root + " && exec " + command
	})
}

// freePort is a port that nobody used a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The chat's page in two tabs of a real browser, on the Go backend over NATS and on the Node backend over HTTP_PROXY.
func TestChatInABrowser(t *testing.T) {
	needsNode(t, "clients")
	needsChromium(t)
	t.Run("Go backend on NATS", func(t *testing.T) {
		binary := filepath.Join(t.TempDir(), "backend")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../examples/chat/backend").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		chat(t, startExample(t, "chat", binary), "connected to NATS")
	})
	t.Run("Node backend on HTTP_PROXY with the AWS SDK", func(t *testing.T) {
		needsNode(t, "../examples/chat-node")
		chat(t, startExample(t, "chat-node", "node --no-warnings examples/chat-node/backend.mjs"), "pushing to")
	})
}

func chat(t *testing.T, g *stageGateway, ready string) {
	g.output.await(t, ready)
	out := script(t, "browser_chat.mjs", "CHAT_URL=http://"+g.Data+"/web/dev/", "SCREENSHOT="+os.Getenv("SCREENSHOT"))
	if !strings.Contains(string(out), "two tabs talked") {
		t.Errorf("the browser said %q", out)
	}
}
