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
	}
	if p.config.has(RoleEdge) {
		config.Callbacks, config.IsCallback = http.HandlerFunc(p.edge.Callbacks), router.IsCallback
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
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	p.life.onStop("admin listener", func(context.Context) error {
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
	return nil
}

// faults are the reasons why this process is not ready.
func (p *process) faults() []string {
	if p.stopping.Load() {
		return []string{"the process is stopping"}
	}
	var faults []string
	if !p.conn.Connected() {
		faults = append(faults, "NATS is not connected")
	}
	if p.config.has(RoleEdge) {
		faults = append(faults, p.edge.faults()...)
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
