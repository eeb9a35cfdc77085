package load

import "time"

// sender causes one message for a connection: by sending one that is answered, or by a push from outside.
type sender interface {
	// send returns false when nothing was caused.
	send(index int, now time.Duration) bool
}

// exchange causes messages and times what comes back, by a schedule or as fast as replies come.
type exchange struct {
	w        *Worker
	sender   sender
	most     int // under way on one connection
	schedule schedule
	next     int64 // message of the schedule
	complete bool  // all of the schedule has been sent, or is owed
	begun    int   // connections whose first messages are sent, without a schedule
}

func newExchange(w *Worker, s sender) *exchange {
	return &exchange{w: w, sender: s, most: w.job.MostInFlight()}
}

func (x *exchange) tick(now time.Duration) time.Duration {
	w := x.w
	if len(w.peers) == 0 || w.job.Rate == 0 && w.phase != phaseRunning {
		return now + longestWait
	}
	if w.job.Rate == 0 {
		return x.begin(now)
	}
	if x.schedule.interval == 0 {
		x.schedule = newSchedule(&w.job, w.job.Rate, w.window.start)
	}
	for range sendsPerTick {
		due := x.schedule.due(x.next)
		if due >= w.window.to {
			x.complete = true
			return now + longestWait
		}
		if due > now {
			return due
		}
		index := int(x.next % int64(len(w.peers)))
		x.next++
		p := &w.peers[index]
		switch {
		case p.stage != stageReady:
			p.sent++
			x.unsent(due)
		case int(p.n) >= x.most:
			p.owed++
		default:
			x.send(index, due, now)
			now = w.loop.Now()
		}
	}
	return now
}

// begin sends each connection's first messages. Its replies cause the next ones.
func (x *exchange) begin(now time.Duration) time.Duration {
	for range sendsPerTick {
		if x.begun == len(x.w.peers) {
			return now + longestWait
		}
		for range x.most {
			if x.w.peers[x.begun].stage == stageReady {
				now = x.w.loop.Now()
				x.send(x.begun, now, now)
			}
		}
		x.begun++
	}
	return now
}

// send sends a message that was due then.
func (x *exchange) send(index int, due, now time.Duration) {
	w := x.w
	p := &w.peers[index]
	p.push(flight{due: due, sent: now}, x.most)
	p.sent++
	w.news.Sent++
	if w.window.measured(due) {
		w.tally.Sent++
	}
	if !x.sender.send(index, now) {
		p.pop()
	}
}

func (x *exchange) unsent(due time.Duration) {
	if x.w.window.measured(due) {
		x.w.tally.Unsent++
	}
}

func (x *exchange) message(index int, payload []byte, now time.Duration) {
	for range x.w.replies(payload) {
		x.reply(index, now)
	}
}

func (x *exchange) reply(index int, now time.Duration) {
	w := x.w
	p := &w.peers[index]
	f, ok := p.pop()
	if !ok {
		w.tally.Unexpected++
		return
	}
	w.news.Received++
	if w.window.measured(now) {
		w.tally.Received++
	}
	if w.window.measured(f.due) {
		w.tally.Latency.Record(now - f.due)
		w.tally.Service.Record(now - f.sent)
	}
	switch {
	case w.phase == phaseEnding:
	case w.job.Rate == 0 && now < w.window.to:
		x.send(index, now, now)
	case p.owed > 0: // even after the measured time, since it was due in it
		// The schedule goes round the connections, so that a connection's message number sent is this one of all.
		p.owed--
		x.send(index, x.schedule.due(p.sent*int64(len(w.peers))+int64(index)), now)
	}
}

func (x *exchange) lost(int) {}

func (x *exchange) drained(time.Duration) bool {
	if x.w.job.Rate > 0 && !x.complete && len(x.w.peers) > 0 {
		return false
	}
	for i := range x.w.peers {
		if p := &x.w.peers[i]; p.n > 0 && p.stage == stageReady {
			return false
		}
	}
	return true
}

func (x *exchange) finish() {
	w := x.w
	for i := range w.peers {
		p := &w.peers[i]
		for f, any := p.pop(); any; f, any = p.pop() {
			if w.window.measured(f.due) {
				w.tally.Unanswered++
			}
		}
		for ; p.owed > 0; p.owed-- {
			x.unsent(x.schedule.due(p.sent*int64(len(w.peers)) + int64(i)))
			p.sent++
		}
	}
}

// echoSender sends the job's message on the connection itself.
type echoSender struct {
	w        *Worker
	template *template
	buffer   []byte
}

func (s *echoSender) send(index int, _ time.Duration) bool {
	c := s.w.peers[index].conn
	s.buffer = s.template.render(s.buffer, s.w.news.Sent, s.w.number(index))
	s.w.loop.Send(c, s.buffer)
	return true
}
