package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/definition"
)

// startDefinitions compiles the files for the first time. Faults end the start: each is printed with its place.
func (p *process) startDefinitions(context.Context, context.CancelCauseFunc) error {
	config, err := routerConfig(p.config.Prefix, p.conn.PayloadCap())
	if err != nil {
		return err
	}
	p.definitions = &definitions{files: p.config.Files, defaultStage: p.config.Mode.defaultStage(), router: config, domain: p.config.Domain, now: time.Now}
	table, problems := p.definitions.compile()
	if len(problems) > 0 {
		return faultyDefinitions(problems)
	}
	if p.config.Mode == ModeDev { // serve deploys them by the catalog
		p.live.Swap(table)
	}
	return nil
}

// startWorker begins to serve the live routes' subjects, where this process has the role.
func (p *process) startWorker(ctx context.Context, _ context.CancelCauseFunc) error {
	if !p.config.has(RoleWorker) {
		return nil
	}
	// The client has reply subjects of its own, named like an edge's. It is none, so its id is in no lease.
	client, err := bus.NewClient(bus.ClientConfig{
		Conn: p.conn, Subjects: p.subjects, Edge: gateway.NewEdgeID(), Logger: p.logger,
		TracerProvider: p.telemetry.TracerProvider, Traceparent: p.telemetry.TracerProvider != nil,
	})
	if err != nil {
		return err
	}
	p.life.onStop("worker's bus client", func(context.Context) error { client.Close(); return nil })
	calls := backend.New(backend.Config{TracerProvider: p.telemetry.TracerProvider})
	p.life.onStop("connections to backends", func(context.Context) error { calls.Close(); return nil })
	all, err := kinds(calls, client, p.config.Prefix, amazonFrom(p.config.Getenv, p.config.Environ))
	if err != nil {
		return err
	}
	pushes, err := p.workerPushes()
	if err != nil {
		return err
	}
	var server *bus.Server
	var stored *bus.DurableServer
	p.worker, err = integrations.NewWorker(integrations.Config{
		Kinds: all, Serve: func(routes []bus.ServedRoute) error { return server.Serve(routes) },
		ServeDurable: func(routes []bus.DurableRoute) error { return stored.Serve(routes) }, Push: pushes.Post,
		MeterProvider: p.telemetry.MeterProvider, Logger: p.logger,
	})
	if err != nil {
		return err
	}
	server, err = bus.NewServer(bus.ServerConfig{Conn: p.conn, Handler: p.worker, TracerProvider: p.telemetry.TracerProvider, Logger: p.logger})
	if err != nil {
		return err
	}
	p.life.onStop("worker", func(ctx context.Context) error {
		if err := server.Drain(ctx); err != nil {
			p.logger.Warn("integrations that were still under way are cut off", "error", err)
		}
		server.Close()
		return nil
	})
	if stored, err = p.serveStored(p.worker); err != nil {
		return err
	}
	return p.serve(p.live.Load())
}

// serve makes the worker serve a table's routes.
func (p *process) serve(table *router.Table) error {
	if p.worker == nil {
		return nil
	}
	unopened, err := p.worker.Swap(table)
	for _, u := range unopened {
		p.logger.Error("a route is not served", "api", u.API, "stage", u.Stage, "fault", u.Fault.String())
	}
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	return nil
}

// reload compiles the files again and makes them live, all or nothing: a definition with a fault leaves everything as
// it was.
func (p *process) reload() {
	table, problems := p.definitions.compile()
	if len(problems) > 0 {
		p.console.Problems("the definitions have faults, so the running ones stay:", problems)
		return
	}
	if err := p.replace(table); err != nil {
		p.console.Println(p.console.in(red, "the definitions were not taken: "+err.Error()))
		return
	}
	p.console.Println(p.console.in(green, "the definitions were reloaded; no connection was cut"))
	p.printStages()
}

// replace makes a table live, or leaves everything as it was.
func (p *process) replace(table *router.Table) error {
	running, wanted := destinations(p.live.Load()), destinations(table)
	// Both until the new table is live: events of the running one end meanwhile.
	if err := p.accessLog.Use(slices.Concat(running, wanted)); err != nil {
		return err
	}
	kept := running
	defer func() {
		if err := p.accessLog.Use(kept); err != nil { // all of them are open
			p.logger.Error("access logs that are not used any more stay open", "error", err)
		}
	}()
	if err := p.prepareDurable(table); err != nil {
		return err
	}
	// Workers first, so that no edge sends to a subject that nobody serves yet.
	if err := p.serve(table); err != nil {
		return err
	}
	p.live.Swap(table)
	kept = wanted
	return nil
}

// startWatching reloads definitions when they are saved, in dev.
func (p *process) startWatching(ctx context.Context, _ context.CancelCauseFunc) error {
	if p.config.Mode != ModeDev {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	p.life.onStop("watching definitions", func(context.Context) error { cancel(); return nil })
	w := &watcher{files: p.config.Files, every: lookEvery, changed: p.reload}
	p.routine.Go(func() { w.run(ctx) })
	return nil
}

// faultyDefinitions is the error of a start with faulty definitions.
func faultyDefinitions(problems []definition.Problem) error {
	errs := make([]error, 0, len(problems))
	for _, problem := range problems {
		errs = append(errs, problem)
	}
	return fmt.Errorf("the definitions have faults:\n%w", errors.Join(errs...))
}
