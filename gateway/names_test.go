package gateway

import (
	"regexp"
	"strings"
	"testing"
)

// TestFormsAreThePublishedPatterns: Valid is plain code, and the patterns are what schemas publish.
func TestFormsAreThePublishedPatterns(t *testing.T) {
	api, stage := regexp.MustCompile(APIIDPattern), regexp.MustCompile(StageNamePattern)
	texts := []string{
		"", "a", "A", "-", "_", "$default", "$Default", "$default ", "a.b", "a/b", "a\n", "é", "0", "prod-1_x", " ", "\x00",
		strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 128), strings.Repeat("a", 129),
	}
	for c := range 256 {
		texts = append(texts, "x"+string([]byte{byte(c)}), string([]byte{byte(c)}))
	}
	for _, text := range texts {
		if got, want := APIID(text).Valid(), api.MatchString(text); got != want {
			t.Errorf("API id %q: %v, want %v", text, got, want)
		}
		if got, want := StageName(text).Valid(), stage.MatchString(text); got != want {
			t.Errorf("stage %q: %v, want %v", text, got, want)
		}
	}
}
