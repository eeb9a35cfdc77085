package edge

import (
	"context"
	"fmt"
	"time"
)

// Drain lets no client in any more and puts the others out with Config.DrainCode, one after the other at an even rate over
// Config.DrainTimeout: each when the messages that had arrived are answered, without holding up the next. It waits until
// their $disconnect events are settled, requests are answered and connections are closed, or ctx ends. Serve returns nil
// afterwards. The error says what was left undone; unsettled connections stay in the journal for the next incarnation.
//
// Until the last client had its turn the listener stays open, so that a load balancer which has not looked yet finds
// somebody: requests and callbacks are answered with Connection: close, upgrades refused with 503 and Retry-After.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	defer s.finish()
	if s.front == nil {
		return nil // never listened
	}
	s.web.SetKeepAlivesEnabled(false)
	parting, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout+answerGrace)
	defer cancel()
	s.partSpread(parting)
	s.front.stop()
	webDone := make(chan error, 1)
	go func() { webDone <- s.web.Shutdown(ctx) }() // ends with ctx; received below
	_ = s.waitParted(parting)
	for _, k := range s.hub.all() { // their answers did not come in time
		k.end(s.endDrained())
	}
	webErr := <-webDone
	if err := s.waitGone(ctx); err != nil {
		return err
	}
	if webErr != nil {
		return fmt.Errorf("drain: HTTP requests are not finished: %w", webErr)
	}
	return nil
}

// partSpread asks all clients to leave, spread evenly. Those who join meanwhile, whose handshakes were under way, leave by
// themselves.
func (s *Server) partSpread(ctx context.Context) {
	sockets := s.hub.all()
	start, whole := s.now(), s.cfg.DrainTimeout
	timer := time.NewTimer(0)
	defer timer.Stop()
	for done := 0; done < len(sockets); {
		select {
		case <-timer.C:
		case <-ctx.Done():
			whole = 0 // all the rest at once
		}
		elapsed := s.now().Sub(start)
		for until := turns(len(sockets), elapsed, whole); done < until; done++ {
			sockets[done].part()
		}
		timer.Reset(max(turnAt(done, len(sockets), whole)-elapsed, minDrainPause))
	}
}

// turns is how many of n clients have had their turn when elapsed of whole has passed: the first at once, the others at
// even distances.
func turns(n int, elapsed, whole time.Duration) int {
	if elapsed >= whole {
		return n
	}
	return min(int(float64(n)*float64(elapsed)/float64(whole))+1, n)
}

// turnAt is when the client with index i of n has its turn.
func turnAt(i, n int, whole time.Duration) time.Duration {
	return time.Duration(float64(whole) * float64(i) / float64(n))
}

// Inside is what is left of an edge that drains.
type Inside struct {
	// Open connections are served, Closing ones wait for their client's close frame, Handshakes are not connections yet.
	Open, Closing, Handshakes int
	// Disconnects are $disconnect events that are not settled.
	Disconnects int
}

// Inside counts what is there now.
func (s *Server) Inside() Inside {
	s.life.Lock()
	in := Inside{Open: s.sockets - len(s.leaving), Closing: len(s.leaving), Handshakes: s.entered}
	s.life.Unlock()
	in.Disconnects = s.disconnects.left()
	return in
}

// waitGone waits for what the closed sockets still need: their events, and their clients' close frames.
func (s *Server) waitGone(ctx context.Context) error {
	if err := s.waitHandshakes(ctx); err != nil {
		return fmt.Errorf("drain: handshakes are not finished: %w", err)
	}
	if n, err := s.disconnects.wait(ctx); err != nil {
		return fmt.Errorf("drain: %d $disconnect events are not delivered: %w", n, err)
	}
	if err := s.waitSockets(ctx); err != nil {
		return fmt.Errorf("drain: clients have not closed: %w", err)
	}
	return nil
}

// Fence closes all clients with 1013 and publishes no $disconnect for them: the incarnation's lease is lost, and whoever
// takes it over does (DESIGN §3.6). Serve calls it when the journal says so, and returns ErrFenced.
func (s *Server) Fence() {
	s.fenced.Store(true)
	s.disconnects.stop()
	for _, k := range s.hub.all() {
		k.end(endFenced())
	}
}
