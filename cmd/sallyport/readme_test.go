package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The configuration table lists exactly the flags of dev and serve.
func TestReadmeListsEveryFlag(t *testing.T) {
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, verb := range parser.Model.Children {
		if verb.Name != "dev" && verb.Name != "serve" {
			continue
		}
		for _, flag := range verb.Flags {
			flags = append(flags, "--"+flag.Name)
		}
	}
	_, table, _ := strings.Cut(readme(t), "| flag | default | what |")
	table, _, _ = strings.Cut(table, "\n\n")
	var listed []string
	for row := range strings.SplitSeq(table, "\n") {
		if cells := strings.Split(row, "|"); len(cells) > 1 {
			listed = append(listed, regexp.MustCompile(`--[a-z-]+[a-z]`).FindAllString(cells[1], -1)...)
		}
	}
	slices.Sort(flags)
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Compact(flags), slices.Compact(listed)); diff != "" {
		t.Errorf("flags of dev and serve (-) beside README's table (+):\n%s", diff)
	}
}

// The definitions that README shows are sound.
func TestReadmeDefinitionsAreSound(t *testing.T) {
	fences := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(fences) < 2 {
		t.Fatalf("found %d definitions", len(fences))
	}
	for _, fence := range fences {
		if code, out, errs := call(t, "", "validate", write(t, "readme.yaml", fence[1])); code != exitFine {
			t.Errorf("%s%s%s", fence[1], out, errs)
		}
	}
}
