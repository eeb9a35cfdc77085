package test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/app"
)

// natsChat is a chat whose backend is whoever subscribes on NATS.
const natsChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: NATS}}
  $disconnect: {integration: {type: NATS}}
  ask: {integration: {type: NATS}, routeResponse: true}
  tell: {integration: {type: NATS}}
`

// quietChat is natsChat without $connect and $disconnect, for tests in which nobody would answer those.
const quietChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  ask: {integration: {type: NATS}, routeResponse: true}
  tell: {integration: {type: NATS}}
`

// The definitions of the tests below, and where their faults are.
const (
	malformed = "name: chat\nroutes:\n  a: [1\n  b: }\n"
	faulty    = `name: broken
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: nowhere}
  $bogus: {integration: {type: NATS}}
  join: {integration: {type: NATS, timeoutInMilis: 5}}
`
)

// faultPlaces are the faults of malformed, as m.yaml, and faulty, as f.yaml.
var faultPlaces = []string{
	"m.yaml:4:3: malformed YAML",
	`f.yaml:5:14: routes.$connect.integration: no integration is named "nowhere"`,
	`f.yaml:6:3: routes.$bogus: "$bogus" can't be a route key`,
	`f.yaml:7:36: routes.join.integration.timeoutInMilis: unknown key (did you mean "timeoutInMillis"?)`,
}

func TestFaultyDefinitionsEndTheStart(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"dev", "serve"} {
		t.Run(verb, func(t *testing.T) {
			dir := t.TempDir()
			good, bad, worse := write(t, dir, "chat.yaml", natsChat), write(t, dir, "m.yaml", malformed), write(t, dir, "f.yaml", faulty)
			p := runProcess(t, verb, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0",
				"--data", filepath.Join(dir, "data"), good, bad, worse)
			if code := p.exit(patience); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			text := p.output.String()
			for _, place := range faultPlaces {
				if !strings.Contains(text, dir+string(filepath.Separator)+place) {
					t.Errorf("%s is not among the faults", place)
				}
			}
			if strings.Contains(text, "is ready") || strings.Contains(text, "chat.yaml") {
				t.Error("a process that did not start says that it is ready, or complains of the good file")
			}
		})
	}
}

// startConfig is the configuration of a dev process on ports of its own.
func startConfig(t *testing.T, dir string, files ...string) app.Config {
	out := &output{}
	return app.Config{
		Mode: app.ModeDev, Files: files, Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", NATSListen: "127.0.0.1:0", Data: filepath.Join(dir, "data"),
		Prefix: "sallyport", Node: "test", Domain: "localhost", LogFormat: app.LogText, Version: "test", Environ: os.Environ,
		Getenv: func(string) string { return "" }, Stdout: out, Stderr: out,
		Started: func(app.Addresses) { t.Error("the gateway started") },
	}
}

// failsToStart runs a gateway that can't start and returns its error.
func failsToStart(t *testing.T, c app.Config) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := app.Run(ctx, c)
	if err == nil || ctx.Err() != nil {
		t.Fatalf("the start ended with %v after %v", err, ctx.Err())
	}
	return err.Error()
}

// starts runs a gateway that starts, and ends it.
func starts(t *testing.T, c app.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	started := false
	c.Started = func(app.Addresses) { started = true; cancel() }
	if err := app.Run(ctx, c); err != nil || !started {
		t.Errorf("started: %v; it ended with %v", started, err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flag  string
		field func(*app.Config) *string
	}{
		{"--listen", func(c *app.Config) *string { return &c.Listen }},
		{"--admin", func(c *app.Config) *string { return &c.Admin }},
		{"--nats-listen", func(c *app.Config) *string { return &c.NATSListen }},
	} {
		t.Run(test.flag, func(t *testing.T) {
			squatter, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer squatter.Close()
			dir := t.TempDir()
			c := startConfig(t, dir, write(t, dir, "chat.yaml", natsChat))
			*test.field(&c) = squatter.Addr().String()
			text := failsToStart(t, c)
			for _, word := range []string{test.flag + " " + squatter.Addr().String(), "the port is in use", "choose another"} {
				if !strings.Contains(text, word) {
					t.Errorf("the error does not say %q: %s", word, text)
				}
			}
			// The failed start has given back its data directory and its ports: the same again, once the port is free.
			squatter.Close()
			starts(t, c)
		})
	}
}

func TestDataCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startConfig(t, dir, write(t, dir, "chat.yaml", natsChat))
	c.Data = filepath.Join(c.Files[0], "data") // below a regular file: not even root can write there
	if text := failsToStart(t, c); !strings.Contains(text, "--data "+c.Data+": can't create the directory") {
		t.Errorf("the error is %s", text)
	}
	c.Data = c.Files[0]
	if text := failsToStart(t, c); !strings.Contains(text, "--data "+c.Data) {
		t.Errorf("the error is %s", text)
	}
}

func TestDataUsedByAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startConfig(t, dir, write(t, dir, "chat.yaml", natsChat))
	p := startProcess(t, "dev", "--data", c.Data, c.Files[0])
	text := failsToStart(t, c)
	for _, word := range []string{"--data " + c.Data + ": used by another process", "directory of its own"} {
		if !strings.Contains(text, word) {
			t.Errorf("the error does not say %q: %s", word, text)
		}
	}
	if answer := call(t, "GET", "http://"+p.Admin+"/readyz", ""); !strings.HasPrefix(answer, "200") {
		t.Errorf("the first process is disturbed: %s", answer)
	}
	p.terminate()
	if code := p.exit(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	starts(t, c)
}

func TestUnreachableNATSEndsTheStart(t *testing.T) {
	t.Parallel()
	squatter, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	nobody := closedPort(t)
	for name, address := range map[string]string{"nobody": nobody, "not NATS": squatter.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := startConfig(t, dir, write(t, dir, "chat.yaml", natsChat))
			c.NATS.URL = "nats://user:secret@" + address
			began := time.Now()
			text := failsToStart(t, c)
			if !strings.Contains(text, "--nats nats://"+address) || strings.Contains(text, "secret") {
				t.Errorf("the error is %s", text)
			}
			if took := time.Since(began); took > patience {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// closedPort is an address at which nobody listened a moment ago.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
