package runner

import (
	"bytes"
	"io"
	"sync"
)

// maxLine cuts a line that never ends, so that a command can't make the gateway hold all it prints.
const maxLine = 64 << 10

// lineWriter passes on whole lines, each behind a prefix, so that the lines of command and gateway never mix.
type lineWriter struct {
	mu     sync.Mutex
	out    io.Writer
	prefix string
	part   []byte // the line that has no end yet
}

// Write never fails: a terminal that is gone must not kill the command.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			end = len(p) - 1
			w.part = append(w.part, p...)
			if len(w.part) >= maxLine {
				w.emitLocked()
			}
		} else {
			w.part = append(w.part, p[:end]...)
			w.emitLocked()
		}
		p = p[end+1:]
	}
	return n, nil
}

func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.part) > 0 {
		w.emitLocked()
	}
}

func (w *lineWriter) emitLocked() {
	line := append([]byte(w.prefix), bytes.TrimSuffix(w.part, []byte("\r"))...)
	_, _ = w.out.Write(append(line, '\n'))
	w.part = w.part[:0]
}
