package bus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

// abandon takes the message of orders as a worker does that then dies, and waits for the store to notice.
func abandon(t *testing.T, d *Durable, wait time.Duration) {
	t.Helper()
	consumer, err := d.consumer(t.Context(), &orders, wait)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := consumer.Next(jetstream.FetchMaxWait(patience)); err != nil {
		t.Fatal(err)
	}
}

// What a worker had that died is run by another; and where each worker dies of it, the message is given up.
func TestDeadWorker(t *testing.T) {
	const ackWait = time.Second
	conn := connect(t, startNATS(t))
	d := openDurable(t, conn, nil)
	client := newClient(t, ClientConfig{Conn: conn})
	for _, m := range []gateway.RequestID{"m1", "m2"} {
		if _, err := outcomeOf(t, client, order(m, "x")); err != nil {
			t.Fatal(err)
		}
		abandon(t, d, ackWait)
		if m == "m2" {
			for range orders.MaxAttempts - 1 {
				abandon(t, d, ackWait)
			}
		}
		s, attempts := serveOrders(t, d, func(c *DurableServerConfig) { c.AckWait = ackWait })
		if m == "m1" {
			a := receive(t, attempts)
			if a.event.Attempt != 2 || a.event.Message != m {
				t.Errorf("another worker got attempt %d of %s", a.event.Attempt, a.event.Message)
			}
			a.answer <- nil
		}
		awaitStored(t, d, streamDurable, 0)
		s.Close()
	}
	page, _, err := d.DeadLetters(t.Context(), DeadFilter{}, 0, 0)
	if err != nil || len(page) != 1 || page[0].Message != "m2" || page[0].Attempts != orders.MaxAttempts || page[0].Code != gateway.CodeInternal {
		t.Errorf("the dead letters are %+v, %v", page, err)
	}
}

// An integration may take longer than the store waits for a silent worker.
func TestSlowAttempt(t *testing.T) {
	const ackWait = time.Second
	conn := connect(t, startNATS(t))
	d := openDurable(t, conn, nil)
	client := newClient(t, ClientConfig{Conn: conn})
	_, attempts := serveOrders(t, d, func(c *DurableServerConfig) { c.AckWait = ackWait })
	if _, err := outcomeOf(t, client, order("m1", "x")); err != nil {
		t.Fatal(err)
	}
	a := receive(t, attempts)
	select {
	case again := <-attempts:
		t.Errorf("attempt %d began while the first was under way", again.event.Attempt)
	case <-time.After(2 * ackWait):
	}
	a.answer <- nil
	awaitStored(t, d, streamDurable, 0)
}

// A server takes no more than it runs, and gives back what it is closed over.
func TestDurableBounds(t *testing.T) {
	conn := connect(t, startNATS(t))
	d := openDurable(t, conn, nil)
	client := newClient(t, ClientConfig{Conn: conn})
	for i := range 3 {
		if _, err := outcomeOf(t, client, order(gateway.RequestID(fmt.Sprint("m", i)), "x")); err != nil {
			t.Fatal(err)
		}
	}
	first, attempts := serveOrders(t, d, func(c *DurableServerConfig) { c.MaxConcurrent = 1 })
	receive(t, attempts)
	consumer, err := d.consumer(t.Context(), &orders, DefaultAckWait)
	if err != nil {
		t.Fatal(err)
	}
	info, err := consumer.Info(t.Context())
	if err != nil || info.NumAckPending != 1 || info.NumPending != 2 {
		t.Errorf("with one place %d are under way and %d wait, %v", info.NumAckPending, info.NumPending, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := first.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain did not wait for what is under way: %v", err)
	}
	first.Close()
	if err := first.Serve([]DurableRoute{orders}); err == nil {
		t.Error("a closed server serves")
	}
	second, attempts := serveOrders(t, d, nil)
	for range 3 {
		receive(t, attempts).answer <- nil
	}
	awaitStored(t, d, streamDurable, 0)
	if err := second.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// Two workers share a route; a route that is not served any more keeps its messages.
func TestDurableServe(t *testing.T) {
	conn := connect(t, startNATS(t))
	d := openDurable(t, conn, nil)
	client := newClient(t, ClientConfig{Conn: conn})
	one, first := serveOrders(t, d, func(c *DurableServerConfig) { c.MaxConcurrent = 1 })
	two, second := serveOrders(t, d, func(c *DurableServerConfig) { c.MaxConcurrent = 1 })
	for _, m := range []gateway.RequestID{"m1", "m2"} {
		if _, err := outcomeOf(t, client, order(m, "x")); err != nil {
			t.Fatal(err)
		}
	}
	a, b := receive(t, first), receive(t, second)
	if a.event.Message == b.event.Message {
		t.Errorf("both workers run %s", a.event.Message)
	}
	for _, s := range []*DurableServer{one, two} {
		if err := s.Serve(nil); err != nil {
			t.Fatal(err)
		}
	}
	a.answer <- nil
	b.answer <- nil
	awaitStored(t, d, streamDurable, 0) // what was under way was run to its end
	if _, err := outcomeOf(t, client, order("m3", "x")); err != nil {
		t.Fatal(err)
	}
	if len(first)+len(second) > 0 {
		t.Error("a route that is not served was run")
	}
	if err := one.Serve([]DurableRoute{orders}); err != nil {
		t.Fatal(err)
	}
	receive(t, first).answer <- nil
	awaitStored(t, d, streamDurable, 0)
	if err := one.Serve([]DurableRoute{{Subject: "x"}}); err == nil {
		t.Error("a route without attempts is served")
	}
}
