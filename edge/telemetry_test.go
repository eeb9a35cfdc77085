package edge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/sallyport/sallyport/gateway"
)

// messageLoop returns one message on its whole way at the edge: payload → route → event → Sender → reply → frame,
// without network and without anybody who traces or watches.
func messageLoop(t testing.TB, meters metric.MeterProvider, payload string) func() {
	k, _ := hotSocket(t)
	var err error
	if k.server.metrics, err = newMetrics(meters); err != nil {
		t.Fatal(err)
	}
	p := k.server.program("chat", "dev")
	in := inbound{op: ws.OpText, payload: []byte(payload)}
	return func() { k.server.message(k, p, in) }
}

const (
	twoWayMessage = `{"action":"ask","text":"How are you?"}`
	oneWayMessage = `{"action":"say","text":"I am fine."}`
)

func meters() metric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
}

// Metrics are always counted, since /metrics is always there: on the message path that allocates nothing.
func TestMetricsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops pooled memory at random")
	}
	for name, payload := range map[string]string{"frame to one-way event": oneWayMessage, "frame to reply frame": twoWayMessage} {
		message := messageLoop(t, meters(), payload)
		if n := testing.AllocsPerRun(1000, message); n > allowed[name] {
			t.Errorf("%s: %v allocations with metrics, want at most %v", name, n, allowed[name])
		}
	}
}

// BenchmarkFrameToEvent is what a message costs the edge beside its bytes on the wire, without an exporter. nothing: no
// metrics either; metrics: as in production.
func BenchmarkFrameToEvent(b *testing.B) {
	for _, way := range []struct{ name, payload string }{{"two-way", twoWayMessage}, {"one-way", oneWayMessage}} {
		for _, setting := range []struct {
			name   string
			meters metric.MeterProvider
		}{{"nothing", nil}, {"metrics", meters()}} {
			b.Run(way.name+"/"+setting.name, func(b *testing.B) {
				message := messageLoop(b, setting.meters, way.payload)
				b.ReportAllocs()
				for b.Loop() {
					message()
				}
			})
		}
	}
}

// TestMetrics counts one of each, and holds their names, units and attributes.
func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	m, err := newMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		t.Fatal(err)
	}
	late := gateway.Errorf(gateway.CodeTimeout, "late")
	asked := &gateway.Event{Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "ask", Expect: gateway.ExpectReply}
	acked := &gateway.Event{Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "work", Expect: gateway.ExpectAck}
	left := &gateway.Event{Kind: gateway.EventDisconnect, API: "chat", Stage: "dev", Route: "$disconnect", Expect: gateway.ExpectReply}
	m.connection("chat", "dev", 1)
	m.handshake("chat", "dev", 101, "")
	m.handshake("", "", 403, stepAddress)
	m.handshake("chat", "dev", 7, stepConnect)
	m.message("chat", "dev", "ask", directionIn)
	m.answered(asked, eventEnd{took: time.Second})
	m.answered(asked, eventEnd{took: time.Second, status: 500}) // its worker counts that
	m.answered(asked, eventEnd{took: time.Second, err: late})
	m.answered(acked, eventEnd{took: time.Second})
	m.answered(left, eventEnd{took: time.Second, err: late})
	native := &gateway.Event{Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "tell", Expect: gateway.ExpectReply}
	m.answered(native, eventEnd{native: true, status: 200, took: time.Second})
	m.answered(native, eventEnd{native: true, status: 404, took: time.Second})
	m.answered(native, eventEnd{native: true, status: 500, took: time.Second})
	m.answered(native, eventEnd{native: true, took: time.Second, err: gateway.Errorf(gateway.CodeForbidden, "no")})
	m.answered(native, eventEnd{native: true, took: time.Second, err: late})
	m.failed("chat", "dev", "", gateway.Errorf(gateway.CodeForbidden, "no"))
	m.failed("chat", "dev", "ask", gateway.Errorf(gateway.CodeThrottled, "no"))
	m.callback("chat", "dev", callbackPost, "")
	m.callback("", "", callbackGet, gateway.CodeGone)
	m.queueFull("chat", "dev")
	m.authorized("chat", "dev", "users", time.Second, "")
	m.authorized("chat", "dev", "users", time.Second, gateway.CodeForbidden)
	m.throttled("chat", "dev", "ask", scopeStage)
	m.refreshed("chat", "dev", nil)
	m.refreshed("chat", "dev", gateway.Errorf(gateway.CodeUnauthorized, "no"))
	m.disconnected("chat", "dev", causeSlow)
	m.held("chat", "dev", 2, "")
	m.held("chat", "dev", 1, gateway.CodeGone)
	m.held("chat", "dev", 0, gateway.CodeGone)
	m.opensDeflated("chat", "dev")
	m.deflateSizes(directionOut).count(1000, 200)
	measure := httpMeasure{Method: "GET", Integration: time.Second}
	measure.Record.API, measure.Record.Stage, measure.Record.Route = "shop", "dev", "GET /pets/{id}"
	measure.Record.Status, measure.Record.Latency = 200, time.Second
	m.request(t.Context(), measure)

	want := []string{
		"http.server.request.duration [s] http.request.method=GET,http.response.status_code=200,http.route=/pets/{id},sallyport.api=shop,sallyport.route=GET /pets/{id},sallyport.stage=dev,url.scheme=http: 1",
		"sallyport.authorizer.duration [s] error.type=forbidden,sallyport.api=chat,sallyport.authorizer.name=users,sallyport.stage=dev: 1",
		"sallyport.authorizer.duration [s] sallyport.api=chat,sallyport.authorizer.name=users,sallyport.stage=dev: 1",
		"sallyport.callbacks [{call}] error.type=gone,sallyport.callback.method=GET: 1",
		"sallyport.callbacks [{call}] sallyport.api=chat,sallyport.callback.method=POST,sallyport.stage=dev: 1",
		"sallyport.connections [{connection}] sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.deflate.bytes [By] sallyport.deflate.form=compressed,sallyport.direction=out: 200",
		"sallyport.deflate.bytes [By] sallyport.deflate.form=plain,sallyport.direction=out: 1000",
		"sallyport.deflate.connections [{connection}] sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.disconnects [{connection}] sallyport.api=chat,sallyport.disconnect.cause=slow,sallyport.stage=dev: 1",
		"sallyport.event.duration [s] error.type=4xx,sallyport.api=chat,sallyport.integration.type=NATS,sallyport.route=tell,sallyport.stage=dev: 2",
		"sallyport.event.duration [s] error.type=5xx,sallyport.api=chat,sallyport.integration.type=NATS,sallyport.route=tell,sallyport.stage=dev: 1",
		"sallyport.event.duration [s] error.type=timeout,sallyport.api=chat,sallyport.integration.type=NATS,sallyport.route=tell,sallyport.stage=dev: 1",
		"sallyport.event.duration [s] error.type=timeout,sallyport.api=chat,sallyport.route=ask,sallyport.stage=dev: 1",
		"sallyport.event.duration [s] sallyport.api=chat,sallyport.integration.type=NATS,sallyport.route=tell,sallyport.stage=dev: 1",
		"sallyport.event.duration [s] sallyport.api=chat,sallyport.route=ask,sallyport.stage=dev: 2",
		"sallyport.event.duration [s] sallyport.api=shop,sallyport.route=GET /pets/{id},sallyport.stage=dev: 1",
		"sallyport.event.failures [{event}] error.type=4xx,sallyport.api=chat,sallyport.integration.type=NATS,sallyport.route=tell,sallyport.stage=dev: 1",
		"sallyport.event.failures [{event}] error.type=forbidden,sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.event.failures [{event}] error.type=throttled,sallyport.api=chat,sallyport.route=ask,sallyport.stage=dev: 1",
		"sallyport.event.failures [{event}] error.type=timeout,sallyport.api=chat,sallyport.integration.type=NATS,sallyport.route=tell,sallyport.stage=dev: 1",
		"sallyport.event.failures [{event}] error.type=timeout,sallyport.api=chat,sallyport.route=$disconnect,sallyport.stage=dev: 1",
		"sallyport.event.failures [{event}] error.type=timeout,sallyport.api=chat,sallyport.route=ask,sallyport.stage=dev: 1",
		"sallyport.handshakes [{handshake}] http.response.status_code=101,sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.handshakes [{handshake}] http.response.status_code=403,sallyport.handshake.refused_by=address: 1",
		"sallyport.handshakes [{handshake}] http.response.status_code=502,sallyport.api=chat,sallyport.handshake.refused_by=integration,sallyport.stage=dev: 1",
		"sallyport.held_posts [{call}] error.type=gone,sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.held_posts [{call}] sallyport.api=chat,sallyport.stage=dev: 2",
		"sallyport.messages [{message}] sallyport.api=chat,sallyport.direction=in,sallyport.route=ask,sallyport.stage=dev: 1",
		"sallyport.messages [{message}] sallyport.api=chat,sallyport.direction=out,sallyport.stage=dev: 2",
		"sallyport.refreshes [{refresh}] error.type=unauthorized,sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.refreshes [{refresh}] sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.send_queue.full [{occurrence}] sallyport.api=chat,sallyport.stage=dev: 1",
		"sallyport.throttled [{event}] sallyport.api=chat,sallyport.route=ask,sallyport.stage=dev,sallyport.throttle.scope=stage: 1",
	}
	if diff := cmp.Diff(want, measured(t, reader)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

// measured returns all series of a reader in words, sorted.
func measured(t *testing.T, reader sdkmetric.Reader) []string {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range data.ScopeMetrics {
		for _, m := range s.Metrics {
			add := func(set attribute.Set, n any) {
				got = append(got, fmt.Sprintf("%s [%s] %s: %v", m.Name, m.Unit, set.Encoded(attribute.DefaultEncoder()), n))
			}
			switch points := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range points.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range points.DataPoints {
					add(p.Attributes, p.Count)
				}
			}
		}
	}
	slices.Sort(got)
	return got
}
