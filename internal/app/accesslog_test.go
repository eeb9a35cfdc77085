package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/mock"
)

// A reload that fails half-way leaves the running stages their access logs, and one that succeeds loses no line.
func TestReloadKeepsAccessLogs(t *testing.T) {
	dir := t.TempDir()
	file, first, second := filepath.Join(dir, "chat.yaml"), filepath.Join(dir, "first.log"), filepath.Join(dir, "second.log")
	define := func(log string) {
		t.Helper()
		text := `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes: {say: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}}
stages: {dev: {accessLog: {destination: "` + log + `"}}}
`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	router, err := routerConfig("sallyport", 0)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	var refuse error
	p := &process{
		console:     NewConsole(&printed, func(string) string { return "" }),
		logger:      newLogger(&printed, LogText, 0),
		accessLog:   accesslog.NewSink(accesslog.Config{Stdout: io.Discard, Stderr: io.Discard}),
		definitions: &definitions{files: []string{file}, defaultStage: "dev", router: router, domain: "localhost", now: time.Now},
	}
	// While a table is taken, lines of both the old stages and the new ones find their places.
	p.worker, err = integrations.NewWorker(integrations.Config{Kinds: []integrations.Kind{mock.New()}, Serve: func([]bus.ServedRoute) error {
		p.accessLog.Write(first, []byte("meanwhile\n"))
		p.accessLog.Write(second, []byte("meanwhile\n"))
		return refuse
	}})
	if err != nil {
		t.Fatal(err)
	}
	define(first)
	p.reload()
	refuse = errors.New("NATS is away")
	define(second)
	p.reload()
	if !strings.Contains(printed.String(), "NATS is away") {
		t.Fatalf("the reload did not fail: %s", &printed)
	}
	p.accessLog.Write(first, []byte("still there\n"))
	p.accessLog.Write(second, []byte("not yet\n"))
	refuse = nil
	p.reload()
	p.accessLog.Write(first, []byte("over\n"))
	p.accessLog.Write(second, []byte("now\n"))
	if err := p.accessLog.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		first: {"meanwhile", "meanwhile", "meanwhile", "still there"}, second: {"meanwhile", "meanwhile", "now"},
	} {
		// A file that is closed and opened again may have the last lines before that behind the first ones after it.
		got, err := os.ReadFile(name)
		if lines := slices.Sorted(strings.FieldsFuncSeq(string(got), func(r rune) bool { return r == '\n' })); err != nil || !slices.Equal(lines, want) {
			t.Errorf("%s holds %q, want %q, %v", filepath.Base(name), lines, want, err)
		}
	}
}
