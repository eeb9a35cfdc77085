package load

import (
	"time"

	"github.com/sallyport/sallyport/bench/wire"
)

// sender causes one message for a connection: by sending one that is answered, or by a push from outside.
type sender interface {
	// send causes one that was due then, and returns false when it could not.
	send(index int, due time.Duration) bool
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
	switch {
	case len(w.peers) == 0 || x.complete:
		return now + longestWait
	case w.job.Rate > 0:
		return x.follow(now)
	case w.phase == phaseRunning:
		return x.begin(now)
	default:
		return now + longestWait
	}
}

// follow sends what the schedule says is due. It goes on after the measured time until all that was due in it is sent.
func (x *exchange) follow(now time.Duration) time.Duration {
	w := x.w
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
		case p.stage == stageGone:
			p.sent++
			x.unsent(due)
		case int(p.n) >= x.most || !p.takes():
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
			x.complete = true
			return now + longestWait
		}
		index := x.begun
		x.begun++
		x.refill(index, x.w.loop.Now())
	}
	return now
}

// send sends a message that was due then.
func (x *exchange) send(index int, due, now time.Duration) {
	w := x.w
	p := &w.peers[index]
	p.sent++
	if p.conn.Deaf() {
		x.sender.send(index, due)
		return
	}
	p.push(flight{due: due, sent: now}, x.most)
	w.news.Sent++
	if w.window.measured(due) {
		w.tally.Sent++
	}
	if !x.sender.send(index, due) {
		p.pop()
		x.unanswered(due)
	}
}

func (x *exchange) unsent(due time.Duration) {
	if x.w.window.measured(due) {
		x.w.tally.Unsent++
	}
}

func (x *exchange) unanswered(due time.Duration) {
	if x.w.window.measured(due) {
		x.w.tally.Unanswered++
	}
}

func (x *exchange) message(index int, payload []byte, now time.Duration) {
	n := 1
	if payload != nil {
		n = x.w.replies(payload)
	}
	for range n {
		x.reply(index, now)
	}
}

func (x *exchange) reply(index int, now time.Duration) {
	w := x.w
	f, ok := w.peers[index].pop()
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
	x.refill(index, now)
}

// failed says that the oldest message of a connection will not be answered.
func (x *exchange) failed(index int, now time.Duration) {
	if f, ok := x.w.peers[index].pop(); ok {
		x.unanswered(f.due)
		x.refill(index, now)
	}
}

// refill sends what a connection owes, or without a schedule as many as may be under way.
func (x *exchange) refill(index int, now time.Duration) {
	w := x.w
	p := &w.peers[index]
	for int(p.n) < x.most && p.takes() && (w.phase == phaseRunning || w.phase == phaseDraining) {
		switch {
		case p.owed > 0: // even after the measured time, since it was due in it
			p.owed--
			x.send(index, x.dueOf(p, index), now)
		case w.job.Rate == 0 && now >= w.window.start && now < w.window.to && !p.conn.Deaf():
			x.send(index, now, now)
		default:
			return
		}
	}
}

// dueOf is when the next message of p is due. The schedule goes round the connections, so that the message number sent of
// one connection is this one of all.
func (x *exchange) dueOf(p *peer, index int) time.Duration {
	return x.schedule.due(p.sent*int64(len(x.w.peers)) + int64(index))
}

func (x *exchange) became(index int) { x.refill(index, x.w.loop.Now()) }

func (x *exchange) lost(index int) {
	p := &x.w.peers[index]
	for f, any := p.pop(); any; f, any = p.pop() {
		x.unanswered(f.due)
	}
}

func (x *exchange) drained(time.Duration) bool {
	if x.w.job.Rate > 0 && !x.complete && len(x.w.peers) > 0 {
		return false
	}
	for i := range x.w.peers {
		if p := &x.w.peers[i]; (p.n > 0 || p.owed > 0) && p.stage != stageGone {
			return false
		}
	}
	return true
}

func (x *exchange) finish() {
	for i := range x.w.peers {
		x.lost(i)
		for p := &x.w.peers[i]; p.owed > 0; p.owed-- {
			x.unsent(x.dueOf(p, i))
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

func newEchoSender(w *Worker) *echoSender {
	return &echoSender{w: w, template: newTemplate(w.job.Message, w.job.Size)}
}

func (s *echoSender) send(index int, _ time.Duration) bool {
	s.buffer = s.template.render(s.buffer, s.w.news.Sent, s.w.number(index))
	s.w.loop.Send(s.w.peers[index].conn, s.buffer)
	return true
}

// requestSender sends HTTP requests.
type requestSender struct{ w *Worker }

func (s *requestSender) send(index int, _ time.Duration) bool {
	c := s.w.peers[index].conn
	s.w.loop.Request(c, wire.Call{Method: s.w.job.Method, Path: c.Target().Path, Body: []byte(s.w.job.Body)})
	return true
}
