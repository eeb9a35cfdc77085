package integrations

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends at a time, like context.WithDeadline's, but has a timer only when somebody waits for its
// end: a kind that answers by itself never does, and its events come by the hundred thousand.
type deadline struct {
	context.Context // the parent, until somebody waits
	at              time.Time

	mu     sync.Mutex // guards the fields below
	inner  context.Context
	cancel context.CancelFunc
}

// withTimeout returns a context that ends after limit at most. end releases it; nobody may use it afterwards.
func withTimeout(parent context.Context, limit time.Duration) *deadline {
	d := &deadline{Context: parent, at: time.Now().Add(limit)}
	if at, ok := parent.Deadline(); ok && at.Before(d.at) {
		d.at = at
	}
	return d
}

// waiting returns the context of those who wait.
func (d *deadline) waiting() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		d.inner, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.inner
}

// Deadline returns when the context ends.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done returns the channel that is closed then, or when the parent ends.
func (d *deadline) Done() <-chan struct{} { return d.waiting().Done() }

// Err says whether and why the context has ended.
func (d *deadline) Err() error {
	d.mu.Lock()
	inner := d.inner
	d.mu.Unlock()
	if inner != nil {
		return inner.Err()
	}
	if err := d.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(d.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value returns the parent's values. The context package finds the inner context by it, so that children need no
// goroutine of their own.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	inner := d.inner
	d.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return d.Context.Value(key)
}

// end stops the timer.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}
