package test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what happened into the transcripts")

// TestTranscripts runs each file in transcripts/. A file holds definitions (names that end in .yaml) and a script.
// A script is commands, one a line, each followed by the lines of its output, indented. What differs between runs is
// replaced in the output: ids by <id>, times by <time>, ports by <port>.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("transcripts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runTranscript(t, file) })
	}
}

func runTranscript(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	definitions := map[string]string{}
	var script *txtar.File
	for i := range archive.Files {
		if f := &archive.Files[i]; f.Name == "script" {
			script = f
		} else {
			definitions[f.Name] = string(f.Data)
		}
	}
	if script == nil {
		t.Fatal("the file has no script")
	}
	stage := newStage(t, definitions)
	var got strings.Builder
	for _, line := range strings.Split(strings.TrimRight(string(script.Data), "\n"), "\n") {
		if strings.HasPrefix(line, "    ") {
			continue // output of the last run
		}
		got.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		result, err := stage.run(line)
		if err != nil {
			result = "error: " + err.Error()
		}
		for out := range strings.SplitSeq(strings.TrimRight(steady(result), "\n"), "\n") {
			if out != "" {
				got.WriteString("    " + out + "\n")
			}
		}
	}
	if *update {
		script.Data = []byte(got.String())
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(script.Data), got.String()); diff != "" {
		t.Errorf("the script went another way (-want +got); -update accepts it:\n%s", diff)
	}
}

var unsteady = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`[A-Za-z0-9_-]{15}(=|%3D)`), "<id>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "<time>"},
	{regexp.MustCompile(`\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000`), "<time>"},
	{regexp.MustCompile(`\b1[789]\d{11}\b`), "<ms>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:<port>"},
	{regexp.MustCompile(`"x-forwarded-port":"\d+"`), `"x-forwarded-port":"<port>"`},
	{regexp.MustCompile(`"deploymentId":"[0-9a-f]{10}"`), `"deploymentId":"<deployment>"`},
	{regexp.MustCompile(`Root=1-[0-9a-f]{8}-[0-9a-f]{24}`), "<trace>"},
}

// steady replaces what no two runs share.
func steady(s string) string {
	for _, u := range unsteady {
		s = u.pattern.ReplaceAllString(s, u.word)
	}
	return s
}

// words splits a command into its words; the last of n keeps its spaces.
func words(line string, n int) ([]string, error) {
	w := strings.SplitN(line, " ", n)
	if len(w) < n {
		return nil, fmt.Errorf("%q needs %d words", line, n)
	}
	return w, nil
}
