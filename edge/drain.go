package edge

import (
	"context"
	"fmt"
	"time"
)

// Drain stops accepting, closes the clients with 1001 spread over Config.DrainTimeout, and waits until their $disconnect
// events are settled, requests are answered and connections are closed, or ctx ends. Serve returns nil afterwards. The
// error says what was left undone; unsettled connections stay in the journal for the next incarnation.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	defer s.finish()
	if s.front == nil {
		return nil // never listened
	}
	s.front.stop()
	webDone := make(chan error, 1)
	go func() { webDone <- s.web.Shutdown(ctx) }() // ends with ctx; received below
	s.closeSpread(ctx)
	webErr := <-webDone
	if err := s.waitGone(ctx); err != nil {
		return err
	}
	if webErr != nil {
		return fmt.Errorf("drain: HTTP requests are not finished: %w", webErr)
	}
	return nil
}

// closeSpread closes all sockets in equal parts, one each drainStep.
func (s *Server) closeSpread(ctx context.Context) {
	sockets := s.hub.all()
	steps := max(int(s.cfg.DrainTimeout/drainStep), 1)
	ticker := time.NewTicker(drainStep)
	defer ticker.Stop()
	done := 0
	for step := 1; step <= steps && done < len(sockets); step++ {
		until := len(sockets) * step / steps
		for ; done < until; done++ {
			sockets[done].end(endGoingAway())
		}
		if done == len(sockets) {
			break
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			step = steps - 1 // all the rest at once
		}
	}
	// Handshakes that were under way have joined meanwhile; those still under way see the flag.
	for _, k := range s.hub.all() {
		k.end(endGoingAway())
	}
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
