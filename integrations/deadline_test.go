package integrations

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := withTimeout(parent, time.Second)
		defer d.end()
		if at, ok := d.Deadline(); !ok || time.Until(at) != time.Second || d.Err() != nil {
			t.Errorf("deadline %v %v, error %v", at, ok, d.Err())
		}
		child, stop := context.WithCancel(d)
		defer stop()
		<-child.Done()
		if !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(d.Err(), context.DeadlineExceeded) {
			t.Errorf("child %v, deadline %v", child.Err(), d.Err())
		}
		if late := withTimeout(parent, time.Second); late.Err() != nil {
			t.Errorf("a new one has ended: %v", late.Err())
		}
		shorter := withTimeout(d, time.Hour)
		if at, _ := shorter.Deadline(); !at.Equal(d.at) {
			t.Errorf("the parent's deadline is earlier, got %v", at)
		}
		canceled := withTimeout(parent, time.Hour)
		cancel()
		<-canceled.Done()
		if !errors.Is(canceled.Err(), context.Canceled) {
			t.Errorf("the parent's end gave %v", canceled.Err())
		}
		canceled.end()
	})
}

// One without anybody who waits costs itself.
func TestDeadlineAllocatesOnce(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		d := withTimeout(t.Context(), time.Second)
		_ = d.Err()
		d.end()
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
