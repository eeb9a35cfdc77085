package app

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
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
		var changes atomic.Int32
		w := watcher{files: []string{file}, every: lookEvery, changed: func() { changes.Add(1) }}
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		look := func(want int32, what string) {
			t.Helper()
			<-time.After(3 * lookEvery)
			synctest.Wait()
			if got := changes.Load(); got != want {
				t.Errorf("%s: %d changes, want %d", what, got, want)
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
