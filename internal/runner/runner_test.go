//go:build unix

package runner

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watched is an output that tells when it has seen a word.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	word string
	seen chan struct{}
	once sync.Once
}

func watch(word string) *watched { return &watched{word: word, seen: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.word) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func start(t *testing.T, command string, out *watched, report func(string)) (stop func()) {
	t.Helper()
	r, err := New(Config{Command: command, Env: append(os.Environ(), "GREETING=hello"), Output: out, Prefix: "app | ", Report: report})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	return func() { cancel(); <-done }
}

func TestOutputIsPrefixedLineByLine(t *testing.T) {
	out := watch("two\n")
	stop := start(t, `printf 'one '; printf '%s\ntwo\n' "$GREETING"; exec sleep 60`, out, func(string) {})
	<-out.seen
	stop()
	if got, want := out.String(), "app | one hello\napp | two\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRestartsWhatDies(t *testing.T) {
	reports := make(chan string, 1)
	out := watch("app | run\napp | run\n")
	stop := start(t, "echo run; exit 3", out, func(s string) {
		select {
		case reports <- s:
		default:
		}
	})
	defer stop()
	if s := <-reports; !strings.Contains(s, "exit status 3") {
		t.Errorf("report %q does not name the exit status", s)
	}
	<-out.seen
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	out := watch("ready")
	// The grandchild ignores the polite signal, so only the group's kill ends it.
	stop := start(t, `sh -c 'trap "" TERM; echo $$ >`+pidFile+`; echo ready; while :; do sleep 60; done' & wait`, out, func(string) {})
	<-out.seen
	stop()
	raw, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	// The system takes a moment to bury a killed process, and whoever inherits it one to take notice.
	deadline := time.After(10 * time.Second)
	for look := time.NewTicker(10 * time.Millisecond); ; {
		if err := syscall.Kill(pid, 0); err != nil || zombie(pid) {
			look.Stop()
			return
		}
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("process %d outlived the runner", pid)
		}
	}
}

func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestEndlessLineIsCut(t *testing.T) {
	var out bytes.Buffer
	w := &lineWriter{out: &out, prefix: "> "}
	for range 3 {
		_, _ = w.Write(bytes.Repeat([]byte("x"), maxLine/2))
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("%d lines, want 1 cut one", lines)
	}
	w.flush()
	if got := out.Len(); got != 3*maxLine/2+2*len("> \n") {
		t.Errorf("%d bytes came out", got)
	}
}
