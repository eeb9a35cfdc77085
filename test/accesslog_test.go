package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
)

// A line for each event of the stage, in the definition's own format (contract/websocket-api.md §12).
func TestAccessLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	l := startLambdas(t, map[string]lambdaFunction{
		"connect": ok, "echo": echoBody,
		"fail": func(map[string]any) (any, error) { return map[string]any{"statusCode": 500}, nil },
	})
	text := onFunctions(l, "", map[string]string{"$connect": "connect", "echo": "echo", "fail": "fail"}, "echo") +
		`stages: {dev: {accessLog: {destination: "` + file + `", format: '$context.requestId $context.eventType $context.routeKey ` +
		"$context.status $context.integration.status $context.error.responseType $context.waf.status'}}}\n"
	g := startGateway(t, map[string]string{"chat.yaml": text}, nil)
	conn := mustDial(t, g, "/chat/dev")
	conn.send(`{"action":"fail"}`)
	l.awaitEvent(t, "fail", 1)
	conn.send(`{"action":"echo"}`)
	conn.recv()
	conn.send(`{"action":"nowhere"}`)
	conn.recv()
	eventually(t, "the line of the one-way route", func() error { // a stop would cut its integration off
		if got, err := os.ReadFile(file); err != nil || !strings.Contains(string(got), " MESSAGE fail ") {
			return fmt.Errorf("the log holds %q, %v", got, err)
		}
		return nil
	})
	_ = conn.CloseNow()
	if err := g.stop(); err != nil { // writes what is queued
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^\S{16} `).ReplaceAllString(string(got), "")
	for _, want := range []string{
		"CONNECT $connect 200 200 - -\n", "MESSAGE fail 200 - - -\n", "MESSAGE echo 200 200 - -\n",
		"MESSAGE - 403 - ACCESS_DENIED -\n", "DISCONNECT $disconnect 200 - - -\n",
	} {
		if strings.Count(lines, want) != 1 {
			t.Errorf("%q is not there once", want)
		}
	}
	if t.Failed() {
		t.Logf("the log holds:\n%s", got)
	}
}

// As logrotate does it: rename, SIGHUP, and what comes after stands in a new file.
func TestAccessLogIsRotated(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "access.log")
	chat := write(t, dir, "chat.yaml", `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes: {say: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}}
stages: {dev: {accessLog: {destination: "`+file+`", format: "$context.requestId $context.eventType"}}}
`)
	p := startProcess(t, "serve", "--drain-timeout", "0s", "--data", filepath.Join(dir, "data"), chat)
	holds := func(name, want string) {
		t.Helper()
		eventually(t, want+" in "+name, func() error {
			got, err := os.ReadFile(name)
			if err == nil && strings.Count(string(got), want+"\n") != 1 {
				err = fmt.Errorf("it holds %q", got)
			}
			return err
		})
	}
	u := dial(t, p.Data, "/chat/dev")
	holds(file, "CONNECT")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.output.await(t, "the access logs were opened anew")
	u.say(`{"action":"say"}`)
	holds(file, "MESSAGE")
	holds(file+".1", "CONNECT")
	p.terminate()
	if code := p.exit(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The log tells of one-way messages that went to a NATS route in vain.
func TestAccessLogOfFailedPublishes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	g := startGateway(t, map[string]string{"chat.yaml": `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes: {nobody: {integration: {type: NATS}}, refused: {integration: {type: NATS}}, taken: {integration: {type: NATS}}}
stages: {dev: {accessLog: {destination: "` + file + `", format: "$context.routeKey $context.status $context.error.responseType $context.requestId"}}}
`}, nil)
	if _, err := g.nats.QueueSubscribe("sallyport.chat.dev.ws.refused", "mine", func(m *nats.Msg) {
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{"Sallyport-Error": {"forbidden"}}}) // a lost answer fails what waits for it
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.nats.QueueSubscribe("sallyport.chat.dev.ws.taken", "mine", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := g.nats.Flush(); err != nil {
		t.Fatal(err)
	}
	conn := mustDial(t, g, "/chat/dev")
	for _, route := range []string{"nobody", "refused"} {
		conn.send(`{"action":"` + route + `"}`)
		conn.recv()
	}
	conn.send(`{"action":"taken"}`)
	eventually(t, "three lines of messages", func() error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lines := regexp.MustCompile(`(?m) \S{16}$`).ReplaceAllString(string(text), "")
		for _, want := range []string{"nobody 504 INTEGRATION_FAILURE\n", "refused 403 ACCESS_DENIED\n", "taken 200 -\n"} {
			if strings.Count(lines, want) != 1 {
				return fmt.Errorf("the log holds\n%s", text)
			}
		}
		if n := strings.Count(lines, "\n"); n != 4 { // with that of $connect
			return fmt.Errorf("the log has %d lines", n)
		}
		return nil
	})
}
