package app

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/control"
)

// progressEvery is how often whoever watches a drain hears of it, if something has changed: a person's idea of at once.
const progressEvery = 200 * time.Millisecond

// drainer stops this process on behalf of POST /v1/drain. ask makes the stop begin; it may be called again.
func (p *process) drainer(ask func()) func(context.Context, func(control.DrainStatus) bool) error {
	return func(ctx context.Context, yield func(control.DrainStatus) bool) error {
		status := p.drainStatus()
		status.Clients = status.Open + status.Closing
		p.stopping.Store(true) // before the answer: not ready from here on
		ask()
		p.logger.Info("draining, as a management call asked", "clients", status.Clients)
		return p.watchDrain(ctx, status, yield)
	}
}

// watchDrain tells every change until the edge is empty. A process without an edge has nothing to wait for here: its worker
// ends after the admin listener.
func (p *process) watchDrain(ctx context.Context, status control.DrainStatus, yield func(control.DrainStatus) bool) error {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	ended := p.edge.ended
	if !p.config.has(RoleEdge) {
		ended = nil
		status.Drained = true
	}
	for {
		if !yield(status) || status.Drained {
			return nil
		}
		next := status
		for next == status {
			select {
			case <-ended:
				next.Drained = true
			case <-ticker.C:
			case <-ctx.Done():
				return nil
			}
			now := p.drainStatus()
			now.Clients, now.Drained = status.Clients, next.Drained
			next = now
		}
		status = next
	}
}

// drainStatus counts what is inside now.
func (p *process) drainStatus() control.DrainStatus {
	status := control.DrainStatus{Node: p.config.Node}
	if in := p.edge.current.Load(); in != nil && in.server != nil {
		now := in.server.Inside()
		status.Open, status.Closing, status.Connecting, status.Disconnects = now.Open, now.Closing, now.Handshakes, now.Disconnects
	}
	return status
}
