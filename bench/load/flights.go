package load

import "time"

// flights are the messages of one connection that are under way, oldest first. Replies come in the order of the
// messages; where a server with several under way changes it, the sum of latencies stays right.
type flights struct {
	ring []flight
	head int32
	n    int32
	sent int64 // so far, as places in the schedule
	owed int32 // due, and waiting for a reply to an earlier one
}

type flight struct{ due, sent time.Duration }

func (f *flights) push(x flight, most int) {
	if f.ring == nil {
		f.ring = make([]flight, most)
	}
	f.ring[(int(f.head)+int(f.n))%len(f.ring)] = x
	f.n++
}

func (f *flights) pop() (flight, bool) {
	if f.n == 0 {
		return flight{}, false
	}
	x := f.ring[f.head]
	f.head = (f.head + 1) % int32(len(f.ring))
	f.n--
	return x, true
}
