package edge

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// tracing starts the spans of WebSocket events and callbacks. With a nil tracer it costs a comparison.
type tracing struct{ tracer trace.Tracer }

func newTracing(p trace.TracerProvider) tracing {
	if p == nil {
		return tracing{}
	}
	return tracing{p.Tracer(scope)}
}

// message starts the root span of a client's message, named by its route, and returns the context that makes it the
// parent of what the Sender does.
func (t tracing) message(x *exchange, p *router.Program) context.Context {
	if t.tracer == nil {
		return context.Background()
	}
	ctx, span := t.tracer.Start(context.Background(), string(x.route.Key()), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(routeAttributes(p, x.route, x.socket.conn.ID)...))
	x.span = span
	return ctx
}

// lifecycle starts the span of a $connect or $disconnect event, a child of what ctx carries.
func (t tracing) lifecycle(ctx context.Context, p *router.Program, r *router.Route, id gateway.ConnectionID) (context.Context, func(error)) {
	if t.tracer == nil {
		return ctx, noSpan
	}
	ctx, span := t.tracer.Start(ctx, string(r.Key()), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(routeAttributes(p, r, id)...))
	return ctx, func(err error) { endSpan(span, err) }
}

// callback starts the span of a callback at the edge that owns the connection.
func (t tracing) callback(ctx context.Context, method string, ref gateway.ConnectionRef) (context.Context, func(error)) {
	if t.tracer == nil {
		return ctx, noSpan
	}
	ctx, span := t.tracer.Start(ctx, "@connections "+method, trace.WithSpanKind(trace.SpanKindInternal),
		trace.WithAttributes(attrConnection.String(string(ref.ID))))
	return ctx, func(err error) { endSpan(span, err) }
}

// attrConnection names the client connection; unlike a metric's, a span's attributes may be many.
const attrConnection = attribute.Key("sallyport.connection")

func routeAttributes(p *router.Program, r *router.Route, id gateway.ConnectionID) []attribute.KeyValue {
	return []attribute.KeyValue{
		attrAPI.String(string(p.API())), attrStage.String(string(p.Stage())), attrRoute.String(string(r.Key())),
		attrConnection.String(string(id)),
	}
}

func noSpan(error) {}

func endSpan(span trace.Span, err error) {
	if err != nil {
		// The public message only: a cause may hold what a trace must not.
		span.SetStatus(codes.Error, publicMessage(err))
		span.SetAttributes(attrResult.String(string(gateway.ErrorCode(err))))
	}
	span.End()
}
