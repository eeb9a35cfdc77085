package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/bench/wire"
)

// Order is what a worker is told while it runs: to open so many of the run's connections, or when to start.
type Order struct {
	Open  int       `json:"open,omitempty"`
	Start time.Time `json:"start,omitzero"`
}

// News is how far a worker is.
type News struct {
	Ordered  int   `json:"ordered"` // the last Order.Open that was taken
	Settled  bool  `json:"settled"` // each connection ordered stands or has failed
	Opened   int64 `json:"opened"`  // that stand
	Failed   int64 `json:"failed"`
	Sent     int64 `json:"sent"` // since the start, warm-up included
	Received int64 `json:"received"`
}

// Config configures a Worker.
type Config struct {
	Job Job
	// Goroutines uses a goroutine for each connection, as on systems without epoll.
	Goroutines bool
}

// ordersAtOnce is how many orders may wait: one run has three.
const ordersAtOnce = 8

// Worker runs one Job.
type Worker struct {
	job     Job
	tell    func(News)
	loop    *wire.Loop
	targets []*wire.Target
	orders  chan Order

	opener  opener
	moved   progress
	peers   []peer // by index
	ready   int    // connections that became ready
	opening int    // handshakes under way
	// lostEarly opened and ended before they were ready.
	lostEarly int

	scenario scenario
	callers  *callers // that make HTTP calls, or nil
	closer   func()   // of what the scenario opened besides, or nil
	fatal    error    // why the run can't go on
	phase    phase
	window   window
	tally    Tally
	news     News
	toldAt   time.Duration
}

type phase uint8

const (
	phaseOpening  phase = iota
	phaseRunning        // from the start to the end of the measured time
	phaseDraining       // replies may still come
	phaseEnding         // connections are being closed
)

// window is when things happen, on the loop's clock.
type window struct {
	start, from, to time.Duration // messages are sent from start to to, and counted from from
	end             time.Duration // of the phase
}

func (w window) measured(t time.Duration) bool { return t >= w.from && t < w.to }

// scenario is what is done with the connections once they stand.
type scenario interface {
	// tick does what is due and says when it has more to do.
	tick(now time.Duration) time.Duration
	// message is a message to a ready connection; now is when it was read.
	message(index int, payload []byte, now time.Duration)
	// became says that a connection became ready.
	became(index int)
	// lost says that a ready connection ended.
	lost(index int)
	// drained reports that nothing is under way any more.
	drained(now time.Duration) bool
	// finish counts what is left under way.
	finish()
}

// New checks the job and resolves its targets. Run must follow.
func New(ctx context.Context, config Config) (*Worker, error) {
	if err := config.Job.Check(); err != nil {
		return nil, err
	}
	w := &Worker{job: config.Job, orders: make(chan Order, ordersAtOnce), moved: progress{patience: greetingTimeout}}
	protocol := wire.WebSocket
	if w.job.Scenario == Request {
		protocol = wire.HTTP
	}
	secure := false
	for _, url := range w.job.URLs {
		t, err := wire.NewTarget(ctx, protocol, wire.TargetConfig{URL: url, Header: w.job.Header, Insecure: w.job.Insecure})
		if err != nil {
			return nil, err
		}
		w.targets = append(w.targets, t)
		secure = secure || t.TLS != nil
	}
	loop, err := wire.NewLoop(wire.LoopConfig{Handler: w, Goroutines: config.Goroutines || secure, OnPing: func(*wire.Conn) { w.tally.Pings++ }})
	if err != nil {
		return nil, err
	}
	w.loop = loop
	w.opener = opener{w: w, atOnce: handshakesAtOnce}
	if w.job.Handshakes > 0 {
		w.opener.atOnce = w.job.Handshakes
	}
	if w.job.Scenario == Connect {
		w.peers = make([]peer, w.job.share(w.job.Connections))
	}
	if w.scenario, err = newScenario(ctx, w); err != nil {
		loop.Stop()
		return nil, err
	}
	return w, nil
}

// newScenario makes the job's scenario with what it sends by.
func newScenario(ctx context.Context, w *Worker) (scenario, error) {
	switch w.job.Scenario {
	case Idle:
		return &idle{w: w}, nil
	case Connect:
		return &connect{w: w}, nil
	case Echo:
		return newExchange(w, newEchoSender(w)), nil
	case Request:
		return newExchange(w, &requestSender{w: w}), nil
	case Push:
		s, err := newPushSender(ctx, w)
		if err != nil {
			return nil, err
		}
		return newExchange(w, s), nil
	case Fanout:
		return newFanout(ctx, w)
	default:
		return nil, fmt.Errorf("no scenario is named %q", w.job.Scenario)
	}
}

// Dedicate gives the calling goroutine, which will call Run and then end, a thread of its own where that helps.
func (w *Worker) Dedicate() {
	if w.loop.Polls() {
		wire.DedicateThread()
	}
}

// Order gives an order. Any goroutine may call it; orders that the worker does not take in time are dropped, which
// happens only after it has ended.
func (w *Worker) Order(o Order) {
	select {
	case w.orders <- o:
		w.loop.Wake()
	default:
	}
}

// Run works until the job is done or ctx ends; then the tally has what was seen until then. All connections are closed
// when it returns. tell, when set, is called a few times a second in this goroutine, and must not block. Run is called once.
func (w *Worker) Run(ctx context.Context, tell func(News)) (*Tally, error) {
	w.tell = tell
	defer func() {
		w.phase = phaseEnding // what Stop closes is not lost
		w.loop.Stop()
		if w.closer != nil {
			w.closer()
		}
	}()
	defer context.AfterFunc(ctx, w.loop.Wake)()
	for w.phase < phaseEnding {
		now := w.loop.Now()
		if ctx.Err() != nil {
			w.stopped(now)
			break
		}
		w.takeOrders(now)
		next, err := w.step(now)
		if err = errors.Join(err, w.fatal); err != nil {
			return nil, err
		}
		w.report(now)
		if err := w.loop.Wait(min(next-now, longestWait)); err != nil {
			return nil, err
		}
	}
	w.scenario.finish()
	if w.fatal != nil {
		return nil, w.fatal
	}
	return &w.tally, w.closeAll()
}

func (w *Worker) takeOrders(now time.Duration) {
	for {
		select {
		case o := <-w.orders:
			if o.Open > 0 {
				w.news.Ordered, w.news.Settled = o.Open, false
				w.opener.raise(w.job.share(min(o.Open, w.job.Connections)), now)
			}
			if !o.Start.IsZero() && w.phase == phaseOpening {
				start := max(w.loop.Since(o.Start), now)
				from := start + w.job.Warmup
				w.window = window{start: start, from: from, to: from + w.job.Duration}
				w.phase = phaseRunning
			}
		default:
			return
		}
	}
}

// step does what the phase asks for now and says when to come back.
func (w *Worker) step(now time.Duration) (time.Duration, error) {
	switch w.phase {
	case phaseOpening:
		next, err := w.opener.tick(now)
		return next, errors.Join(err, w.stuck(now))
	case phaseRunning:
		if now < w.window.start {
			return w.window.start, nil
		}
		if now < w.window.to {
			return min(w.scenario.tick(now), w.window.to), nil
		}
		w.tally.Measured = w.window.to - w.window.from
		w.phase, w.window.end = phaseDraining, now+drainTimeout
	case phaseDraining:
		if now >= w.window.end || w.scenario.drained(now) && (w.callers == nil || w.callers.quiet()) {
			w.phase = phaseEnding
			return now, nil
		}
		return min(w.scenario.tick(now), w.window.end), nil
	}
	return now, nil
}

// stopped ends the measured time now.
func (w *Worker) stopped(now time.Duration) {
	if w.phase == phaseRunning {
		w.window.to = max(min(w.window.to, now), w.window.from)
		w.tally.Measured = w.window.to - w.window.from
	}
	w.phase = phaseEnding
}

// closeAll closes the connections as clients do, for as long as that may take.
func (w *Worker) closeAll() error {
	w.phase = phaseEnding
	for i := range w.peers {
		switch c := w.peers[i].conn; {
		case c == nil:
		case c.Deaf():
			w.loop.Abort(c) // it would not see the answer
		default:
			w.loop.Close(c)
		}
	}
	if w.callers != nil {
		w.callers.close()
	}
	end := w.loop.Now() + closingTimeout
	for now := w.loop.Now(); w.loop.Live() > 0 && now < end; now = w.loop.Now() {
		if err := w.loop.Wait(end - now); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) report(now time.Duration) {
	settled := w.opener.settled()
	if w.tell == nil || now-w.toldAt < newsEvery && settled == w.news.Settled {
		return
	}
	w.toldAt = now
	w.news.Settled = settled
	w.news.Opened, w.news.Failed = int64(w.ready)-w.tally.Lost, w.tally.Failed
	w.tell(w.news)
}
