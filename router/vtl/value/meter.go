package value

import (
	"errors"
	"time"
)

// ErrWork says that a render needed more steps or more memory than it may, ErrTime that it took too long.
var (
	ErrWork = errors.New("the template does too much work")
	ErrTime = errors.New("the template takes too long")
)

// clockInterval is how many units pass between two looks at the clock, which costs about as much as 20 of them.
const clockInterval = 4096

// Meter bounds what one render may do. A unit is about one step of the interpreter or one byte that it writes, so that
// the bound holds for time and for memory alike. It belongs to one render and is not safe for concurrent use.
type Meter struct {
	left     int
	look     int // the value of left at which the clock is read next
	deadline time.Time
}

// NewMeter allows units of work until deadline; the zero time means no deadline.
func NewMeter(units int, deadline time.Time) *Meter {
	return &Meter{left: units, look: nextLook(units), deadline: deadline}
}

// Spend takes n units. The error is ErrWork or ErrTime, and comes again at each further call.
func (m *Meter) Spend(n int) error {
	m.left -= n
	if m.left > m.look {
		return nil
	}
	if m.left < 0 {
		m.left, m.look = -1, 0
		return ErrWork
	}
	if !m.deadline.IsZero() && time.Now().After(m.deadline) {
		return ErrTime
	}
	m.look = nextLook(m.left)
	return nil
}

func nextLook(left int) int { return max(0, left-clockInterval) }

// Remaining is the time until the deadline, at most limit.
func (m *Meter) Remaining(limit time.Duration) time.Duration {
	if m.deadline.IsZero() {
		return limit
	}
	return min(limit, time.Until(m.deadline))
}
