package accesslog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The destinations with a name; any other is the path of a file.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

const (
	// queueLines is how many lines may wait for a destination; more are dropped and counted, since an access log must not
	// hold up the events that it tells of.
	queueLines = 8192
	// maxClosing is how many destinations may still write what was queued when they went out of use. More means that a
	// destination takes nothing, and each keeps a whole queue.
	maxClosing = 16
	// reopenTime is how long Reopen waits for what was queued.
	reopenTime = 5 * time.Second
	// fileMode lets the owner's group read: the lines have addresses of clients in them.
	fileMode = 0o640
)

// Config says where lines go.
type Config struct {
	// Stdout and Stderr are required, and take concurrent writes: one may come back into use while its old queue is written.
	Stdout, Stderr io.Writer
	// Logger is told when a destination fails or drops lines; nil discards that.
	Logger *slog.Logger
}

// Sink takes lines for any number of destinations. Its methods may be called concurrently.
type Sink struct {
	cfg Config

	change  sync.Mutex     // one Use, Reopen or Close at a time; guards the field below
	closing []*destination // those that write what was queued when they went out of use

	mu    sync.RWMutex // guards the field below; Write holds it for reading
	queue map[string]*destination
}

// destination is a file or stream with its queue and the goroutine that empties it.
type destination struct {
	name    string
	lines   chan []byte
	out     io.Writer
	file    *os.File // nil for streams
	dropped atomic.Int64
	done    chan struct{}
	log     *slog.Logger
}

// NewSink returns a sink without destinations.
func NewSink(c Config) *Sink {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sink{cfg: c, queue: make(map[string]*destination)}
}

// Use opens the destinations named, leaves those open that were before, and takes the others out of use: these are closed
// when their queues are written, which it does not wait for. When one can't be opened, nothing changes.
func (s *Sink) Use(names []string) error {
	s.change.Lock()
	defer s.change.Unlock()
	if s.pruneClosing(); len(s.closing) >= maxClosing {
		return fmt.Errorf("access log: %d destinations that are out of use still do not take their lines", len(s.closing))
	}
	opened := make(map[string]*destination)
	s.mu.RLock()
	known := s.queue
	s.mu.RUnlock()
	for _, name := range names {
		if known[name] != nil || opened[name] != nil {
			continue
		}
		d, err := s.open(name)
		if err != nil {
			s.endLocked(slices.Collect(maps.Values(opened)))
			return err
		}
		opened[name] = d
	}
	var over []*destination
	s.mu.Lock()
	next := make(map[string]*destination, len(names))
	for name, d := range s.queue {
		if slices.Contains(names, name) {
			next[name] = d
		} else {
			over = append(over, d)
		}
	}
	for name, d := range opened {
		next[name] = d
	}
	s.queue = next
	s.mu.Unlock()
	s.endLocked(over)
	return nil
}

// endLocked closes destinations that nobody can write to any more.
func (s *Sink) endLocked(over []*destination) {
	for _, d := range over {
		close(d.lines)
	}
	s.closing = append(s.closing, over...)
}

// pruneClosing forgets those that are through.
func (s *Sink) pruneClosing() {
	s.closing = slices.DeleteFunc(s.closing, func(d *destination) bool {
		select {
		case <-d.done:
			return true
		default:
			return false
		}
	})
}

// Reopen opens every file anew by its name, for those who have renamed it: what comes from now on goes to the new file, what
// was queued to the old one. It returns when that is written, or has not been for a while. A file that can't be opened
// again keeps its old one; the error tells of all of those.
func (s *Sink) Reopen() error {
	over, err := s.reopen()
	limit := time.NewTimer(reopenTime)
	defer limit.Stop()
	for _, d := range over {
		select {
		case <-d.done:
		case <-limit.C:
			return errors.Join(err, fmt.Errorf("access log: %s does not take what was queued", d.name))
		}
	}
	return err
}

// reopen returns the destinations whose places others have taken.
func (s *Sink) reopen() (over []*destination, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	if s.pruneClosing(); len(s.closing) >= maxClosing {
		return nil, fmt.Errorf("access log: %d destinations that are out of use still do not take their lines", len(s.closing))
	}
	s.mu.RLock()
	known := maps.Clone(s.queue)
	s.mu.RUnlock()
	var faults []error
	for name, old := range known {
		if old.file == nil {
			continue
		}
		d, err := s.open(name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.mu.Lock()
		s.queue[name] = d
		s.mu.Unlock()
		over = append(over, old)
	}
	s.endLocked(over)
	return over, errors.Join(faults...)
}

func (s *Sink) open(name string) (*destination, error) {
	d := &destination{name: name, lines: make(chan []byte, queueLines), done: make(chan struct{}), log: s.cfg.Logger}
	switch name {
	case Stdout:
		d.out = s.cfg.Stdout
	case Stderr:
		d.out = s.cfg.Stderr
	default:
		// Without O_NONBLOCK a named pipe that nobody reads holds up whoever opens it; so it is an error.
		file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, fileMode)
		if err != nil {
			return nil, fmt.Errorf("access log: %w", err)
		}
		d.file, d.out = file, file
	}
	go d.run() // Close waits for it
	return d, nil
}

// Write queues a line. It keeps no reference to it, never blocks, and drops it when the destination is not open or too slow.
func (s *Sink) Write(name string, line []byte) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.queue[name]
	if d == nil {
		return
	}
	select {
	case d.lines <- slices.Clone(line):
	default:
		d.dropped.Add(1)
	}
}

// Close writes what is queued and closes every destination, or gives up when ctx ends.
func (s *Sink) Close(ctx context.Context) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	over := s.queue
	s.queue = make(map[string]*destination)
	s.mu.Unlock()
	s.endLocked(slices.Collect(maps.Values(over)))
	for _, d := range s.closing {
		select {
		case <-d.done:
		case <-ctx.Done():
			return errors.New("access log: not everything was written in time")
		}
	}
	s.closing = nil
	return nil
}

// run writes lines until the queue is closed; those that have come meanwhile go out in one write.
func (d *destination) run() {
	defer close(d.done)
	w := bufio.NewWriter(d.out)
	failed := false
	for line := range d.lines {
		_, err := w.Write(line)
		if len(d.lines) == 0 {
			err = errors.Join(err, w.Flush())
		}
		if err != nil {
			if !failed {
				d.log.Error("the access log can't be written", "destination", d.name, "error", err)
			}
			w.Reset(d.out) // a writer keeps its first error
		}
		failed = err != nil
		if n := d.dropped.Swap(0); n > 0 {
			d.log.Warn("lines of the access log were dropped: its destination is too slow", "destination", d.name, "lines", n)
		}
	}
	if err := w.Flush(); err != nil && !failed {
		d.log.Error("the access log can't be written", "destination", d.name, "error", err)
	}
	if d.file != nil {
		if err := d.file.Close(); err != nil {
			d.log.Error("the access log can't be closed", "destination", d.name, "error", err)
		}
	}
}
