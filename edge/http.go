package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// httpConfig is what the HTTP front needs. Live and Invoker are required.
type httpConfig struct {
	Live    *router.Live
	Invoker gateway.Invoker

	// Observe is told of every request while Observing says so; nil means nobody looks. A nil Observing means always.
	Observe   func(event.Record)
	Observing func() bool

	TracerProvider trace.TracerProvider // nil: no spans
	Metrics        httpMetrics
	Logger         *slog.Logger     // nil: nothing is logged
	Now            func() time.Time // nil: time.Now
}

// httpMetrics are the functions that count requests; nil ones count nothing. They may be called concurrently.
type httpMetrics struct {
	// Request is called once when a request was answered.
	Request func(context.Context, httpMeasure)
}

// httpMeasure is what there is to count of one request.
type httpMeasure struct {
	// Record has API, stage and route when they are known, status, code, latency and sizes.
	Record event.Record
	// Method is one of the common methods or _OTHER, so that clients can't make up label values.
	Method string
	// Integration is how long the Invoker took; 0 when it was not called.
	Integration time.Duration
}

// httpFront answers the requests of HTTP APIs. It is safe for concurrent use.
type httpFront struct {
	cfg    httpConfig
	tracer trace.Tracer // nil: no spans
}

// newHTTPFront returns the handler for every request that is neither an upgrade nor a callback.
func newHTTPFront(c httpConfig) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &httpFront{cfg: c}
	if c.TracerProvider != nil {
		f.tracer = c.TracerProvider.Tracer(scope)
	}
	return f
}

// httpExchange is one request on its way; one goroutine owns it.
type httpExchange struct {
	ctx         context.Context //nolint:containedctx // the exchange lives as long as the call that has the context
	span        trace.Span
	record      event.Record
	integration time.Duration
}

// ServeHTTP takes one request from match to respond.
func (f *httpFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := f.begin(r)
	reply, err := f.serve(w, r, x)
	if err != nil {
		f.refuse(w, r, x, err)
	} else {
		f.respond(w, r, x, reply)
	}
	f.finish(x)
}

func (f *httpFront) begin(r *http.Request) *httpExchange {
	x := &httpExchange{record: event.Record{
		Time:    f.cfg.Now(),
		Kind:    event.KindRequest,
		Request: gateway.NewRequestID(),
		Method:  r.Method,
		Path:    r.URL.EscapedPath(),
	}}
	x.ctx, x.span = startServerSpan(r, f.tracer)
	return x
}

// serve is the way of a request: match → read → invoke. What it returns can be written as it is.
func (f *httpFront) serve(w http.ResponseWriter, r *http.Request, x *httpExchange) (*gateway.Reply, error) {
	if err := checkHead(r); err != nil {
		return nil, err
	}
	m, err := f.match(r, x)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r, m.program.Limits().MaxBodyBytes)
	x.record.BytesIn = len(body)
	if err != nil {
		return nil, err
	}
	ev := requestEvent(r, m, body, x)
	sent, err := encodeForRoute(m.route, ev)
	if err != nil {
		return nil, err
	}
	began := f.cfg.Now()
	reply, err := f.cfg.Invoker.Invoke(x.ctx, sent)
	x.integration = f.cfg.Now().Sub(began)
	if err != nil {
		return nil, err
	}
	if reply, err = decodeForRoute(m.route, ev, reply); err != nil {
		return nil, err
	}
	return reply, checkStatus(reply)
}

func (f *httpFront) finish(x *httpExchange) {
	x.record.Latency = f.cfg.Now().Sub(x.record.Time)
	endServerSpan(x.span, &x.record)
	if f.cfg.Metrics.Request != nil {
		f.cfg.Metrics.Request(x.ctx, httpMeasure{x.record, commonMethod(x.record.Method), x.integration})
	}
	if f.cfg.Observe != nil && (f.cfg.Observing == nil || f.cfg.Observing()) {
		f.cfg.Observe(x.record)
	}
}

// log writes what a client is not told. Only failures of ours and of backends are worth a line.
func (f *httpFront) log(x *httpExchange, err error) {
	var e *gateway.Error
	if !errors.As(err, &e) || e.Code == gateway.CodeInternal || e.Code == gateway.CodeIntegration {
		f.cfg.Logger.WarnContext(x.ctx, "request failed", "api", x.record.API, "stage", x.record.Stage,
			"route", x.record.Route, "requestId", x.record.Request, "error", err)
	}
}
