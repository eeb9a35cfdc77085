package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// call runs the program as a shell would.
func call(t *testing.T, stdin string, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(stdin), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const good = `
name: echo
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $default: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}, responses: {default: {responseTemplates: {application/json: 'hello'}}}}, routeResponse: true}
`

func TestExitCodesAndWords(t *testing.T) {
	faulty := write(t, "faulty.yaml", "name: x\nprotocolType: HTTP\nroutes:\n  GET /: {integration: backnd}\nintegrations:\n  backend: {type: NATS}\n")
	config := write(t, "config.yaml", "nats-lisen: 127.0.0.1:4222\n")
	tests := []struct {
		name     string
		args     []string
		code     int
		out, err string
	}{
		{"no argument shows the help", nil, exitFine, "connections ls", ""},
		{"help of a verb has an example", []string{"connections", "send", "--help"}, exitFine, "Example:", ""},
		{"unknown verb", []string{"deev"}, exitUsage, "", `did you mean "dev"`},
		{"unknown flag", []string{"serve", "--lisen", ":1"}, exitUsage, "", "--lisen"},
		{"unknown log level", []string{"serve", "--log-level", "loud"}, exitUsage, "", "--log-level"},
		{"version", []string{"version"}, exitFine, "nats-server v", ""},
		{"sound definition", []string{"validate", write(t, "good.yaml", good)}, exitFine, "", "1 file, 1 route, no fault"},
		{"faulty definition", []string{"validate", faulty}, exitFailed, `faulty.yaml:4:11: routes.GET /.integration: no integration is named "backnd" (did you mean "backend"?)`, "1 fault in 1 file"},
		{"missing file", []string{"validate", "nowhere.yaml"}, exitUsage, "", "nowhere.yaml: there is no such file"},
		{"dev does not start on faults", []string{"dev", faulty, "--data", t.TempDir(), "--nats-listen", "127.0.0.1:0"}, exitFailed, "", `"backnd"`},
		{"dev is for loopback", []string{"dev", faulty, "--listen", "0.0.0.0:0"}, exitUsage, "", "--listen 0.0.0.0:0"},
		{"unknown key of the configuration file", []string{"version", "--config", config}, exitUsage, "", `"nats-lisen" is no flag's name`},
		{"malformed connection id", []string{"connections", "get", "abc"}, exitUsage, "", `"abc" is not a connection id`},
		{"no gateway there", []string{"connections", "ls", "--admin", "http://127.0.0.1:1"}, exitFailed, "", "nothing listens at http://127.0.0.1:1"},
		{"no NATS there", []string{"connections", "ls", "--nats", "nats://127.0.0.1:1"}, exitFailed, "", "--nats nats://127.0.0.1:1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, out, err := call(t, "", test.args...)
			if code != test.code || !strings.Contains(out, test.out) || !strings.Contains(err, test.err) {
				t.Errorf("exit %d, want %d with %q and %q\nstdout: %s\nstderr: %s", code, test.code, test.out, test.err, out, err)
			}
		})
	}
}

func TestFaultsAsJSON(t *testing.T) {
	_, out, _ := call(t, "", "validate", "--json", write(t, "x.yaml", "name: x\nprotocolType: HTTP\nroutes: {}\nextra: 1\n"))
	var first struct {
		File, Message string
		Line, Column  int
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&first); err != nil || first.Line == 0 || first.Message == "" {
		t.Errorf("%v: %s", err, out)
	}
}

// The verbs that act on a running gateway, by its admin listener and by NATS.
func TestConnectionVerbs(t *testing.T) {
	url, admin, nats := startDev(t)
	conn, _, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for _, way := range [][]string{{"--admin", admin}, {"--nats", nats}} {
		t.Run(way[0], func(t *testing.T) {
			at := func(args ...string) []string { return append(args, way...) }
			code, out, errs := call(t, "", at("connections", "ls", "--api", "echo", "--json")...)
			var listed struct{ ID string }
			if err := json.Unmarshal([]byte(out), &listed); code != exitFine || err != nil {
				t.Fatalf("ls: exit %d, %q %q", code, out, errs)
			}
			if code, out, errs = call(t, "", at("connections", "get", listed.ID)...); code != exitFine || !strings.Contains(out, "connectedAt") {
				t.Errorf("get: exit %d, %q %q", code, out, errs)
			}
			if code, _, errs = call(t, "from standard input", at("connections", "send", listed.ID)...); code != exitFine {
				t.Errorf("send: exit %d, %q", code, errs)
			}
			if _, got, err := conn.Read(t.Context()); err != nil || string(got) != "from standard input" {
				t.Errorf("the client got %q, %v", got, err)
			}
		})
	}
	_, out, _ := call(t, "", "connections", "ls", "--json", "--admin", admin)
	var listed struct{ ID string }
	if err := json.Unmarshal([]byte(out), &listed); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call(t, "", "connections", "close", listed.ID, "--code", "4001", "--reason", "signed out", "--admin", admin); code != exitFine {
		t.Errorf("close: exit %d, %q", code, errs)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4001 {
		t.Errorf("the client saw %v, want close code 4001", err)
	}
	if code, _, errs := call(t, "", "connections", "get", listed.ID, "--admin", admin); code != exitFailed || !strings.Contains(errs, "no such connection") {
		t.Errorf("get of a gone connection: exit %d, %q", code, errs)
	}
}

func TestTail(t *testing.T) {
	url, admin, nats := startDev(t)
	for _, way := range [][]string{{"--admin", admin}, {"--nats", nats}} {
		t.Run(way[0], func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			out := &firstLine{got: make(chan string, 1)}
			ended := make(chan int)
			go func() {
				ended <- run(ctx, append([]string{"tail", "--json", "--route", "$default"}, way...), streams{strings.NewReader(""), out, &bytes.Buffer{}})
			}()
			conn, _, err := websocket.Dial(ctx, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			// The tail begins at some moment; messages are sent until one is seen.
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for line := ""; line == ""; {
				if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
					t.Fatal(err)
				}
				if _, _, err := conn.Read(ctx); err != nil {
					t.Fatal(err)
				}
				select {
				case line = <-out.got:
					if !strings.Contains(line, `"route":"$default"`) || strings.Contains(line, "hello") {
						t.Errorf("line %s", line)
					}
				case <-ticker.C:
				}
			}
			stop()
			if code := <-ended; code != exitFine {
				t.Errorf("tail ended with exit code %d", code)
			}
		})
	}
}

// firstLine keeps what is written first.
type firstLine struct{ got chan string }

func (f *firstLine) Write(p []byte) (int, error) {
	select {
	case f.got <- string(p):
	default:
	}
	return len(p), nil
}

// startDev runs `dev` until the test ends and returns the echo API's URL, the admin's and NATS'.
func startDev(t *testing.T) (client, admin, nats string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	lines := &lineCollector{found: make(chan []string, 1)}
	ended := make(chan int, 1)
	args := []string{"dev", write(t, "echo.yaml", good), "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}
	var stderr bytes.Buffer
	go func() { ended <- run(ctx, args, streams{strings.NewReader(""), lines, &stderr}) }()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitFine {
			t.Errorf("dev ended with exit code %d: %s", code, stderr.String())
		}
	})
	select {
	case words := <-lines.found:
		return words[0], words[1], words[2]
	case code := <-ended:
		ended <- code
		t.Fatalf("dev ended with exit code %d: %s", code, stderr.String())
	}
	return "", "", ""
}

// lineCollector finds the URLs in dev's first lines.
type lineCollector struct {
	text  string
	found chan []string
}

func (c *lineCollector) Write(p []byte) (int, error) {
	if c.text != "done" {
		c.text += string(p)
		fields := strings.Fields(c.text)
		urls := map[string]string{}
		for i := range len(fields) - 1 {
			urls[fields[i]] = fields[i+1]
		}
		if urls["echo"] != "" && urls["NATS"] != "" && urls["admin"] != "" && strings.HasSuffix(c.text, "\n") {
			c.found <- []string{urls["echo"], urls["admin"], urls["NATS"]}
			c.text = "done"
		}
	}
	return len(p), nil
}

// A flag beats a variable, and a variable beats the file.
func TestConfigurationOrder(t *testing.T) {
	file := write(t, "config.yaml", "admin: http://127.0.0.1:2\n")
	for _, test := range []struct {
		name, variable string
		args           []string
		reached        string
	}{
		{"the file alone", "", nil, "127.0.0.1:2"},
		{"a variable beside it", "http://127.0.0.1:3", nil, "127.0.0.1:3"},
		{"a flag beside both", "http://127.0.0.1:3", []string{"--admin", "http://127.0.0.1:4"}, "127.0.0.1:4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.variable != "" {
				t.Setenv("SALLYPORT_ADMIN", test.variable)
			}
			_, _, errs := call(t, "", append([]string{"connections", "ls", "--config", file}, test.args...)...)
			if !strings.Contains(errs, "nothing listens at http://"+test.reached) {
				t.Errorf("said %q", errs)
			}
		})
	}
}
