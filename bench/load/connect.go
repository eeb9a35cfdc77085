package load

import "time"

// connect opens connections, by a schedule or as fast as handshakes succeed. When as many are open as the job has, the
// oldest makes room for the next.
type connect struct {
	w        *Worker
	schedule schedule
	next     int64
	complete bool // no further one is dialled
}

// ClosingAtOnce bounds the connections whose close handshake is under way, each with a descriptor.
const ClosingAtOnce = 1024

func (s *connect) tick(now time.Duration) time.Duration {
	w := s.w
	if s.complete {
		return now + longestWait
	}
	if s.schedule.start == 0 {
		s.schedule = newSchedule(&w.job, w.job.Rate, w.window.start)
	}
	for range sendsPerTick {
		if w.opening >= w.opener.atOnce || w.loop.Live() >= len(w.peers)+ClosingAtOnce {
			return now + longestWait // what ends wakes the loop
		}
		due := now
		if w.job.Rate > 0 {
			due = s.schedule.due(s.next)
		}
		// What was due in the measured time is dialled even after it.
		if s.complete = due >= w.window.to || w.phase != phaseRunning && w.job.Rate == 0 || len(w.peers) == 0; s.complete {
			break
		}
		if due > now {
			return due
		}
		index := int(s.next % int64(len(w.peers)))
		p := &w.peers[index]
		if p.stage == stageOpening && p.conn != nil {
			return now + longestWait // the oldest has not opened yet
		}
		if w.tally.Opened == 0 && w.opener.failed >= hopeless {
			w.fatal = Advice(w.opener.why, w.opener.whyURL)
			return now
		}
		s.next++
		s.dial(index, due)
		now = w.loop.Now()
	}
	return now
}

func (s *connect) dial(index int, due time.Duration) {
	w := s.w
	p := &w.peers[index]
	if old := p.conn; old != nil {
		p.conn = nil
		w.loop.Close(old)
	}
	p.flights = flights{}
	w.news.Sent++
	if w.window.measured(due) {
		w.tally.Sent++
	}
	if err := w.opener.dial(index); err != nil {
		w.opener.fail(err, index)
		p.stage = stageGone
		return
	}
	p.push(flight{due: due, sent: w.loop.Now()}, 1)
}

func (s *connect) became(index int) {
	w := s.w
	f, _ := w.peers[index].pop()
	now := w.loop.Now()
	w.news.Received++
	if w.window.measured(now) {
		w.tally.Received++
	}
	if w.window.measured(f.due) {
		w.tally.Latency.Record(now - f.due)
	}
}

func (s *connect) message(int, []byte, time.Duration) {}

func (s *connect) lost(int) {}

func (s *connect) drained(time.Duration) bool { return s.complete && s.w.opening == 0 }

func (s *connect) finish() {
	s.w.tally.Unanswered += int64(s.w.opening)
	if o := &s.w.opener; s.w.tally.Opened == 0 && o.failed > 0 {
		s.w.fatal = Advice(o.why, o.whyURL)
	}
}
