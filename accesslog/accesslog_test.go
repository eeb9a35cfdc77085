package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = `{"apiId":"chat","stage":"dev","connectionId":"L0SM9cOFvHcCIhw=","connectedAt":1700000000000,
	"identity":{"sourceIp":"192.0.2.1","userAgent":"a \"quoted\"\nagent"},"routeKey":"send","eventType":"MESSAGE",
	"requestId":"Ti89OF32joEFbiA=","requestTime":"15/Jan/2019:13:09:27 +0000","authorizer":{"principalId":"ann","age":7}}`

// The variables of contract/websocket-api.md §12.
func TestVariables(t *testing.T) {
	failed := gateway.Errorf(gateway.CodeTimeout, "the integration did not answer in time").Because(errors.New("secret"))
	for _, c := range []struct{ format, want string }{
		{"$context.connectionId", "L0SM9cOFvHcCIhw="},
		{"$context.identity.sourceIp", "192.0.2.1"},
		{"$context.identity.userAgent", `a \"quoted\"\u000aagent`},
		{"$context.authorizer.principalId $context.authorizer.age", "ann 7"},
		{"$context.connectedAt", "1700000000000"},
		{"$context.status", "504"},
		{"$context.integrationLatency $context.integration.latency", "29000 29000"},
		{"$context.integration.status", "-"},
		{"$context.error.message", "the integration did not answer in time"},
		{"$context.error.messageString", `"the integration did not answer in time"`},
		{"$context.error.responseType", "INTEGRATION_TIMEOUT"},
		{"$context.error.validationErrorString", "-"},
		{"$context.waf.status", "-"},
		{"$context.stage.", "dev."},
		{"100% $contextual $ $context.stage", "100% $contextual $ dev"},
	} {
		f, err := Parse(c.format + " $context.requestId")
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		got := string(f.Append(nil, &Entry{
			Context: []byte(sample), Status: 504, Integration: true, Latency: 29 * time.Second, Err: failed,
		}))
		if want := c.want + " Ti89OF32joEFbiA=\n"; got != want {
			t.Errorf("%s: got %q, want %q", c.format, got, want)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	for _, name := range []string{"routKey", "identity.sourceIP", "identity", "error", "integration.time", "apiId.x", "authenticate.who", "httpMethod", "context"} {
		if _, err := Parse("$context.requestId $context." + name); err == nil || err.Error() != "there is no variable $context."+name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"authorizer.any-claim", "stageVariables.env", "queryStringParameters.room", "identity.cognitoIdentityId", "integration.requestId"} {
		if _, err := Parse("$context.requestId $context." + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNamedFormats(t *testing.T) {
	entry := &Entry{Context: []byte(sample), Status: 200}
	f, err := Parse("json")
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]string
	if err := json.Unmarshal(f.Append(nil, entry), &line); err != nil {
		t.Fatal(err)
	}
	if line["routeKey"] != "send" || line["status"] != "200" || line["caller"] != "-" {
		t.Errorf("got %v", line)
	}
	f, err = Parse("clf")
	if err != nil {
		t.Fatal(err)
	}
	const want = `192.0.2.1 - - [15/Jan/2019:13:09:27 +0000] "MESSAGE send L0SM9cOFvHcCIhw=" 200 Ti89OF32joEFbiA=` + "\n"
	if got := string(f.Append(nil, entry)); got != want {
		t.Errorf("got %q", got)
	}
}

func TestFaultyFormats(t *testing.T) {
	for _, text := range []string{
		"no variable", "$context.", "$context.requestId\n", strings.Repeat("x", MaxFormatBytes) + "$context.requestId",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%.40q is taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("$context.requestId $context.a.b-c")
	f.Add("$context..requestId")
	f.Fuzz(func(t *testing.T, text string) {
		format, err := Parse(text)
		if err != nil {
			return
		}
		line := format.Append(nil, &Entry{Context: []byte(sample)})
		if bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%q gives %q", text, line)
		}
	})
}

func TestSink(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	var stdout bytes.Buffer
	s := NewSink(Config{Stdout: &stdout, Stderr: &stdout})
	if err := s.Use([]string{Stdout, file}); err != nil {
		t.Fatal(err)
	}
	s.Write(file, []byte("one\n"))
	s.Write("elsewhere", []byte("lost\n"))
	if err := s.Use([]string{file}); err != nil { // stdout is closed, the file goes on
		t.Fatal(err)
	}
	s.Write(Stdout, []byte("lost\n"))
	s.Write(file, []byte("two\n"))
	if err := s.Use([]string{filepath.Join(file, "impossible")}); err == nil {
		t.Error("a file below a file was opened")
	}
	s.Write(file, []byte("three\n"))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != "one\ntwo\nthree\n" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if stdout.Len() > 0 {
		t.Errorf("stdout got %q", stdout.String())
	}
}

// What was renamed gets what was queued before, a file of the old name what comes after, and no line is lost between them.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	file, old := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	var stdout bytes.Buffer
	s := NewSink(Config{Stdout: &stdout, Stderr: &stdout})
	if err := s.Use([]string{Stdout, file}); err != nil {
		t.Fatal(err)
	}
	s.Write(file, []byte("old\n"))
	if err := os.Rename(file, old); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(old); err != nil || string(got) != "old\n" {
		t.Errorf("the renamed file holds %q, %v", got, err)
	}
	s.Write(file, []byte("new\n"))
	s.Write(Stdout, []byte("a stream stays\n"))

	if err := os.RemoveAll(dir); err != nil { // the open file goes on without a name
		t.Fatal(err)
	}
	if err := s.Reopen(); err == nil {
		t.Error("a file in a folder that is gone was opened")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	s.Write(file, []byte("newer\n"))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err != nil {
		t.Errorf("after the end: %v", err)
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != "newer\n" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if stdout.String() != "a stream stays\n" {
		t.Errorf("stdout got %q", stdout.String())
	}
}

// No line is lost while files are opened anew again and again.
func TestReopenLosesNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "access.log")
	s := NewSink(Config{Stdout: io.Discard, Stderr: io.Discard})
	if err := s.Use([]string{file}); err != nil {
		t.Fatal(err)
	}
	const lines, rotations = 1000, 20 // below queueLines
	written := make(chan struct{})
	go func() {
		defer close(written)
		for range lines {
			s.Write(file, []byte("line\n"))
		}
	}()
	for i := range rotations {
		if err := os.Rename(file, filepath.Join(dir, fmt.Sprint("access.log.", i))); err != nil {
			t.Fatal(err)
		}
		if err := s.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	<-written
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "access.log*"))
	if err != nil || len(files) != rotations+1 {
		t.Fatal(files, err)
	}
	got := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got += bytes.Count(text, []byte("line\n"))
	}
	if got != lines {
		t.Errorf("%d lines of %d are there", got, lines)
	}
}

// A destination that takes nothing must not hold up anybody.
func TestSlowDestination(t *testing.T) {
	release := make(chan struct{})
	s := NewSink(Config{Stdout: blocked{release}, Stderr: blocked{release}})
	if err := s.Use([]string{Stdout}); err != nil {
		t.Fatal(err)
	}
	for range 2 * queueLines {
		s.Write(Stdout, []byte("line\n"))
	}
	close(release)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type blocked struct{ release chan struct{} }

func (b blocked) Write(p []byte) (int, error) { <-b.release; return len(p), nil }
