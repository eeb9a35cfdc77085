package edge

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// The attributes of spans alone: a metric's must be few, a span's may name one connection or event.
const (
	attrConnection = attribute.Key("sallyport.connection.id")
	attrRequest    = attribute.Key("sallyport.request.id")
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
// parent of what the Sender does. It begins with the frame, so the choice of the route is part of it.
func (t tracing) message(x *exchange, p *router.Program, id gateway.RequestID) context.Context {
	if t.tracer == nil {
		return context.Background()
	}
	attributes := append(routeAttributes(p, x.route, x.socket.conn.ID),
		attrRequest.String(string(id)), semconv.NetworkProtocolName("websocket"))
	ctx, span := t.tracer.Start(context.Background(), string(x.route.Key()), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(x.start), trace.WithAttributes(attributes...))
	x.span = span
	return ctx
}

// handshake starts the span of a handshake, which is an HTTP request and so goes on with its client's trace. nil when
// nothing is traced.
func (t tracing) handshake(h *handshake) trace.Span {
	if t.tracer == nil {
		return nil
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), headerCarrier(h.head.header))
	_, span := serverSpan(ctx, t.tracer, requestFacts{
		scheme: h.scheme, method: h.head.method, path: h.path, host: h.host, proto: h.head.proto, peer: h.nc.RemoteAddr().String(),
		agent: h.head.header.Get("User-Agent"), arrived: h.arrived,
	})
	return span
}

// within returns ctx with the span, if there is one, as the parent of what follows.
func within(ctx context.Context, span trace.Span) context.Context {
	if span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, span)
}

// handshakeEnd ends the span of a handshake with what became of it.
func handshakeEnd(span trace.Span, r *event.Record) {
	if span != nil {
		endServerSpan(span, r)
	}
}

// disconnect starts the root span of a $disconnect event.
func (t tracing) disconnect(p *router.Program, r *router.Route, id gateway.ConnectionID) (context.Context, func(error)) {
	if t.tracer == nil {
		return context.Background(), noSpan
	}
	ctx, span := t.tracer.Start(context.Background(), string(r.Key()), trace.WithSpanKind(trace.SpanKindInternal),
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
		span.SetAttributes(semconv.ErrorTypeKey.String(string(gateway.ErrorCode(err))))
	}
	span.End()
}
