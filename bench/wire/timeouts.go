package wire

import "time"

// timeouts is a queue of connections that all have the same time for something: the first in is the first due, so no
// timer is needed.
type timeouts struct {
	after time.Duration
	in    func(state) bool // whether a connection still waits
	queue []waiting
	head  int
}

type waiting struct {
	conn *Conn
	at   time.Duration
}

func (t *timeouts) add(c *Conn, now time.Duration) {
	t.queue = append(t.queue, waiting{c, now + t.after})
}

// next is when the first one is due, after it has forgotten those that wait no more.
func (t *timeouts) next() (time.Duration, bool) {
	for t.head < len(t.queue) && !t.in(t.queue[t.head].conn.state) {
		t.pop()
	}
	if t.head == len(t.queue) {
		t.queue, t.head = t.queue[:0], 0
		return 0, false
	}
	return t.queue[t.head].at, true
}

// due takes out the next connection whose time has passed.
func (t *timeouts) due(now time.Duration) *Conn {
	if at, any := t.next(); !any || at > now {
		return nil
	}
	c := t.queue[t.head].conn
	t.pop()
	return c
}

// compactAt is where the used part of the queue is given back: seldom, so that a move costs little for each.
const compactAt = 4096

func (t *timeouts) pop() {
	t.queue[t.head].conn = nil
	t.head++
	if t.head >= compactAt && 2*t.head >= len(t.queue) {
		rest := copy(t.queue, t.queue[t.head:])
		clear(t.queue[rest:])
		t.queue, t.head = t.queue[:rest], 0
	}
}
