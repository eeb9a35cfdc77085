package load

import "time"

// schedule says when each of a sequence is due, from a rate alone.
type schedule struct {
	start    time.Duration
	interval float64 // in nanoseconds; 0 means no schedule
}

// newSchedule divides rate among the workers by their shares. Their schedules interleave.
func newSchedule(j *Job, rate float64, start time.Duration) schedule {
	if rate <= 0 {
		return schedule{start: start}
	}
	share := float64(j.share(j.Connections)) / float64(j.Connections)
	interval := float64(time.Second) / (rate * share)
	return schedule{start: start + time.Duration(interval*float64(j.Worker)/float64(j.Workers)), interval: interval}
}

// due is when number n, from 0, is due.
func (s schedule) due(n int64) time.Duration {
	return s.start + time.Duration(float64(n)*s.interval)
}
