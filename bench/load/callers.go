package load

import (
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/bench/wire"
)

// callers make HTTP POSTs over a few connections that are kept alive. A call waits for a free one.
type callers struct {
	w      *Worker
	target *wire.Target
	signer *signer  // or nil
	conns  []caller // by -1-Conn.Index
	free   []int
	// queue is bounded by the messages that may be under way: a connection's next call follows its last.
	queue []call
	head  int
	// failed is told the index of a call that caused nothing.
	failed func(index int, now time.Duration)
}

type caller struct {
	conn *wire.Conn
	busy bool
	call call
}

// call is a POST for the connection of an index.
type call struct {
	path  string
	body  []byte // read only
	index int
	due   time.Duration
	began time.Duration
}

// CallersByDefault is enough for a local server to be busy, and few enough that its own cost for connections is small.
const CallersByDefault = 64

func newCallers(w *Worker, target *wire.Target) *callers {
	n := w.job.Callers
	if n == 0 {
		n = CallersByDefault
	}
	c := &callers{w: w, target: target, conns: make([]caller, n)}
	if w.job.AccessKeyID != "" {
		c.signer = newSigner(w.job.AccessKeyID, w.job.SecretAccessKey, target.Host)
	}
	return c
}

// do makes a call, now or when a connection is free.
func (c *callers) do(x call) {
	for len(c.free) > 0 {
		slot := c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
		if conn := c.conns[slot].conn; conn != nil && conn.Open() && !c.conns[slot].busy {
			c.begin(slot, x)
			return
		}
	}
	c.queue = append(c.queue, x)
	c.dial()
}

func (c *callers) begin(slot int, x call) {
	c.conns[slot].busy, c.conns[slot].call = true, x
	request := wire.Call{Method: "POST", Path: x.path, Body: x.body}
	if c.signer != nil {
		request.Header = c.signer.header(x.path, x.body, time.Now())
	}
	c.w.loop.Request(c.conns[slot].conn, request)
}

// dial opens one more connection when one is missing.
func (c *callers) dial() {
	for slot := range c.conns {
		if c.conns[slot].conn != nil {
			continue
		}
		conn, err := c.w.loop.Dial(c.target, netip.Addr{}, -1-slot)
		if err != nil {
			c.fail(err)
			return
		}
		c.conns[slot].conn = conn
		return
	}
}

// fail gives up the call that has waited longest.
func (c *callers) fail(err error) {
	if x, ok := c.take(); ok {
		count(&c.w.tally.Statuses, cause(err))
		c.failed(x.index, c.w.loop.Now())
	}
}

func (c *callers) take() (call, bool) {
	if c.head == len(c.queue) {
		c.queue, c.head = c.queue[:0], 0
		return call{}, false
	}
	x := c.queue[c.head]
	c.queue[c.head] = call{}
	c.head++
	return x, true
}

// next gives a free connection its next call.
func (c *callers) next(slot int) {
	if x, ok := c.take(); ok {
		c.begin(slot, x)
		return
	}
	c.free = append(c.free, slot)
}

func (c *callers) opened(conn *wire.Conn) { c.next(-1 - conn.Index) }

func (c *callers) answered(conn *wire.Conn, status int) {
	slot := -1 - conn.Index
	x := c.conns[slot].call
	c.conns[slot].busy = false
	now := c.w.loop.Now()
	if c.w.window.measured(x.due) {
		countStatus(&c.w.tally, status)
		c.w.tally.Call.Record(now - x.began)
	}
	if status >= 300 {
		c.failed(x.index, now)
	}
	if conn.Open() {
		c.next(slot)
	}
}

// quiet reports that each call is answered: the message that it caused may arrive before its answer.
func (c *callers) quiet() bool {
	for i := range c.conns {
		if c.conns[i].busy {
			return false
		}
	}
	return c.head == len(c.queue)
}

func (c *callers) close() {
	for i := range c.conns {
		if conn := c.conns[i].conn; conn != nil {
			c.w.loop.Abort(conn)
		}
	}
}

func (c *callers) closed(conn *wire.Conn, err error) {
	slot := -1 - conn.Index
	was := c.conns[slot]
	c.conns[slot] = caller{}
	if c.w.phase == phaseEnding {
		return
	}
	switch {
	case was.busy:
		count(&c.w.tally.Statuses, cause(err))
		c.failed(was.call.index, c.w.loop.Now())
	case err != nil && !isClosed(err):
		c.fail(err)
	}
	if c.head < len(c.queue) {
		c.dial()
	}
}
