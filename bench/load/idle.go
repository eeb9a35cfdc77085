package load

import "time"

// idle holds the connections, and pings each of them at the end to see which are alive.
type idle struct {
	w       *Worker
	from    time.Duration // when the pings began
	next    int           // peer to ping
	pending int
}

func (s *idle) tick(now time.Duration) time.Duration {
	w := s.w
	if w.phase != phaseDraining {
		return now + longestWait
	}
	if s.from == 0 {
		s.from = now
	}
	interval := time.Duration(w.job.Workers) * time.Second / pingRate
	for range sendsPerTick {
		due := s.from + time.Duration(s.next)*interval
		if due > now || s.next == len(w.peers) {
			return due
		}
		if p := &w.peers[s.next]; p.stage == stageReady {
			w.window.end = now + drainTimeout
			w.tally.Checked++
			s.pending++
			p.push(flight{due: now, sent: now}, 1)
			w.loop.Ping(p.conn)
		}
		s.next++
	}
	return now
}

func (s *idle) pong(index int, now time.Duration) {
	f, ok := s.w.peers[index].pop()
	if !ok {
		return
	}
	s.pending--
	s.w.tally.Alive++
	s.w.tally.Latency.Record(now - f.sent)
}

func (s *idle) message(int, []byte, time.Duration) { s.w.tally.Unexpected++ }

func (s *idle) became(int) {}

func (s *idle) lost(index int) {
	if s.w.peers[index].n > 0 {
		s.pending--
	}
}

func (s *idle) drained(time.Duration) bool {
	return s.from > 0 && s.next == len(s.w.peers) && s.pending == 0
}

func (s *idle) finish() {}
