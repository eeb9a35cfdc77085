package app

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatcherTellsOfContentAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "api.yaml")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		changes := 0
		w := watcher{files: []string{file}, every: lookEvery, changed: func() { changes++ }}
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		look := func(want int, what string) {
			t.Helper()
			<-time.After(3 * lookEvery)
			synctest.Wait()
			if changes != want {
				t.Errorf("%s: %d changes, want %d", what, changes, want)
			}
		}
		look(0, "nothing happened")
		write("one")
		look(0, "saved without a change")
		write("two")
		look(1, "saved")
		os.Remove(file)
		look(2, "deleted")
		write("two")
		look(3, "back again")
		cancel()
		<-done
	})
}
