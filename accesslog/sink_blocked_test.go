package accesslog

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A destination that takes nothing holds up neither the change to others nor those others, and is waited for at the end.
func TestUseDoesNotWait(t *testing.T) {
	release := make(chan struct{})
	var err bytes.Buffer
	s := NewSink(Config{Stdout: blocked{release}, Stderr: &err})
	for range maxClosing {
		if err := s.Use([]string{Stdout, Stderr}); err != nil {
			t.Fatal(err)
		}
		s.Write(Stdout, []byte("line\n"))
		if err := s.Use([]string{Stderr}); err != nil {
			t.Fatal(err)
		}
		s.Write(Stderr, []byte("goes on\n"))
	}
	if err := s.Use([]string{Stdout, Stderr}); err == nil {
		t.Errorf("%d queues that nobody empties are no error", maxClosing)
	}
	close(release)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(err.Bytes(), []byte("goes on\n")); got != maxClosing {
		t.Errorf("the other destination has %d lines, want %d", got, maxClosing)
	}
	if len(s.closing) > 0 {
		t.Errorf("%d destinations were not waited for", len(s.closing))
	}
}

// A pipe that nobody reads any more holds up a rotation for a while alone.
func TestReopenGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "access.log")
		s := NewSink(Config{Stdout: io.Discard, Stderr: io.Discard})
		if err := s.Use([]string{file}); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		s.mu.Lock()
		old := s.queue[file]
		s.queue[file] = &destination{
			name: file, lines: make(chan []byte, 1), done: make(chan struct{}), out: blocked{release}, file: old.file, log: old.log,
		}
		s.mu.Unlock()
		go s.queue[file].run()
		close(old.lines)
		<-old.done
		s.Write(file, []byte("stuck\n"))
		start := time.Now()
		if err := s.Reopen(); err == nil || time.Since(start) != reopenTime {
			t.Errorf("%v after %v, want an error after %v", err, time.Since(start), reopenTime)
		}
		s.Write(file, []byte("new\n"))
		close(release)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "new\n" {
			t.Errorf("the new file holds %q, %v", got, err)
		}
	})
}
