package bus

import (
	"context"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/sallyport/sallyport/gateway"
)

// hop is both ends on one embedded server, each with a connection of its own, as in one process of the product.
func hop(t testing.TB, tp trace.TracerProvider) *Client {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e), TracerProvider: tp, Traceparent: tp != nil})
	reply := &gateway.Reply{Status: 200, Body: []byte("pong")}
	s := newServer(t, ServerConfig{Conn: connect(t, e), TracerProvider: tp, Handler: gateway.InvokerFunc(
		func(context.Context, *gateway.Event) (*gateway.Reply, error) { return reply, nil })})
	if err := s.Serve([]ServedRoute{joinRoute(true)}); err != nil {
		t.Fatal(err)
	}
	return client
}

// BenchmarkRoundTrip is event out, worker, reply in: one at a time, and with many under way as on an edge.
func BenchmarkRoundTrip(b *testing.B) {
	for _, window := range []int{1, 64} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			client, ev := hop(b, nil), message("0123456789")
			answered := make(chan error, window)
			done := func(_ *gateway.Reply, err error) { answered <- err }
			b.ReportAllocs()
			b.ResetTimer()
			sent := 0
			for ; sent < min(window, b.N); sent++ {
				client.Send(context.Background(), ev, done)
			}
			for range b.N {
				if err := <-answered; err != nil {
					b.Fatal(err)
				}
				if sent < b.N {
					client.Send(context.Background(), ev, done)
					sent++
				}
			}
		})
	}
}

// BenchmarkOneWay is what a message without route response costs its edge.
func BenchmarkOneWay(b *testing.B) {
	client, ev := hop(b, nil), message("0123456789")
	ev.Expect = gateway.ExpectNothing
	b.ReportAllocs()
	for b.Loop() {
		client.Send(context.Background(), ev, nil)
	}
}

func BenchmarkEventSubject(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = Subjects{}.Event("shop", "prod", gateway.ProtocolHTTP, "GET /pets/{id}")
	}
}

// The guard counts the whole process: client, both nats.go connections, the server and the worker. The figure is what
// the message path allocates today plus a little; more is a regression to be explained.
func TestRoundTripAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates on its own")
	}
	for _, tc := range []struct {
		name   string
		tracer trace.TracerProvider
		most   float64
	}{{"no tracing", nil, 38}, {"no-op tracing", noop.NewTracerProvider(), 45}} {
		t.Run(tc.name, func(t *testing.T) {
			client, ev := hop(t, tc.tracer), message("0123456789")
			answered := make(chan error, 1)
			done := func(_ *gateway.Reply, err error) { answered <- err }
			n := testing.AllocsPerRun(500, func() {
				client.Send(context.Background(), ev, done)
				if err := <-answered; err != nil {
					t.Error(err)
				}
			})
			t.Logf("%v allocations a round trip", n)
			if n > tc.most {
				t.Errorf("%v allocations a round trip, at most %v", n, tc.most)
			}
		})
	}
}

// The sender allocates nothing for the headers.
func TestSendAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates on its own")
	}
	ev := message("x")
	var kept envelopes
	if n := testing.AllocsPerRun(100, func() { kept.put(kept.event(ev)) }); n > 0 {
		t.Errorf("headers: %v allocations", n)
	}
}
