package edge

import (
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/sallyport/sallyport/gateway"
)

// TestMessagesAndPushesAreCounted as they go their way, each once, and by every reader.
func TestMessagesAndPushesAreCounted(t *testing.T) {
	k, _ := hotSocket(t)
	one, two := sdkmetric.NewManualReader(), sdkmetric.NewManualReader()
	var err error
	if k.server.metrics, err = newMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(one), sdkmetric.WithReader(two))); err != nil {
		t.Fatal(err)
	}
	p := k.server.program("chat", "dev")
	for _, payload := range []string{twoWayMessage, twoWayMessage, oneWayMessage} {
		k.server.message(k, p, inbound{op: ws.OpText, payload: []byte(payload)})
	}
	local, there := k.server.Connections(), gateway.ConnectionRef{ID: k.conn.ID}
	for range 3 {
		if err := local.Post(t.Context(), there, gateway.Push{Body: []byte("text")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := local.Post(t.Context(), there, gateway.Push{Body: []byte("\xff")}); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Fatalf("text that is none: %v", err)
	}
	want := []string{
		"sallyport.callbacks [{call}] error.type=bad_request,sallyport.api=chat,sallyport.callback.method=POST,sallyport.stage=dev: 1",
		"sallyport.callbacks [{call}] sallyport.api=chat,sallyport.callback.method=POST,sallyport.stage=dev: 3",
		"sallyport.event.duration [s] sallyport.api=chat,sallyport.integration.type=NATS,sallyport.route=ask,sallyport.stage=dev: 2",
		"sallyport.messages [{message}] sallyport.api=chat,sallyport.direction=in,sallyport.route=ask,sallyport.stage=dev: 2",
		"sallyport.messages [{message}] sallyport.api=chat,sallyport.direction=in,sallyport.route=say,sallyport.stage=dev: 1",
		"sallyport.messages [{message}] sallyport.api=chat,sallyport.direction=out,sallyport.route=ask,sallyport.stage=dev: 2",
		"sallyport.messages [{message}] sallyport.api=chat,sallyport.direction=out,sallyport.stage=dev: 3",
	}
	for _, reader := range []sdkmetric.Reader{one, two, one} {
		if diff := cmp.Diff(want, measured(t, reader)); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
	}
}

// TestResolvedIsBounded: what does not fit is looked up each time, and what was replaced is let go.
func TestResolvedIsBounded(t *testing.T) {
	var r resolved[int, int]
	full := make(map[int]*int, maxResolved)
	for i := range maxResolved - 1 {
		full[-i-1] = new(int)
	}
	r.known.Store(&full)
	looked := 0
	get := func(key int) { r.get(key, func() *int { looked++; return &key }) }
	for range 2 {
		for key := range 16 {
			get(key)
		}
	}
	if want := 1 + 2*15; looked != want { // one found a place
		t.Errorf("%d looks, want %d", looked, want)
	}
	if n := len(*r.known.Load()); n != maxResolved {
		t.Errorf("%d are kept, want %d", n, maxResolved)
	}
	looked = 0
	r.forget()
	get(0)
	get(0)
	if looked != 1 {
		t.Errorf("after letting go: %d looks, want 1", looked)
	}
}
