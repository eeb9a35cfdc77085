//go:build unix

package accesslog

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Opening a named pipe that nobody reads would wait for its reader: a start or a reload for ever.
func TestPipeWithoutReader(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s := NewSink(Config{Stdout: io.Discard, Stderr: io.Discard})
	if err := s.Use([]string{pipe}); err == nil {
		t.Error("it was opened")
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Use([]string{pipe}); err != nil {
		t.Fatal(err)
	}
	s.Write(pipe, []byte("line\n"))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var line string
	if _, err := fmt.Fscanln(reader, &line); err != nil || line != "line" {
		t.Errorf("%q, %v", line, err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
}
