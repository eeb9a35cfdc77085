package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/app"
)

// TestDefinitionsOfThrottlesAndLogsAreValid: what these documents say to write has no fault.
func TestDefinitionsOfThrottlesAndLogsAreValid(t *testing.T) {
	for _, document := range []string{"docs/throttling.md", "docs/access-logs.md"} {
		blocks := yamlForm.FindAllStringSubmatch(readDocument(t, document), -1)
		if len(blocks) != 1 {
			t.Errorf("%s has %d definitions", document, len(blocks))
		}
		for _, block := range blocks {
			text := block[1]
			if !strings.Contains(text, "protocolType:") {
				text = "name: part\nprotocolType: WEBSOCKET\nrouteSelectionExpression: $request.body.action\nroutes: {echo: {integration: {type: NATS}}}\n" + text
			}
			file := filepath.Join(t.TempDir(), "definition.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, problems, err := app.Validate([]string{file}, "sallyport")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Errorf("%s: %s", document, p.Error())
			}
		}
	}
}
