package integrations

import (
	"context"
	"log/slog"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// Messages of atLeastOnce routes: the handler of a bus.DurableServer. A message is run like any other; what is special is
// that its outcome decides whether it is tried again, and that its client is told by a push, since nobody waits.

const (
	// pushTries and pushPause: a client whose queue is full, or whose edge is just away, may take its answer a moment later.
	// Beyond that it is dropped, as for a client that has gone: to run the integration again for it would be worse.
	pushTries = 3
	pushPause = time.Second
	// pushTime bounds one try.
	pushTime = 5 * time.Second
)

// durable is what a Worker has for such routes.
type durable struct {
	serveRoutes func([]bus.DurableRoute) error
	push        func(context.Context, gateway.ConnectionRef, gateway.Push) error
	redelivered metric.Int64Counter
	buried      metric.Int64Counter
}

func (d *durable) open(c Config) (err error) {
	d.serveRoutes, d.push = c.ServeDurable, c.Push
	if d.push == nil {
		d.push = func(context.Context, gateway.ConnectionRef, gateway.Push) error { return nil }
	}
	provider := c.MeterProvider
	if provider == nil {
		provider = noop.NewMeterProvider()
	}
	meter := provider.Meter(scope)
	if d.redelivered, err = meter.Int64Counter("sallyport.durable.redelivered", metric.WithUnit("{message}"),
		metric.WithDescription("Attempts with stored messages beyond the first one.")); err != nil {
		return err
	}
	d.buried, err = meter.Int64Counter("sallyport.durable.dead_lettered", metric.WithUnit("{message}"),
		metric.WithDescription("Stored messages that were given up."))
	return err
}

func (d *durable) serve(routes []bus.DurableRoute) error {
	if d.serveRoutes == nil {
		return nil
	}
	return d.serveRoutes(routes)
}

// MeasureBacklog reports sallyport.durable.waiting from what backlogs returns at each collection.
func MeasureBacklog(p metric.MeterProvider, backlogs func() []bus.Backlog) error {
	if p == nil {
		return nil
	}
	_, err := p.Meter(scope).Int64ObservableGauge("sallyport.durable.waiting", metric.WithUnit("{message}"),
		metric.WithDescription("Stored messages that are not yet served, over all workers."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for _, b := range backlogs() {
				o.Observe(int64(b.Messages), routeAttributes(b.Route.API, b.Route.Stage, b.Route.Route)) //nolint:gosec // a stream holds fewer
			}
			return nil
		}))
	return err
}

func routeAttributes(api gateway.APIID, stage gateway.StageName, key gateway.RouteKey) metric.MeasurementOption {
	return metric.WithAttributes(attributeAPI.String(string(api)), attributeStage.String(string(stage)), attributeRoute.String(string(key)))
}

func durableRoute(p *router.Program, r *router.Route) bus.DurableRoute {
	d := r.Durable()
	return bus.DurableRoute{
		API: p.API(), Stage: p.Stage(), Route: r.Key(), Subject: r.Subject(), TwoWay: r.TwoWay(), MaxAttempts: d.MaxAttempts, Backoff: d.Backoff,
	}
}

// handedOn is the integration of a durable route. Where whoever subscribes to the route's subject is the backend, a worker
// sends the stored messages there, as requests.
func handedOn(in *gateway.Integration, r *router.Route) *gateway.Integration {
	if !r.Native() {
		return in
	}
	own := *in
	own.Subject = r.Subject()
	return &own
}

// Stored returns the handler of stored messages.
func (w *Worker) Stored() gateway.Invoker { return gateway.InvokerFunc(w.runStored) }

// runStored is one attempt. The client of a two-way route gets its answer before the message counts as done: a worker that
// dies between the two answers twice rather than never.
func (w *Worker) runStored(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	if ev.Attempt > 1 {
		w.durable.redelivered.Add(ctx, 1, routeAttributes(ev.API, ev.Stage, ev.Route))
	}
	o := (*w.live.Load())[ev.Subject]
	if o == nil {
		return nil, gateway.Errorf(gateway.CodeUnavailable, "nobody serves this route any more")
	}
	o = o.of(ev)
	reply, err := w.Invoke(ctx, ev)
	if err != nil {
		return nil, err
	}
	if err := bus.DurableFailure(reply.Status, o.route.TwoWay); err != nil {
		return nil, err
	}
	if o.route.TwoWay && len(reply.Body) > 0 {
		w.tell(ctx, ev, gateway.Push{Body: reply.Body, Binary: reply.Binary || !utf8.Valid(reply.Body)})
	}
	return reply, nil
}

// Buried tells the client of a message that was given up by the error frame, and counts it.
func (w *Worker) Buried(ctx context.Context, ev *gateway.Event, err error) {
	w.durable.buried.Add(ctx, 1, routeAttributes(ev.API, ev.Stage, ev.Route))
	w.tell(ctx, ev, gateway.Push{Body: router.ErrorFrame(nil, gateway.ErrorCode(err), ev.Connection, ev.Request)})
}

// tell pushes to the client of ev. What can't be delivered is dropped.
func (w *Worker) tell(ctx context.Context, ev *gateway.Event, p gateway.Push) {
	if ev.Connection == "" {
		return // published by hand
	}
	ref := gateway.ConnectionRef{API: ev.API, Stage: ev.Stage, ID: ev.Connection}
	for try := 1; ; try++ {
		err := w.tryPush(ctx, ref, p)
		code := gateway.ErrorCode(err)
		if err == nil || code == gateway.CodeGone {
			return
		}
		if try == pushTries || code != gateway.CodeSlowClient && code != gateway.CodeUnavailable || pause(ctx, pushPause) != nil {
			w.log.LogAttrs(ctx, slog.LevelWarn, "a client did not get the answer to a stored message", slog.String("api", string(ev.API)),
				slog.String("route", string(ev.Route)), slog.String("message", string(ev.Message)), slog.String("error", err.Error()))
			return
		}
	}
}

func (w *Worker) tryPush(ctx context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	return w.durable.push(ctx, ref, p)
}

// pause waits, or returns ctx's error when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
