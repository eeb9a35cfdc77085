package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two files can't both be behind one address: whichever came second would silently win or lose.
func TestTwoFilesClaimADomain(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"one", "two"} {
		file := filepath.Join(dir, name+".yaml")
		document := "name: " + name + "\nprotocolType: HTTP\nroutes: {$default: {integration: {type: NATS}}}\nstages:\n" +
			"  dev: {domains: [{domainName: api.example.com}, {domainName: api.example.com, apiMappingKey: " + name + "}]}\n"
		if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	_, problems, err := Validate(files, "sallyport")
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 1 {
		t.Fatalf("got %d problems, want 1: %v", len(problems), problems)
	}
	got := problems[0].Error()
	for _, want := range []string{files[1] + ":5:", "stages.dev.domains", "api.example.com is already served by " + files[0]} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, which lacks %q", got, want)
		}
	}
}
