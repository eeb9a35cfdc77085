package test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServiceManagerIsTold runs the command as systemd does, with Type=notify and a watchdog: it hears of the start when
// clients can connect, signs of life, and the stop when the drain begins.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skip("no datagram sockets by path here: ", err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	told := func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 4096)
		n, err := socket.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	p := startProcessWith(t, []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=100000"}, "serve", deployDefinition(t),
		"--data", t.TempDir(), "--health", "127.0.0.1:0", "--drain-timeout", "7s")
	if got, want := told(), "READY=1\nSTATUS=ready\n"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	client := dial(t, p.Data, "/held")
	if got := told(); got != "WATCHDOG=1\n" {
		t.Errorf("%q came where a sign of life was due", got)
	}
	p.terminate()
	for got := told(); !strings.HasPrefix(got, "STOPPING=1\n"); got = told() {
		if got != "WATCHDOG=1\n" {
			t.Fatalf("%q came where STOPPING=1 was due", got)
		}
	}
	if frame := client.closed(); frame.Code != 1001 {
		t.Errorf("the client was closed with %d", frame.Code)
	}
	if code := p.exit(2 * patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestHealthListener asks as a kubelet does, from the first moment on and until the end, and by the command that images
// are checked with.
func TestHealthListener(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "serve", deployDefinition(t), "--data", t.TempDir(), "--health", "127.0.0.1:0")
	health := p.output.find(`health +http://(\S+)`)
	for path, want := range map[string]string{
		"/healthz": `200 {"status":"ok"}`, "/readyz": `200 {"status":"ready"}`, "/version": `404 {"message":"Not Found"}`,
		"/held/$default/@connections/AAAAbbbbccccddd%3D": `404 {"message":"Not Found"}`,
	} {
		if got := call(t, "GET", "http://"+health+path, ""); strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("GET %s: %s, want %s", path, got, want)
		}
	}
	if got := call(t, "GET", "http://"+health+"/metrics", ""); !strings.Contains(got, "go_goroutines") {
		t.Errorf("no metrics: %.100s", got)
	}
	asked := runProcess(t, "healthcheck", "--admin", p.Admin)
	if code := asked.exit(2 * patience); code != 0 || asked.output.String() != "ready\n" {
		t.Errorf("healthcheck of a gateway that is ready: %d %s", code, asked.output)
	}
	p.kill()
	asked = runProcess(t, "healthcheck", "--admin", p.Admin)
	if code := asked.exit(2 * patience); code != 1 || !strings.Contains(asked.output.String(), "nothing listens at") {
		t.Errorf("healthcheck of a gateway that is gone: %d %s", code, asked.output)
	}
}

// deployDefinition is an API that needs no backend.
func deployDefinition(t *testing.T) string {
	return write(t, t.TempDir(), "held.yaml", `
name: held
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $default: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode": 200}'}}, routeResponse: true}
`)
}
