package app

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// startAdmin opens the admin listener: health, metrics, management reads, callbacks.
func (p *process) startAdmin(ctx context.Context, fail context.CancelCauseFunc) error {
	config := control.Config{
		Listen: p.config.Admin, Access: p.access(), Keys: p.keys, AccessKeys: p.keys, Hosts: []string{p.config.Domain}, Build: control.Build{Version: p.config.Version},
		Ready: p.faults, Metrics: p.telemetry.Handler, Connections: p.listConnections, Subscribe: p.subscribe, Logger: p.logger,
		Drain: p.drainer(func() { fail(nil) }), // nil: asked for, as by a signal
	}
	if p.config.has(RoleEdge) {
		config.Callbacks, config.IsCallback = http.HandlerFunc(p.edge.Callbacks), router.IsCallback
	}
	if p.config.Mode == ModeDev || p.config.has(RoleControl) {
		config.DeadLetters = p.durable
	}
	if p.node != nil && p.config.has(RoleControl) {
		config.Deployments = deployments{p.node}
	}
	server, err := control.New(config)
	if err != nil {
		return err
	}
	address, err := server.Listen()
	if err != nil {
		return err
	}
	p.addresses.Admin = address.String()
	p.serveHTTP(ctx, "admin listener", server, fail)
	return nil
}

// startHealth opens the listener for probes of other machines, where one is wanted. It comes first, so that a process that
// waits for its peers is seen to live.
func (p *process) startHealth(ctx context.Context, fail context.CancelCauseFunc) error {
	if p.config.Health == "" {
		return nil
	}
	server, err := control.New(control.Config{
		Listen: p.config.Health, Scope: control.ScopeHealth, Ready: p.faults, Metrics: p.telemetry.Handler, Logger: p.logger,
	})
	if err != nil {
		return err
	}
	address, err := server.Listen()
	if err != nil {
		return err
	}
	p.addresses.Health = address.String()
	p.serveHTTP(ctx, "health listener", server, fail)
	return nil
}

// serveHTTP answers on a listener until its turn to stop has come.
func (p *process) serveHTTP(ctx context.Context, name string, server *control.Server, fail context.CancelCauseFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	p.life.onStop(name, func(context.Context) error {
		cancel()
		<-ended // Serve bounds its own end
		return nil
	})
	p.routine.Go(func() {
		defer close(ended)
		if err := server.Serve(ctx); err != nil {
			fail(err)
		}
	})
}

// faults are the reasons why this process is not ready.
func (p *process) faults() []string {
	switch {
	case !p.started.Load(): // what is looked at below is not all there yet
		return []string{"the process is starting"}
	case p.stopping.Load():
		return []string{"the process is stopping"}
	}
	var faults []string
	if !p.conn.Connected() {
		faults = append(faults, "NATS is not connected")
	}
	if p.config.has(RoleEdge) {
		faults = append(faults, p.edge.faults()...)
	}
	if p.node != nil {
		faults = append(faults, p.node.notReady()...)
	}
	return faults
}

// listConnections asks all edges.
func (p *process) listConnections(ctx context.Context, f control.ConnectionFilter, yield func(gateway.ConnectionStatus) bool) error {
	for status, err := range p.edge.remote.List(ctx, bus.ListFilter{API: f.API, Stage: f.Stage}) {
		if err != nil {
			return err
		}
		if !yield(status) {
			return nil
		}
	}
	return nil
}

// startTap lets tailers see this process's events.
func (p *process) startTap(context.Context, context.CancelCauseFunc) error {
	tap, err := bus.NewTap(p.conn, p.subjects)
	if err != nil {
		return err
	}
	p.tap = tap
	p.life.onStop("tap", func(context.Context) error { tap.Close(); return nil })
	return nil
}

// subscribe follows the events of all edges, for one tail stream.
func (p *process) subscribe(ctx context.Context, f control.TailFilter) (<-chan []byte, error) {
	tapper, err := bus.NewTapper(ctx, bus.TapperConfig{Conn: p.conn, Subjects: p.subjects, API: f.API, Logger: p.logger})
	if err != nil {
		return nil, err
	}
	lines := make(chan []byte, tailBacklog)
	p.routine.Go(func() {
		defer close(lines)
		defer tapper.Close()
		for record := range tapper.Records(ctx) {
			if f.Route != "" && record.Route != f.Route {
				continue
			}
			line, err := json.Marshal(record)
			if err != nil {
				continue // it came as JSON
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			default: // a reader that slow misses events; the tap never waits
			}
		}
	})
	return lines, nil
}

// tailBacklog is how many events wait for one tail stream.
const tailBacklog = 1024
