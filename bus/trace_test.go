package bus

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

func recorder(t testing.TB, sampler sdktrace.Sampler) (*tracetest.SpanRecorder, trace.TracerProvider) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r), sdktrace.WithSampler(sampler))
	t.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
	return r, tp
}

func TestOneTraceAcrossTheHop(t *testing.T) {
	e := startNATS(t)
	spans, tp := recorder(t, sdktrace.AlwaysSample())
	client := newClient(t, ClientConfig{Conn: connect(t, e), TracerProvider: tp, Traceparent: true})
	inside := make(chan trace.SpanContext, 1)
	s := newServer(t, ServerConfig{Conn: connect(t, e), TracerProvider: tp, Handler: gateway.InvokerFunc(
		func(ctx context.Context, _ *gateway.Event) (*gateway.Reply, error) {
			inside <- trace.SpanContextFromContext(ctx)
			return nil, gateway.Errorf(gateway.CodeIntegration, "no")
		})})
	if err := s.Serve([]ServedRoute{joinRoute(true)}); err != nil {
		t.Fatal(err)
	}
	ctx, root := tp.Tracer("test").Start(t.Context(), "root")
	_, err := client.Invoke(ctx, message("x"))
	wantCode(t, err, gateway.CodeIntegration)
	root.End()
	handler := receive(t, inside)
	eventually(t, "three spans", func() bool { return len(spans.Ended()) == 3 })
	byKind := map[trace.SpanKind]sdktrace.ReadOnlySpan{}
	for _, s := range spans.Ended() {
		if s.SpanContext().TraceID() != root.SpanContext().TraceID() {
			t.Errorf("%s is of another trace", s.Name())
		}
		byKind[s.SpanKind()] = s
	}
	producer, consumer := byKind[trace.SpanKindProducer], byKind[trace.SpanKindConsumer]
	if producer.Name() != "send "+joinSubject || producer.Parent().SpanID() != root.SpanContext().SpanID() {
		t.Errorf("%s under %v", producer.Name(), producer.Parent().SpanID())
	}
	if consumer.Name() != "process "+joinSubject || consumer.Parent().SpanID() != producer.SpanContext().SpanID() || handler.SpanID() != consumer.SpanContext().SpanID() {
		t.Errorf("%s under %v", consumer.Name(), consumer.Parent().SpanID())
	}
	common := map[string]string{"messaging.system": "nats", "messaging.destination.name": joinSubject, "error.type": "integration_failed"}
	wantAttributes(t, producer, common, map[string]string{"messaging.operation.name": "send", "messaging.operation.type": "send"})
	wantAttributes(t, consumer, common, map[string]string{"messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.consumer.group.name": QueueGroup})
	for _, s := range []sdktrace.ReadOnlySpan{producer, consumer} {
		if s.Status().Code != codes.Error {
			t.Errorf("%s: %v", s.Name(), s.Status())
		}
	}
}

// wantAttributes compares all attributes of a span.
func wantAttributes(t *testing.T, s sdktrace.ReadOnlySpan, parts ...map[string]string) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, part := range parts {
		maps.Copy(want, part)
	}
	for _, a := range s.Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: attributes (-want +got):\n%s", s.Name(), diff)
	}
}

func TestTraceparentIsSentOnlyWhenAsked(t *testing.T) {
	e := startNATS(t)
	spans, tp := recorder(t, sdktrace.NeverSample())
	_, sampled := recorder(t, sdktrace.AlwaysSample())
	headers := make(chan nats.Header, 1)
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) { headers <- m.Header; _ = m.Respond(nil) })
	for i, tc := range []struct {
		config   ClientConfig
		provider trace.TracerProvider // of the caller's span, or none
		flags    string               // of the traceparent, or none
	}{
		{ClientConfig{}, sampled, ""},
		{ClientConfig{TracerProvider: sampled}, sampled, ""},
		{ClientConfig{TracerProvider: tp, Traceparent: true}, tp, "00"},
		{ClientConfig{Traceparent: true}, sampled, "01"},
		{ClientConfig{TracerProvider: sampled, Traceparent: true}, sampled, "01"},
		{ClientConfig{TracerProvider: sampled, Traceparent: true}, nil, ""},
	} {
		tc.config.Conn, tc.config.Edge = connect(t, e), gateway.NewEdgeID()
		client := newClient(t, tc.config)
		ctx := t.Context()
		if tc.provider != nil {
			ctx, _ = tc.provider.Tracer("test").Start(ctx, "root")
		}
		ev := message("x")
		ev.Header = gateway.Header{"TraceParent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
		if _, err := client.Invoke(ctx, ev); err != nil {
			t.Fatal(err)
		}
		h := receive(t, headers)
		got := strings.Join(h["traceparent"], ",")
		if tc.flags == "" && got != "" || tc.flags != "" && !strings.HasSuffix(got, "-"+tc.flags) || h["TraceParent"] != nil {
			t.Errorf("%d: %v", i, h)
		}
	}
	if n := len(spans.Ended()); n != 0 {
		t.Errorf("%d spans of an unsampled trace", n)
	}
}

// A backend of any language that pushes with a traceparent continues the trace.
func TestPushContinuesTheTrace(t *testing.T) {
	e := startNATS(t)
	spans, tp := recorder(t, sdktrace.AlwaysSample())
	table := newSockets()
	s, err := ServeConnections(ConnectionsConfig{Conn: connect(t, e), Edge: testEdge, Local: table, TracerProvider: tp})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	id := table.add(testEdge, "")
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	m := &nats.Msg{Subject: "sallyport.chat.dev.@connections." + string(id), Header: nats.Header{"TRACEPARENT": {"00-" + traceID + "-b7ad6b7169203331-01"}}}
	if _, err := outside(t, e).RequestMsg(m, patience); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a span", func() bool { return len(spans.Ended()) == 1 })
	span := spans.Ended()[0]
	if span.SpanContext().TraceID().String() != traceID || span.Name() != "process sallyport.{api}.{stage}.@connections.{edge}.{connectionId}" {
		t.Errorf("%s in %s", span.Name(), span.SpanContext().TraceID())
	}
	wantAttributes(t, span, map[string]string{
		"messaging.system": "nats", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name":     "sallyport.chat.dev.@connections." + string(testEdge) + "." + string(id),
		"messaging.destination.template": "sallyport.{api}.{stage}.@connections.{edge}.{connectionId}",
	})
	// And a gateway that pushes to another one does so too.
	r := remote(t, RemoteConfig{Conn: connect(t, e), TracerProvider: tp, Traceparent: true})
	ctx, root := tp.Tracer("test").Start(t.Context(), "root")
	if err := r.Post(ctx, gateway.ConnectionRef{ID: id}, gateway.Push{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two more", func() bool { return len(spans.Ended()) == 3 })
	for _, s := range spans.Ended()[1:] {
		if s.SpanContext().TraceID() != root.SpanContext().TraceID() {
			t.Errorf("%s is of another trace", s.Name())
		}
	}
}

func TestCarrier(t *testing.T) {
	c := carrier{"TraceParent": {"a"}, "x": {"b"}}
	if c.Get("traceparent") != "a" || c.Get("y") != "" || len(c.Keys()) != 2 {
		t.Error(c)
	}
	c.Set("Traceparent", "n")
	if len(c) != 2 || c["traceparent"][0] != "n" {
		t.Error(c)
	}
}
