package journal

import (
	"errors"
	"slices"
	"sync"

	"github.com/sallyport/sallyport/gateway"
)

// maxWaiting bounds the opens that wait for JetStream: ten seconds of a thousand upgrades a second. One more is refused.
const maxWaiting = 10_000

var (
	errQueueFull = errors.New("too many connections wait to be recorded")
	errNoAck     = errors.New("JetStream did not acknowledge in time")
)

// queue holds what is to be written: opens, at most maxWaiting of them, and closes, at most one for each connection that
// was opened. Opens of one caller and its close never wait together, since a close comes after Opened has returned.
type queue struct {
	wake chan struct{} // has room for one signal: there is something to write, or the queue was ended

	mu      sync.Mutex
	ended   error      // once set nothing more is taken in
	final   bool       // ended, and what waits is still to be written
	opens   []*waiting // in order
	gone    int        // how many of opens were given up
	closes  []gateway.ConnectionID
	waiting int // bytes of opens and closes
}

// waiting is one open on its way. Its state is guarded by the queue's mu.
type waiting struct {
	conn  *gateway.Connection
	size  int
	state waitState
	done  chan error // has room for the one result
}

type waitState int

const (
	waitQueued   waitState = iota
	waitInFlight           // in a message that may or may not be stored
	waitSettled            // done has the result
	waitGivenUp            // nobody waits any more
)

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // one is there already
	}
}

// open takes w in, or returns why not.
func (q *queue) open(w *waiting) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended != nil {
		return q.ended
	}
	if len(q.opens) >= maxWaiting && q.gone > 0 {
		q.opens = slices.DeleteFunc(q.opens, func(w *waiting) bool { return w.state == waitGivenUp })
		q.gone = 0
	}
	if len(q.opens) >= maxWaiting {
		return errQueueFull
	}
	q.opens = append(q.opens, w)
	q.waiting += w.size
	q.signal()
	return nil
}

// giveUp ends the wait for w with cause, unless its result is there: then it returns that. What may have been stored
// already gets its close.
func (q *queue) giveUp(w *waiting, cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch w.state {
	case waitSettled:
		return <-w.done
	case waitQueued:
		q.gone++
		q.waiting -= w.size
	case waitInFlight:
		q.closeLocked(w.conn.ID)
	}
	w.state = waitGivenUp
	return cause
}

// close takes the end of a connection in.
func (q *queue) close(id gateway.ConnectionID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closeLocked(id)
}

func (q *queue) closeLocked(id gateway.ConnectionID) {
	if q.ended != nil && !q.final {
		return // nobody will write it
	}
	q.closes = append(q.closes, id)
	q.waiting += closeSize(id)
	q.signal()
}

// end refuses what comes from now on with err and fails the opens that wait. With final the closes that are there are still
// handed out, otherwise they are dropped.
func (q *queue) end(err error, final finish) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended == nil {
		q.ended, q.final = err, final == finishWriting
	} else if final == finishNow {
		q.final = false
	}
	for _, w := range q.opens {
		if w.state == waitQueued {
			w.state = waitSettled
			w.done <- q.ended
		}
	}
	q.opens, q.gone, q.waiting = nil, 0, 0
	if q.final {
		for _, id := range q.closes {
			q.waiting += closeSize(id)
		}
	} else {
		q.closes = nil
	}
	q.signal()
}

// finish says what becomes of the closes when a queue ends.
type finish int

const (
	finishWriting finish = iota
	finishNow
)

// take returns the next opens and closes, at most limit bytes of records. While both wait, opens get half of it: a drain's
// closes do not starve new connections, nor these the closes.
func (q *queue) take(limit int) (opens []*waiting, closes []gateway.ConnectionID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	room, n := limit, 0
	if len(q.closes) > 0 {
		room = limit / 2
	}
	for _, w := range q.opens {
		if w.state == waitGivenUp {
			q.gone--
		} else {
			// One record always fits: a message takes MaxRecordBytes, see maxMessage.
			if len(opens) > 0 && w.size > room {
				break
			}
			room -= w.size
			limit -= w.size
			q.waiting -= w.size
			w.state = waitInFlight
			opens = append(opens, w)
		}
		n++
	}
	q.opens = slices.Delete(q.opens, 0, n)
	n = 0
	for _, id := range q.closes {
		if limit -= closeSize(id); limit < 0 {
			break
		}
		q.waiting -= closeSize(id)
		n++
	}
	closes, q.closes = q.closes[:n:n], q.closes[n:] // a storm of closes is not moved about
	if len(q.closes) == 0 {
		q.closes = nil
	}
	return opens, closes
}

// settle hands the result of a message to those who wait for it.
func (q *queue) settle(opens []*waiting, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range opens {
		if w.state == waitInFlight {
			w.state = waitSettled
			w.done <- err
		}
	}
}

// backlog returns how many bytes of records wait, and whether the queue has ended and is empty.
func (q *queue) backlog() (bytes int, finished bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	finished = q.ended != nil && len(q.opens) == 0 && len(q.closes) == 0
	return q.waiting, finished
}
