package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/edge"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

const (
	// reopenPause is the wait between two tries to come back after an incarnation was lost.
	reopenPause = time.Second
	// drainExtra is how long the last answers, $disconnect events and close handshakes may take once all clients had their turn. It is less
	// than stopTimeout, which covers the steps after the drain too.
	drainExtra = 4 * time.Second
)

// incarnation is one life of this process's edge: an id, the journal under it, and everything whose subjects carry it.
type incarnation struct {
	journal  connstore.Journal
	client   *bus.Client
	commands *bus.ConnectionServer
	server   *edge.Server
}

// edgeSlot holds the current incarnation. The admin listener's callbacks go to whichever it is.
type edgeSlot struct {
	current atomic.Pointer[incarnation]
	remote  *bus.Connections
	ended   chan struct{} // closed when the edge has stopped
}

// Callbacks serves @connections on the admin listener.
func (e *edgeSlot) Callbacks(w http.ResponseWriter, r *http.Request) {
	in := e.current.Load()
	if in == nil {
		http.Error(w, `{"message":"Service Unavailable"}`, http.StatusServiceUnavailable)
		return
	}
	in.server.Callbacks().ServeHTTP(w, r)
}

// faults are the reasons why the edge can't take traffic now.
func (e *edgeSlot) faults() []string {
	in := e.current.Load()
	switch {
	case in == nil:
		return []string{"the edge has no incarnation"}
	case !in.journal.Healthy():
		return []string{"connections can't be recorded: JetStream does not answer"}
	}
	return nil
}

// startRemote makes the way to connections of other edges, for callbacks and for listing.
func (p *process) startRemote(context.Context, context.CancelCauseFunc) error {
	remote, err := bus.NewConnections(bus.RemoteConfig{
		Conn: p.conn, Subjects: p.subjects, Lease: p.store.Leased, Edges: p.store.Edges, Logger: p.logger,
		TracerProvider: p.telemetry.TracerProvider, Traceparent: p.telemetry.TracerProvider != nil,
	})
	if err != nil {
		return err
	}
	p.edge = &edgeSlot{remote: remote, ended: make(chan struct{})}
	p.life.onStop("remote connections", func(context.Context) error { remote.Close(); return nil })
	return nil
}

// startEdge opens the first incarnation and keeps one alive until the process stops.
func (p *process) startEdge(ctx context.Context, fail context.CancelCauseFunc) error {
	if !p.config.has(RoleEdge) {
		return nil
	}
	in, address, err := p.openEdge(ctx, p.config.Listen)
	if err != nil {
		return err
	}
	p.addresses.Data = address
	// The edge must outlive ctx: it drains when its turn to stop has come.
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := p.edge.ended
	p.life.onStop("edge", func(ctx context.Context) error {
		stop()
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return errors.New("clients were not drained in time")
		}
	})
	p.routine.Go(func() {
		defer close(ended)
		p.runEdge(ctx, in, address, fail)
	})
	p.routine.Go(func() { p.searchOrphans(ctx) })
	return nil
}

// openEdge claims an incarnation and binds its listener. Nothing is accepted yet.
func (p *process) openEdge(ctx context.Context, listen string) (*incarnation, string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	in := &incarnation{}
	opened := false
	defer func() {
		if !opened {
			p.closeEdge(in)
		}
	}()
	var err error
	if in.journal, err = p.store.Claim(ctx, p.config.Node); err != nil {
		return nil, "", fmt.Errorf("claim an edge id: %w", err)
	}
	in.client, err = bus.NewClient(bus.ClientConfig{
		Conn: p.conn, Subjects: p.subjects, Edge: in.journal.Edge(), Logger: p.logger,
		Failed:         func(c gateway.ConnectionID, r gateway.RequestID, err error) { in.server.Failed(c, r, err) },
		TracerProvider: p.telemetry.TracerProvider, Traceparent: p.telemetry.TracerProvider != nil,
	})
	if err != nil {
		return nil, "", err
	}
	in.server, err = edge.New(edge.Config{
		Listen: listen, Certificate: p.certificate, Domain: p.config.Domain, Live: &p.live, Sender: in.client, Invoker: in.client, Journal: in.journal,
		Remote: p.edge.remote, Lease: p.store.Leased, Callbacks: p.callbackPolicy(), Keys: p.keys, DrainTimeout: p.config.DrainTimeout, DrainCode: edge.DrainCode(p.config.DrainCode),
		AddressLimit: edge.AddressLimit{Rate: p.config.AddressRate, Burst: p.config.AddressBurst},
		Observe:      p.observe, Observing: p.observing, AccessLog: p.accessLog.Write, Authorizers: p.authorizers(in.client), Logger: p.logger,
		TracerProvider: p.telemetry.TracerProvider, MeterProvider: p.telemetry.MeterProvider,
	})
	if err != nil {
		return nil, "", err
	}
	in.commands, err = bus.ServeConnections(bus.ConnectionsConfig{
		Conn: p.conn, Subjects: p.subjects, Edge: in.journal.Edge(), Local: in.server.Connections(), List: in.server.List, Look: in.server.Look,
		TracerProvider: p.telemetry.TracerProvider, Logger: p.logger,
	})
	if err != nil {
		return nil, "", err
	}
	address, err := in.server.Listen()
	if err != nil {
		return nil, "", err
	}
	opened = true
	p.edge.current.Store(in)
	return in, address.String(), nil
}

// closeEdge undoes openEdge, as far as that came.
func (p *process) closeEdge(in *incarnation) {
	// The subjects last: as long as the id is leased, callbacks ask here, and get 410.
	defer func() {
		if in.commands != nil {
			in.commands.Close()
		}
		if in.client != nil {
			in.client.Close()
		}
	}()
	if in.journal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := in.journal.Release(ctx); err != nil && !errors.Is(err, connstore.ErrLost) {
		p.logger.Warn("the edge id was not given back; another start will settle what it left", "edge", in.journal.Edge(), "error", err)
	}
}

// runEdge serves until ctx ends. An incarnation that lost its lease has closed its clients and published nothing for
// them, since whoever took over does; the edge comes back under a new id on the same address.
func (p *process) runEdge(ctx context.Context, in *incarnation, address string, fail context.CancelCauseFunc) {
	for {
		err := p.serveEdge(ctx, in)
		p.closeEdge(in)
		if !errors.Is(err, edge.ErrFenced) {
			if err != nil {
				fail(err)
			}
			return
		}
		p.edge.current.Store(nil)
		p.logger.Error("the edge's lease was lost; its clients were closed with 1013", "edge", in.journal.Edge())
		if in = p.reopenEdge(ctx, address); in == nil {
			return
		}
	}
}

// serveEdge serves one incarnation, and drains it when ctx ends.
func (p *process) serveEdge(ctx context.Context, in *incarnation) error {
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	served := make(chan error, 1)
	go func() { served <- in.server.Serve(serving) }() // serveEdge waits for it
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(serving, p.config.DrainTimeout+drainExtra)
	defer cancel()
	if err := in.server.Drain(draining); err != nil {
		p.logger.Warn("not everything was drained in time; the next start settles the rest", "error", err)
	}
	end()
	return <-served
}

func (p *process) reopenEdge(ctx context.Context, address string) *incarnation {
	for {
		in, _, err := p.openEdge(ctx, address)
		if err == nil {
			return in
		}
		p.logger.Error("the edge did not come back yet", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reopenPause):
		}
	}
}

// observing reports whether somebody wants to see events now.
func (p *process) observing() bool { return p.config.Mode == ModeDev || p.tap.Active() }

// observe shows an event on the terminal in dev, and to whoever tails.
func (p *process) observe(r event.Record) {
	if p.config.Mode == ModeDev {
		p.console.Event(r)
	}
	p.tap.Publish(r)
}
