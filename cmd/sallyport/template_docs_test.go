package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The example of docs/templates.md does what the page says.
func TestTemplateOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, after, found := strings.Cut(string(page), "```"+language+"\n")
		text, _, closed := strings.Cut(after, "```")
		if !found || !closed {
			t.Fatalf("no %s block", language)
		}
		return text
	}
	template := write(t, "pet.vtl", block("vtl"))
	code, out, errs := call(t, "", "template", "render", template, "--event", write(t, "event.json", block("json")))
	if code != exitFine || out != block("text") {
		t.Errorf("exit %d, %s\n%s is rendered to\n%s\nthe page says\n%s", code, errs, filepath.Base(template), out, block("text"))
	}
}
