package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/sallyport/sallyport/bench"
	"github.com/sallyport/sallyport/bench/load"
)

// A client that speaks NATS over the WebSocket has its messages back from the responder.
func TestRespondsOverWebSocket(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, address, "", "bench.work", work{wait: time.Millisecond, spin: time.Microsecond, atOnce: 4})
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	await(t, address)
	report, err := bench.Run(t.Context(), bench.Config{Job: load.Job{
		Scenario: load.Echo, URLs: []string{"ws://" + address + "/"}, Connections: 5, Rate: 200, Warmup: 100 * time.Millisecond, Duration: 200 * time.Millisecond,
		Hello: "CONNECT {\"verbose\":false}\r\nSUB r%c 1\r\nPING\r\n", Ready: "PONG", Message: "PUB bench.work r%c 4\r\nping\r\n", Expect: "MSG r",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if m := report.Messages; m.Sent != 40 || report.Latency.Count != 40 || m.Unanswered+m.Unexpected > 0 {
		t.Errorf("%+v", m)
	}
}

// await polls until something listens.
func await(t *testing.T, address string) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for range 2000 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		<-ticker.C
	}
	t.Fatal("nothing listens")
}

func TestUsage(t *testing.T) {
	for _, ws := range []string{"", "nowhere", "127.0.0.1:x"} {
		if err := run(t.Context(), ws, "", "x", work{}); err == nil {
			t.Errorf("--ws %q is taken", ws)
		}
	}
}
