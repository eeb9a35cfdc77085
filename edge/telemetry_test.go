package edge

import (
	"context"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// echoSender answers every event at once, as a backend without latency would.
type echoSender struct{ reply gateway.Reply }

func (e *echoSender) Send(_ context.Context, _ *gateway.Event, done func(*gateway.Reply, error)) {
	if done != nil {
		done(&e.reply, nil)
	}
}

// sinkLink takes everything and keeps nothing.
type sinkLink struct{}

func (sinkLink) start([]byte)                {}
func (sinkLink) write(b []byte) (int, error) { return len(b), nil }
func (sinkLink) flush()                      {}
func (sinkLink) resume()                     {}
func (sinkLink) shutdown()                   {}
func (sinkLink) close()                      {}

// messageLoop returns one message on its whole way at the edge: frame payload → route → event → Sender → reply → frame,
// without network and without anybody who traces or watches.
func messageLoop(t testing.TB, meters metric.MeterProvider, payload string) func() {
	w := prepareWorld(t, chatAPI(), func(c *Config) {
		c.Sender, c.MeterProvider, c.Observe, c.Observing = &echoSender{gateway.Reply{Status: 200, Body: []byte("pong")}}, meters, nil, nil
	})
	p := w.program("chat", "dev")
	c := gateway.Connection{ID: gateway.NewConnectionID("EDGE"), API: "chat", Stage: "dev", ConnectedAt: time.Now(), SourceIP: "127.0.0.1"}
	k := w.newSocket(c, event.AppendConnection(nil, &c))
	k.link = sinkLink{}
	in := inbound{op: ws.OpText, payload: []byte(payload)}
	return func() { w.message(k, p, in) }
}

const (
	twoWayMessage = `{"action":"ask","text":"How are you?"}`
	oneWayMessage = `{"action":"say","text":"I am fine."}`
)

// BenchmarkFrameToEvent is what a message costs the edge beside its bytes on the wire. nothing: no telemetry at all;
// metrics: as in production without an exporter, since /metrics is always there.
func BenchmarkFrameToEvent(b *testing.B) {
	for name, payload := range map[string]string{"two-way": twoWayMessage, "one-way": oneWayMessage} {
		for setting, meters := range map[string]metric.MeterProvider{
			"nothing": nil, "metrics": sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		} {
			b.Run(name+"/"+setting, func(b *testing.B) {
				message := messageLoop(b, meters, payload)
				b.ReportAllocs()
				for b.Loop() {
					message()
				}
			})
		}
	}
}
