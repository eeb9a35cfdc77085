package integrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// Config says what a Worker works with.
type Config struct {
	// Kinds are the integration types that the worker can run, one each. Required.
	Kinds []Kind
	// Serve tells the bus server which routes' subjects to serve from now on: all of them, and no others. Required.
	Serve func([]bus.ServedRoute) error
	// ServeDurable tells the bus server of stored messages the same of atLeastOnce routes; nil serves none.
	ServeDurable func([]bus.DurableRoute) error
	// Push sends what became of a stored message to its client; nil drops it.
	Push func(context.Context, gateway.ConnectionRef, gateway.Push) error
	// MeterProvider is nil for no metrics.
	MeterProvider metric.MeterProvider
	// Logger gets the causes of failures, which never leave the process otherwise. nil discards them.
	Logger *slog.Logger
}

// Worker runs the integrations of all live routes. It is the handler of a bus.Server and starts no goroutines: how many
// events it runs at a time is the server's bound.
type Worker struct {
	kinds    map[gateway.IntegrationType]Kind
	serve    func([]bus.ServedRoute) error
	durable  durable
	duration metric.Float64Histogram
	log      *slog.Logger

	live atomic.Pointer[table]

	swapping sync.Mutex        // one Swap at a time; guards what follows
	current  table             // what may be subscribed since the latest Swap: what it opened, and more if Serve failed
	served   []bus.ServedRoute // what Serve took last
}

var _ gateway.Invoker = (*Worker)(nil)

// NewWorker returns a Worker that serves no route yet.
func NewWorker(c Config) (*Worker, error) {
	if len(c.Kinds) == 0 || c.Serve == nil {
		return nil, errors.New("integrations: Config.Kinds or Config.Serve is missing")
	}
	w := &Worker{kinds: make(map[gateway.IntegrationType]Kind, len(c.Kinds)), serve: c.Serve, log: c.Logger}
	for _, k := range c.Kinds {
		if _, twice := w.kinds[k.Type()]; twice {
			return nil, fmt.Errorf("integrations: two kinds of type %s", k.Type())
		}
		w.kinds[k.Type()] = k
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if w.duration, err = newDuration(c.MeterProvider); err != nil {
		return nil, fmt.Errorf("integrations: %w", err)
	}
	if err := w.durable.open(c); err != nil {
		return nil, fmt.Errorf("integrations: %w", err)
	}
	w.live.Store(&table{})
	return w, nil
}

// Swap replaces what the worker serves by the routes of t. Every integration is opened before the first event goes to
// any of them. Events under way finish on the integration on which they began, and those of removed routes that have
// already arrived are still run. The routes that can't be opened are returned and not served, the others are. The error
// is Serve's: then the old routes may still be subscribed.
//
// While nodes change over, some edges send by one table and some by another: the routes of others are served too, and an
// event is run by the deployment that its context names. What of others can't be opened is left out without a word.
func (w *Worker) Swap(t *router.Table, others ...*router.Table) ([]Unopened, error) {
	w.swapping.Lock()
	defer w.swapping.Unlock()
	all := w.openAll(t, others)
	fresh, failed := all.live, all.failed
	// Before Serve, since a new subject must find its integration; and with the routes of the set before, whose last
	// events may still wait in the bus server.
	live := make(table, len(fresh)+len(w.current))
	maps.Copy(live, w.current)
	maps.Copy(live, fresh)
	err := w.unprompt(fresh)
	if err == nil {
		w.live.Store(&live)
		if err = w.serve(all.served); err == nil {
			w.served = all.served
			err = w.durable.serve(all.stored)
		}
	}
	if err != nil {
		w.current = live
		return failed, err
	}
	w.current = fresh
	return failed, nil
}

// unprompt has routes run by goroutines of their own from now on whose integration in fresh is no longer prompt: the old mark
// must not meet the new integration, which would hold up all others.
func (w *Worker) unprompt(fresh table) error {
	changed := false
	served := slices.Clone(w.served)
	for i := range served {
		if o := fresh[served[i].Subject]; served[i].Prompt && o != nil && !o.prompt {
			served[i].Prompt, changed = false, true
		}
	}
	if !changed {
		return nil
	}
	return w.serve(served)
}

// Try returns the routes of t that Swap could not open. It changes nothing.
func (w *Worker) Try(t *router.Table) []Unopened {
	return w.open(t).failed
}

// Invoke runs the integration of the route that ev.Subject names, under the route's timeout or the event's own where
// that is shorter, unless it is prompt. Its errors are always an *gateway.Error; a panic of a kind is one with CodeInternal.
func (w *Worker) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	o := (*w.live.Load())[ev.Subject]
	if o == nil { // its route was removed long before the event arrived
		return nil, gateway.Errorf(gateway.CodeUnavailable, "nobody serves this route any more")
	}
	o = o.of(ev)
	if limit := timeout(o.route.Timeout, ev.Timeout); limit > 0 && !o.prompt {
		bounded := withTimeout(ctx, limit)
		defer bounded.end()
		ctx = bounded
	}
	start := time.Now()
	reply, err := w.run(ctx, o, ev)
	o.recorder.record(ctx, time.Since(start), reply, err)
	if err != nil {
		w.report(ctx, o, ev, err)
	}
	return reply, err
}

// timeout returns the shorter of two limits, of which 0 is none.
func timeout(route, event time.Duration) time.Duration {
	if route <= 0 || event > 0 && event < route {
		return event
	}
	return route
}

// run calls the integration and makes sure of what Invoke promises.
func (w *Worker) run(ctx context.Context, o *opened, ev *gateway.Event) (reply *gateway.Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			reply, err = nil, gateway.Errorf(gateway.CodeInternal, "the integration failed").
				Because(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	reply, err = o.invoker.Invoke(ctx, ev)
	if err == nil && reply != nil {
		return reply, nil
	}
	var known *gateway.Error
	switch {
	case errors.As(err, &known):
		return nil, known
	case err != nil && ctx.Err() != nil:
		return nil, Ended(ctx.Err())
	case err != nil:
		return nil, gateway.Errorf(gateway.CodeInternal, "the integration failed").Because(err)
	}
	return nil, gateway.Errorf(gateway.CodeInternal, "the integration gave neither reply nor error")
}

func (w *Worker) report(ctx context.Context, o *opened, ev *gateway.Event, err error) {
	level := slog.LevelWarn
	switch gateway.ErrorCode(err) {
	case gateway.CodeInternal:
		level = slog.LevelError
	case gateway.CodeUnauthorized: // an authorizer did its work
		level = slog.LevelDebug
	}
	w.log.LogAttrs(ctx, level, "integration failed",
		slog.String("api", string(o.route.API)), slog.String("stage", string(o.route.Stage)),
		slog.String("route", string(o.route.Key)), slog.String("request", string(ev.Request)),
		slog.String("error", err.Error()))
}
