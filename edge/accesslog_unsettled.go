package edge

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// A native one-way message is never acknowledged: what is heard of it is its failure, if it has one, by way of
// Server.Failed. Its line in the access log waits for that, a moment.

const (
	// settleTime is how long a line waits. "No responders" takes one round trip, and a backend refuses early or not at all;
	// a failure that is told later has a line of its own.
	settleTime = disconnectSettle
	// maxUnsettled is how many lines may wait, about 100 MiB of common events; beyond it lines are written at once.
	maxUnsettled = 100_000
)

// unsettledLine is a line that waits.
type unsettledLine struct {
	program *router.Program
	context []byte
	request gateway.RequestID
	start   time.Time
}

// unsettled is the lines that wait. Its goroutine is run.
type unsettled struct {
	server *Server
	wake   chan struct{} // capacity 1: a line has come where none waited

	mu    sync.Mutex // guards the fields below
	lines map[gateway.RequestID]*unsettledLine
	queue []*unsettledLine // by start; those that lines has no more are settled
	ended bool
}

func newUnsettled(s *Server) *unsettled {
	return &unsettled{server: s, wake: make(chan struct{}, 1), lines: make(map[gateway.RequestID]*unsettledLine)}
}

// hold takes the line of a message that is about to be sent, where p's stage has an access log.
func (u *unsettled) hold(p *router.Program, ev *gateway.Event, start time.Time) {
	if !logs(p) {
		return
	}
	// The event's own context is one piece with its body, which would wait too.
	line := &unsettledLine{program: p, context: bytes.Clone(ev.Context), request: ev.Request, start: start}
	if !u.add(line) {
		u.write(line, nil)
	}
}

func (u *unsettled) add(line *unsettledLine) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended || len(u.queue) >= maxUnsettled {
		return false
	}
	u.lines[line.request] = line
	u.queue = append(u.queue, line)
	if len(u.queue) == 1 {
		select {
		case u.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// failed writes the line of a message that failed, and reports whether it was still waiting.
func (u *unsettled) failed(r gateway.RequestID, err error) bool {
	u.mu.Lock()
	line := u.lines[r]
	delete(u.lines, r)
	u.mu.Unlock()
	if line == nil {
		return false
	}
	u.write(line, err)
	return true
}

// run writes the lines of which nothing was heard, until ctx ends: then it writes all that are left.
func (u *unsettled) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, line := range u.end() {
				u.write(line, nil)
			}
			return
		case <-u.wake:
		case <-timer.C:
		}
		now := u.server.now()
		due, next := u.due(now)
		for _, line := range due {
			u.write(line, nil)
		}
		if !next.IsZero() {
			timer.Reset(next.Sub(now))
		}
	}
}

// due takes out the lines that have waited long enough, and returns when the next will have.
func (u *unsettled) due(now time.Time) (lines []*unsettledLine, next time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for n < len(u.queue) && now.Sub(u.queue[n].start) >= settleTime {
		n++
	}
	lines = u.takeLocked(n)
	if len(u.queue) > 0 {
		next = u.queue[0].start.Add(settleTime)
	}
	return lines, next
}

func (u *unsettled) end() []*unsettledLine {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	return u.takeLocked(len(u.queue))
}

// takeLocked takes the first n out of the queue, and returns those that are not settled yet.
func (u *unsettled) takeLocked(n int) []*unsettledLine {
	var out []*unsettledLine
	for _, line := range u.queue[:n] {
		if u.lines[line.request] == line {
			delete(u.lines, line.request)
			out = append(out, line)
		}
	}
	clear(u.queue[:n])
	if u.queue = u.queue[n:]; len(u.queue) == 0 {
		u.queue = nil // a burst must not pin memory
	}
	return out
}

func (u *unsettled) write(line *unsettledLine, err error) {
	e := accesslog.Entry{Context: line.context, Status: messageStatus(err), Err: err}
	if err != nil {
		e.Integration, e.Latency = true, u.server.now().Sub(line.start)
	}
	u.server.accessLine(line.program, &e)
}
