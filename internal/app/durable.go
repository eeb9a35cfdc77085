package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router"
)

// durableDrain is how long stored messages that are under way may take at a stop. The store gives those that take longer to
// another worker, so there is no need to wait for them as for events that nobody else would run.
const durableDrain = 2 * time.Second

// prepareTimeout bounds the wait for the stores of durable routes: a replicated stream takes a second (nats-facts §9.1).
const prepareTimeout = 10 * time.Second

// startDurable prepares the stores of atLeastOnce routes, and makes them where a route of the first table needs them.
func (p *process) startDurable(context.Context, context.CancelCauseFunc) error {
	d := p.config.Durable
	store, err := bus.NewDurable(bus.DurableConfig{
		Conn: p.conn, Subjects: p.subjects, Domain: p.config.NATS.JSDomain, Replicas: p.replicas, MaxBytes: d.MaxBytes, MaxAge: d.MaxAge, Logger: p.logger,
	})
	if err != nil {
		return err
	}
	p.durable = store
	return p.prepareDurable(p.live.Load())
}

// prepareDurable makes the stores that a table needs before it becomes live: no message may come before them.
func (p *process) prepareDurable(table *router.Table) error {
	if !table.HasDurable() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), prepareTimeout)
	defer cancel()
	if !p.makesStores() {
		return p.durable.Await(ctx)
	}
	return p.durable.Ensure(ctx)
}

// makesStores reports whether this process makes the stores of durable routes: where deployments come from. Others need no
// right to (deploy/nats/accounts.conf).
func (p *process) makesStores() bool {
	return p.config.Mode == ModeDev || p.config.has(RoleControl) || len(p.config.Files) > 0
}

// serveStored makes the worker's end of atLeastOnce routes. The worker itself is made later; it is not asked before it serves.
func (p *process) serveStored(worker *integrations.Worker) (*bus.DurableServer, error) {
	server, err := bus.NewDurableServer(bus.DurableServerConfig{
		Store: p.durable, Handler: worker.Stored(), Buried: worker.Buried, TracerProvider: p.telemetry.TracerProvider, Logger: p.logger,
	})
	if err != nil {
		return nil, err
	}
	p.life.onStop("stored messages", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, durableDrain)
		defer cancel()
		if err := server.Drain(ctx); err != nil {
			p.logger.Info("stored messages that were under way are left to another worker")
		}
		server.Close()
		return nil
	})
	if err := integrations.MeasureBacklog(p.telemetry.MeterProvider, server.Backlogs); err != nil {
		return nil, fmt.Errorf("metrics of stored messages: %w", err)
	}
	return server, nil
}

// workerPushes is the worker's way to the clients of stored messages.
func (p *process) workerPushes() (*bus.Connections, error) {
	pushes, err := bus.NewConnections(bus.RemoteConfig{
		Conn: p.conn, Subjects: p.subjects, Logger: p.logger,
		TracerProvider: p.telemetry.TracerProvider, Traceparent: p.telemetry.TracerProvider != nil,
		Lease: func(ctx context.Context, id gateway.EdgeID) (bool, error) {
			store, err := p.opening.store.wait() // the worker starts before it is open
			if err != nil {
				return false, err
			}
			return store.Leased(ctx, id)
		},
	})
	if err != nil {
		return nil, err
	}
	p.life.onStop("pushes of stored messages", func(context.Context) error { pushes.Close(); return nil })
	return pushes, nil
}
