package load

import (
	"context"
	"errors"
	"time"
)

// fanout causes rounds: in each, every connection gets one message. A round begins with one message of the first
// connection, which a route answers to all, or with a push to each.
type fanout struct {
	w        *Worker
	sender   sender
	each     bool // push to each connection, instead of one message for all
	rounds   []round
	begun    int64
	done     int64   // rounds before this one are complete
	arrived  []int64 // rounds, by connection
	complete bool    // no further round begins
	schedule schedule
}

// round is one that is under way, at its number modulo len(rounds).
type round struct {
	due     time.Duration
	missing int
}

var errFanoutAlone = errors.New("fanout has one process and one loop, which must see all of a round: leave out --processes and --loops")

func newFanout(ctx context.Context, w *Worker) (scenario, error) {
	if w.job.Workers != 1 {
		return nil, errFanoutAlone
	}
	f := &fanout{w: w, rounds: make([]round, max(w.job.InFlight, 1)), each: w.job.IDMessage != ""}
	if !f.each {
		f.sender = newEchoSender(w)
		return f, nil
	}
	var err error
	f.sender, err = newPushSender(ctx, w)
	return f, err
}

func (f *fanout) tick(now time.Duration) time.Duration {
	w := f.w
	if f.schedule.start == 0 {
		f.schedule = newSchedule(&w.job, w.job.Rate, w.window.start)
		f.arrived = make([]int64, len(w.peers))
	}
	for f.begun-f.done < int64(len(f.rounds)) {
		due := now
		if w.job.Rate > 0 {
			due = f.schedule.due(f.begun)
		}
		// What was due in the measured time is sent even after it.
		if f.complete = due >= w.window.to || w.job.Rate == 0 && w.phase != phaseRunning; f.complete {
			break
		}
		if due > now {
			return due
		}
		f.begin(due)
		now = w.loop.Now()
	}
	return now + longestWait
}

func (f *fanout) begin(due time.Duration) {
	w := f.w
	r := &f.rounds[f.begun%int64(len(f.rounds))]
	*r = round{due: due}
	f.begun++
	for i := range w.peers {
		if w.peers[i].takes() && !w.peers[i].conn.Deaf() {
			r.missing++
		}
	}
	w.news.Sent++
	if w.window.measured(due) {
		w.tally.Sent++
	}
	for i := range w.peers {
		if w.peers[i].takes() {
			f.sender.send(i, due)
			if !f.each {
				return
			}
		}
	}
}

func (f *fanout) message(index int, payload []byte, now time.Duration) {
	for range f.w.replies(payload) {
		f.delivery(index, now)
	}
}

func (f *fanout) delivery(index int, now time.Duration) {
	w := f.w
	if f.arrived == nil || f.arrived[index] >= f.begun {
		w.tally.Unexpected++
		return
	}
	// Messages to a connection arrive in the order of the rounds.
	r := &f.rounds[f.arrived[index]%int64(len(f.rounds))]
	f.arrived[index]++
	w.news.Received++
	if w.window.measured(now) {
		w.tally.Received++
	}
	if w.window.measured(r.due) {
		w.tally.Latency.Record(now - r.due)
	}
	f.count(r, now)
}

// count takes one delivery off a round.
func (f *fanout) count(r *round, now time.Duration) {
	r.missing--
	if r.missing == 0 && f.w.window.measured(r.due) {
		f.w.tally.Last.Record(now - r.due)
	}
	for f.done < f.begun && f.rounds[f.done%int64(len(f.rounds))].missing <= 0 {
		f.done++
	}
}

func (f *fanout) became(int) {}

// lost takes the connection out of the rounds under way.
func (f *fanout) lost(index int) {
	if f.arrived == nil {
		return
	}
	now := f.w.loop.Now()
	for ; f.arrived[index] < f.begun; f.arrived[index]++ {
		f.count(&f.rounds[f.arrived[index]%int64(len(f.rounds))], now)
	}
}

// failed says that a push caused nothing: the connection is counted on no more in the oldest round that it lacks.
func (f *fanout) failed(index int, now time.Duration) {
	if f.arrived[index] < f.begun {
		r := &f.rounds[f.arrived[index]%int64(len(f.rounds))]
		f.arrived[index]++
		f.w.tally.Unanswered++
		f.count(r, now)
	}
}

func (f *fanout) drained(time.Duration) bool { return f.complete && f.done == f.begun }

func (f *fanout) finish() {
	if f.w.job.Rate > 0 && f.arrived != nil {
		for n := f.begun; f.schedule.due(n) < f.w.window.to; n++ {
			if f.w.window.measured(f.schedule.due(n)) {
				f.w.tally.Unsent++
			}
		}
	}
	for n := f.done; n < f.begun; n++ {
		if r := f.rounds[n%int64(len(f.rounds))]; f.w.window.measured(r.due) {
			f.w.tally.Unanswered += int64(max(r.missing, 0))
		}
	}
}
