package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
