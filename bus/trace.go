package bus

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

const tracerName = "github.com/sallyport/sallyport/bus"

// carrier lets the W3C propagator write lower-case names, as other languages do, and read any case;
// propagation.HeaderCarrier does neither on a nats.Header.
type carrier nats.Header

// Get returns the first value of key in any case.
func (c carrier) Get(key string) string { return gateway.Header(c).Get(key) }

// Set replaces every header of that name.
func (c carrier) Set(key, value string) { gateway.Header(c).Set(strings.ToLower(key), value) }

// Keys lists the names as they are.
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}

// tracing makes the spans of the bus. A nil tracer makes none and costs a comparison.
type tracing struct {
	tracer      trace.Tracer
	traceparent bool // messages carry the trace
}

func newTracing(tp trace.TracerProvider, traceparent bool) tracing {
	t := tracing{traceparent: traceparent}
	if tp != nil {
		t.tracer = tp.Tracer(tracerName)
	}
	return t
}

// destination is where a message goes to or came from, in the words of the semantic conventions for messaging.
type destination struct {
	subject string
	// template stands for the subject where subjects are many: one per connection. It is empty where they are few.
	template string
	// group is the queue group that the message was taken from; empty without one.
	group string
}

// command is the destination of a connection command. Without a tracer nothing is spent on it.
func (t tracing) command(s Subjects, subject string, verb Verb) destination {
	if t.tracer == nil {
		return destination{}
	}
	return destination{subject: subject, template: s.connectionTemplate(verb)}
}

// label is the part of a span's name that says where.
func (d destination) label() string {
	if d.template != "" {
		return d.template
	}
	return d.subject
}

func (d destination) attributes(operation string, kind attribute.KeyValue) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKey.String("nats"),
		semconv.MessagingOperationName(operation),
		kind,
		semconv.MessagingDestinationName(d.subject),
	}
	if d.template != "" {
		attributes = append(attributes, semconv.MessagingDestinationTemplate(d.template))
	}
	if d.group != "" {
		attributes = append(attributes, semconv.MessagingConsumerGroupName(d.group))
	}
	return attributes
}

// The operations, as spans name them.
const (
	operationSend    = "send"
	operationProcess = "process"
)

// send starts the producer span of a message and writes the trace into its headers. The span is nil unless somebody
// records this trace.
func (t tracing) send(ctx context.Context, to destination, h nats.Header) trace.Span {
	if t.tracer == nil && !t.traceparent {
		return nil
	}
	var span trace.Span
	if t.tracer != nil && trace.SpanFromContext(ctx).IsRecording() {
		ctx, span = t.tracer.Start(ctx, operationSend+" "+to.label(), trace.WithSpanKind(trace.SpanKindProducer),
			trace.WithAttributes(to.attributes(operationSend, semconv.MessagingOperationTypeSend)...))
	}
	if t.traceparent && trace.SpanContextFromContext(ctx).IsValid() {
		propagation.TraceContext{}.Inject(ctx, carrier(h))
	}
	return span
}

// receive continues the trace of a message: its creation context is the parent of the consumer span, since each message
// is processed by itself. The span is nil without a tracer; end both by finish.
func (t tracing) receive(ctx context.Context, from destination, h nats.Header) (context.Context, trace.Span) {
	if len(h) > 0 && carrier(h).Get(headerTraceparent) != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier(h))
	}
	if t.tracer == nil {
		return ctx, nil
	}
	return t.tracer.Start(ctx, operationProcess+" "+from.label(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(from.attributes(operationProcess, semconv.MessagingOperationTypeProcess)...))
}

// finish ends a span, which may be nil, with the outcome.
func finish(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, string(gateway.ErrorCode(err)))
		span.SetAttributes(semconv.ErrorTypeKey.String(string(gateway.ErrorCode(err))))
	}
	span.End()
}
