package edge

import (
	"context"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// Orphans publishes $disconnect with code 1006 for connections that another incarnation left behind (DESIGN §3.6). It
// returns when each of them is settled, or with ctx's error; the caller then forgets them in the store they came from.
// Their request ids are those that the lost edge would have used, so a backend can tell a repeat. It fails when the server stops.
func (s *Server) Orphans(ctx context.Context, conns []gateway.Connection) error {
	lost := gateway.Close{Code: int(ws.StatusAbnormalClosure), Reason: reasonLost}
	window := make(chan struct{}, orphanWindow)
	settled := func(gateway.ConnectionID) { <-window }
	for _, c := range conns {
		select {
		case window <- struct{}{}:
		case <-s.disconnects.ended:
			return errStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.disconnects.begin(c, lost, settled)
	}
	// The window is empty again when all are settled: filling it takes every place.
	for range orphanWindow {
		select {
		case window <- struct{}{}:
		case <-s.disconnects.ended:
			return errStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
