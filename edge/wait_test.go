package edge

import (
	"testing"
	"time"
)

// waitFor polls a condition that nobody signals.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("no %s", what)
		}
	}
}

// elapse lets virtual time pass; it is for use in a synctest bubble alone.
func elapse(d time.Duration) { <-time.After(d) }
