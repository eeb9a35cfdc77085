package main

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// work is what a responder does with each request before it answers. The zero value answers at once.
type work struct {
	// wait is how long a request waits, as for a database; spin is how long it computes.
	wait, spin time.Duration
	// atOnce bounds the requests under way; 0 takes one after the other. Further ones wait their turn.
	atOnce int
}

// responder answers requests; stop waits for those under way.
type responder struct {
	work  work
	free  chan struct{}
	under sync.WaitGroup
}

func newResponder(w work) *responder {
	return &responder{work: w, free: make(chan struct{}, max(w.atOnce, 1))}
}

// on blocks while as many are under way as may be: the subscription keeps what comes meanwhile.
func (r *responder) on(m *nats.Msg) {
	if r.work.atOnce == 0 {
		r.answer(m)
		return
	}
	r.free <- struct{}{}
	r.under.Go(func() {
		r.answer(m)
		<-r.free
	})
}

func (r *responder) answer(m *nats.Msg) {
	if r.work.wait > 0 {
		<-time.After(r.work.wait)
	}
	for began := time.Now(); time.Since(began) < r.work.spin; {
	}
	_ = m.Respond(m.Data) // the asker shows whether it came
}

func (r *responder) stop() { r.under.Wait() }
