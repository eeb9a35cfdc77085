package edge

import (
	"sync"
	"time"
)

// wheelSlots is how far ahead the wheel looks, in sweep intervals: 17 minutes. What is due later is looked at once in
// that time, which costs nothing.
const wheelSlots = 1024

// timed is what waits for a deadline. due does whatever is due at now and returns the time of its next deadline, the
// zero time for none. It may be called before any deadline, so it compares for itself.
type timed interface {
	due(now time.Time) time.Time
}

// timer is a timed thing's place in the wheel. It lives inside its owner, so arming costs no memory. The wheel's lock
// guards it.
type timer struct {
	prev, next *timer
	tick       int64 // 0: not armed
	owner      timed
}

// wheel keeps all deadlines of a server in slots of one sweep interval. Activity does not move a timer: its owner is
// asked when the earliest deadline that it had could have passed, and answers with the next one.
type wheel struct {
	start time.Time

	mu    sync.Mutex // guards the fields below and all timers
	done  int64      // the last tick that was swept
	slots [wheelSlots]timer
}

func newWheel(start time.Time) *wheel {
	w := &wheel{start: start}
	for i := range w.slots {
		head := &w.slots[i]
		head.prev, head.next = head, head
	}
	return w
}

// arm makes t due at the given time unless it is due earlier already. The zero time arms nothing.
func (w *wheel) arm(t *timer, at time.Time) {
	if at.IsZero() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// Rounded up: a tick is swept when its time has passed, so nothing is early. A time in some centuries is just far away.
	ahead := at.Sub(w.start)
	tick := int64(ahead / sweepInterval)
	if ahead%sweepInterval > 0 {
		tick++
	}
	tick = min(max(tick, w.done+1), w.done+wheelSlots-1)
	if t.tick != 0 && t.tick <= tick {
		return
	}
	t.unlink()
	t.tick = tick
	head := &w.slots[tick%wheelSlots]
	t.prev, t.next = head.prev, head
	head.prev.next, head.prev = t, t
}

// disarm takes t out. A due call that is running may arm it once more; its owner then answers with the zero time.
func (w *wheel) disarm(t *timer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.unlink()
}

func (t *timer) unlink() {
	if t.tick == 0 {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next, t.tick = nil, nil, 0
}

// sweep calls everything that is due at now. One goroutine calls it.
func (w *wheel) sweep(now time.Time) {
	until := int64(now.Sub(w.start) / sweepInterval)
	for w.sweepTick(until, now) {
	}
}

// sweepTick sweeps the next tick and reports whether there was one. The owners are called without the lock.
func (w *wheel) sweepTick(until int64, now time.Time) bool {
	w.mu.Lock()
	if w.done >= until {
		w.mu.Unlock()
		return false
	}
	w.done++
	head := &w.slots[w.done%wheelSlots]
	var ready []*timer
	for head.next != head {
		t := head.next
		t.unlink()
		ready = append(ready, t)
	}
	w.mu.Unlock()
	for _, t := range ready {
		w.arm(t, t.owner.due(now))
	}
	return true
}
