package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

var orders = DurableRoute{
	API: "shop", Stage: "prod", Route: "order.new", Subject: Subjects{}.Event("shop", "prod", gateway.ProtocolWebSocket, "order.new"),
	MaxAttempts: 3, Backoff: 10 * time.Millisecond,
}

// openDurable makes the streams.
func openDurable(t *testing.T, conn *Conn, change func(*DurableConfig)) *Durable {
	t.Helper()
	c := DurableConfig{Conn: conn}
	if change != nil {
		change(&c)
	}
	d, err := NewDurable(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// order is an event that is to be stored.
func order(message gateway.RequestID, body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: orders.API, Stage: orders.Stage, Route: orders.Route, Expect: gateway.ExpectStored,
		Subject:    Subjects{}.Durable(orders.API, orders.Stage, orders.Route),
		Connection: "AbC_aaaaaaaaaaa=", Request: "r-" + message, Message: message, Body: []byte(body),
		Context: fmt.Appendf(nil, `{"connectionId":"AbC_aaaaaaaaaaa=","requestId":"r-%s","messageId":"%s"}`, message, message),
	}
}

// attempt is what a handler was given, and what it is told to answer.
type attempt struct {
	event  *gateway.Event
	answer chan error
}

// serveOrders serves orders; the channel gets each attempt, whose answer the handler waits for.
func serveOrders(t *testing.T, d *Durable, change func(*DurableServerConfig)) (*DurableServer, <-chan attempt) {
	t.Helper()
	attempts := make(chan attempt, 16)
	c := DurableServerConfig{Store: d, Handler: gateway.InvokerFunc(func(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		a := attempt{ev, make(chan error, 1)}
		attempts <- a
		select {
		case err := <-a.answer:
			return &gateway.Reply{Status: 200}, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})}
	if change != nil {
		change(&c)
	}
	s, err := NewDurableServer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Serve([]DurableRoute{orders}); err != nil {
		t.Fatal(err)
	}
	return s, attempts
}

// stored returns how many messages wait in a stream of d.
func stored(t *testing.T, d *Durable, stream string) uint64 {
	t.Helper()
	s, err := d.js.Stream(t.Context(), d.name(stream))
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// awaitStored waits until that many messages are in a stream.
func awaitStored(t *testing.T, d *Durable, stream string, want uint64) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); ; {
		got := stored(t, d, stream)
		if got == want {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("the stream %s has %d messages, want %d", stream, got, want)
		}
	}
}

func TestDurableSubjects(t *testing.T) {
	s := Subjects{}
	for _, key := range []gateway.RouteKey{"order", "order.new", "$default", "a b", "*", "%"} {
		durable, dead := s.Durable("shop", "$default", key), s.Dead("shop", "$default", key)
		if want := "sallyport.shop.$default.@durable.ws." + encodeToken(string(key)); durable != want {
			t.Errorf("the subject of %q is %s, want %s", key, durable, want)
		}
		want := EventAddress{API: "shop", Stage: "$default", Protocol: gateway.ProtocolWebSocket, Route: key}
		for subject, parse := range map[string]func(string) (EventAddress, error){durable: s.ParseDurable, dead: s.ParseDead} {
			if got, err := parse(subject); err != nil || got != want {
				t.Errorf("%s is %v, %v", subject, got, err)
			}
		}
	}
	for _, subject := range []string{
		"", "sallyport.shop.prod.@dead.ws", "sallyport.shop.prod.@dead.http.a", "sallyport.shop.prod.@durable.ws.a", "sallyport.shop.prod.ws.a",
		"other.shop.prod.@dead.ws.a", "sallyport.shop.prod.@dead.ws.a.b",
	} {
		if a, err := s.ParseDead(subject); !errors.Is(err, ErrSubject) {
			t.Errorf("%q is a dead letter's: %v", subject, a)
		}
	}
	if got, want := s.deadsOf("shop", "", "a.b"), "sallyport.shop.*.@dead.ws.a%2Eb"; got != want {
		t.Errorf("the filter is %s, want %s", got, want)
	}
}

func TestBackoff(t *testing.T) {
	r := DurableRoute{Backoff: time.Second}
	for attempt, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: maxBackoff, 100: maxBackoff} {
		if got := r.wait(attempt); got != want {
			t.Errorf("after attempt %d the wait is %v, want %v", attempt, got, want)
		}
	}
	if r.Backoff = time.Hour; r.wait(3) != time.Hour {
		t.Errorf("a long back-off became %v", r.wait(3))
	}
}

func TestDurableFailure(t *testing.T) {
	for _, c := range []struct {
		status         int
		oneWay, twoWay gateway.Code
	}{
		{200, "", ""},
		{302, "", ""},
		{400, gateway.CodeBadRequest, ""},
		{404, gateway.CodeBadRequest, ""},
		{408, gateway.CodeIntegration, gateway.CodeIntegration},
		{425, gateway.CodeIntegration, gateway.CodeIntegration},
		{429, gateway.CodeIntegration, gateway.CodeIntegration},
		{500, gateway.CodeIntegration, gateway.CodeIntegration},
		{503, gateway.CodeIntegration, gateway.CodeIntegration},
	} {
		if got := gateway.ErrorCode(DurableFailure(c.status, false)); got != c.oneWay {
			t.Errorf("status %d on a one-way route is %q, want %q", c.status, got, c.oneWay)
		}
		if got := gateway.ErrorCode(DurableFailure(c.status, true)); got != c.twoWay {
			t.Errorf("status %d on a two-way route is %q, want %q", c.status, got, c.twoWay)
		}
	}
}

// A message is acknowledged when the store has it, and stored once however often it is sent.
func TestStore(t *testing.T) {
	conn := connect(t, startNATS(t))
	client := newClient(t, ClientConfig{Conn: conn})
	if _, err := outcomeOf(t, client, order("m1", "early")); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("without a store it ended with %v", err)
	}
	d := openDurable(t, conn, nil)
	for range 2 {
		if reply, err := outcomeOf(t, client, order("m1", "hello")); err != nil || reply.Status != 200 {
			t.Fatalf("the store said %v, %v", reply, err)
		}
	}
	if n := stored(t, d, streamDurable); n != 1 {
		t.Errorf("one message is stored %d times", n)
	}
	if stats := client.Stats(); stats.Pending != 0 || stats.Junk != 0 {
		t.Errorf("after the store's word: %+v", stats)
	}
	// The event's own subject is nobody's: the stream must not answer there.
	ev := order("m2", "x")
	ev.Subject, ev.Expect = orders.Subject, gateway.ExpectReply
	if _, err := outcomeOf(t, client, ev); !errors.Is(err, ErrNoResponders) {
		t.Errorf("the event subject is served: %v", err)
	}
}

func TestStoreFull(t *testing.T) {
	conn := connect(t, startNATS(t))
	client := newClient(t, ClientConfig{Conn: conn})
	d := openDurable(t, conn, func(c *DurableConfig) { c.MaxBytes = 64 << 10 })
	body := strings.Repeat("x", 30<<10)
	taken := uint64(0)
	for i := range 4 {
		_, err := outcomeOf(t, client, order(gateway.RequestID(fmt.Sprint("m", i)), body))
		switch {
		case err == nil:
			taken++
		case gateway.ErrorCode(err) != gateway.CodeUnavailable || !errors.Is(err, errStore):
			t.Errorf("a full store said %v", err)
		}
	}
	if n := stored(t, d, streamDurable); n != taken || taken == 0 || taken == 4 {
		t.Errorf("%d messages were acknowledged and %d are stored", taken, n)
	}
}

// Whoever answers in the store's place stores nothing, so its word is none.
func TestStoreImpostor(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	respond(t, outside(t, e), "sallyport.shop.prod.@durable.ws.*", func(m *nats.Msg) { _ = m.Respond([]byte("ok")) })
	if _, err := outcomeOf(t, client, order("m1", "x")); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("an impostor's answer ended with %v", err)
	}
}

// A failed attempt is repeated with the same message, whose context tells which attempt it is.
func TestDurableRetry(t *testing.T) {
	conn := connect(t, startNATS(t))
	d := openDurable(t, conn, nil)
	client := newClient(t, ClientConfig{Conn: conn})
	if _, err := outcomeOf(t, client, order("m1", "hello")); err != nil {
		t.Fatal(err)
	}
	_, attempts := serveOrders(t, d, nil)
	for n := 1; n <= 2; n++ {
		a := receive(t, attempts)
		want := &gateway.Event{
			Kind: gateway.EventMessage, API: orders.API, Stage: orders.Stage, Route: orders.Route, Subject: orders.Subject,
			Expect: gateway.ExpectReply, Connection: "AbC_aaaaaaaaaaa=", Request: "r-m1", Message: "m1", Attempt: n, Body: []byte("hello"),
			Context: fmt.Appendf(nil, `{"connectionId":"AbC_aaaaaaaaaaa=","requestId":"r-m1","messageId":"m1","deliveryAttempt":%d}`, n),
		}
		if diff := cmp.Diff(want, a.event); diff != "" {
			t.Errorf("attempt %d (-want +got):\n%s", n, diff)
		}
		if n == 1 {
			a.answer <- gateway.Errorf(gateway.CodeUnavailable, "not yet")
		} else {
			a.answer <- nil
		}
	}
	awaitStored(t, d, streamDurable, 0)
	if n := stored(t, d, streamDead); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// A message that fails each time, or for good, is a dead letter; replayed, it is the same message from the beginning.
func TestDeadLetters(t *testing.T) {
	conn := connect(t, startNATS(t))
	d := openDurable(t, conn, nil)
	client := newClient(t, ClientConfig{Conn: conn})
	toldOf := make(chan error, 4)
	_, attempts := serveOrders(t, d, func(c *DurableServerConfig) {
		c.Buried = func(_ context.Context, _ *gateway.Event, err error) { toldOf <- err }
	})
	fail := func(code gateway.Code, times int) {
		t.Helper()
		for range times {
			a := receive(t, attempts)
			a.answer <- gateway.Errorf(code, "no").Because(errors.New("a secret"))
		}
		if got := gateway.ErrorCode(receive(t, toldOf)); got != code {
			t.Errorf("the end was told as %s, want %s", got, code)
		}
	}
	for _, m := range []gateway.RequestID{"m1", "m2"} {
		if _, err := outcomeOf(t, client, order(m, "body of "+string(m))); err != nil {
			t.Fatal(err)
		}
		if m == "m1" {
			fail(gateway.CodeIntegration, orders.MaxAttempts)
		} else {
			fail(gateway.CodeBadRequest, 1)
		}
	}
	awaitStored(t, d, streamDurable, 0)

	page, next, err := d.DeadLetters(t.Context(), DeadFilter{API: "shop"}, 0, 1)
	if err != nil || len(page) != 1 || next != page[0].ID {
		t.Fatalf("the first page is %v, %d, %v", page, next, err)
	}
	rest, next, err := d.DeadLetters(t.Context(), DeadFilter{API: "shop"}, next, 10)
	if err != nil || len(rest) != 1 || next != 0 {
		t.Fatalf("the second page is %v, %d, %v", rest, next, err)
	}
	if none, _, err := d.DeadLetters(t.Context(), DeadFilter{API: "other"}, 0, 10); err != nil || len(none) > 0 {
		t.Errorf("another API has %v, %v", none, err)
	}
	letter, err := d.DeadLetter(t.Context(), page[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if letter.StoredAt.IsZero() || letter.BuriedAt.Before(letter.StoredAt) {
		t.Errorf("stored at %v, buried at %v", letter.StoredAt, letter.BuriedAt)
	}
	letter.StoredAt, letter.BuriedAt = time.Time{}, time.Time{}
	want := DeadLetter{
		ID: letter.ID, API: "shop", Stage: "prod", Route: "order.new", Message: "m1", Connection: "AbC_aaaaaaaaaaa=",
		Code: gateway.CodeIntegration, Reason: "no", Attempts: 3, Body: []byte("body of m1"),
		Context: `{"connectionId":"AbC_aaaaaaaaaaa=","requestId":"r-m1","messageId":"m1"}`,
	}
	if diff := cmp.Diff(want, letter); diff != "" {
		t.Errorf("the dead letter (-want +got):\n%s", diff)
	}
	if rest[0].Attempts != 1 || rest[0].Code != gateway.CodeBadRequest {
		t.Errorf("the refused message is %+v", rest[0])
	}

	if err := d.Replay(t.Context(), letter.ID); err != nil {
		t.Fatal(err)
	}
	a := receive(t, attempts)
	if a.event.Message != "m1" || a.event.Attempt != 1 || string(a.event.Body) != "body of m1" {
		t.Errorf("replayed was %+v", a.event)
	}
	a.answer <- nil
	awaitStored(t, d, streamDurable, 0)
	if err := d.Remove(t.Context(), rest[0].ID); err != nil {
		t.Fatal(err)
	}
	awaitStored(t, d, streamDead, 0)
	for what, err := range map[string]error{
		"replay": d.Replay(t.Context(), letter.ID), "remove": d.Remove(t.Context(), rest[0].ID), "nothing": d.Remove(t.Context(), 0),
	} {
		if gateway.ErrorCode(err) != gateway.CodeNotFound {
			t.Errorf("%s of what is gone: %v", what, err)
		}
	}
}

// Without a store there are no dead letters, which is no error.
func TestNoDeadLetters(t *testing.T) {
	d, err := NewDurable(DurableConfig{Conn: connect(t, startNATS(t))})
	if err != nil {
		t.Fatal(err)
	}
	if page, next, err := d.DeadLetters(t.Context(), DeadFilter{}, 0, 0); err != nil || len(page) != 0 || next != 0 {
		t.Errorf("%v, %d, %v", page, next, err)
	}
	if err := d.Replay(t.Context(), 7); gateway.ErrorCode(err) != gateway.CodeNotFound {
		t.Errorf("replay: %v", err)
	}
}

// A start with other bounds changes the streams, and nothing else of them.
func TestEnsure(t *testing.T) {
	conn := connect(t, startNATS(t))
	d := openDurable(t, conn, nil)
	stream, err := d.js.Stream(t.Context(), "sallyport-durable")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.Description = "Mine."
	if _, err := d.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	d = openDurable(t, conn, func(c *DurableConfig) { c.MaxBytes, c.MaxAge = 1<<20, time.Hour })
	if stream, err = d.js.Stream(t.Context(), "sallyport-durable"); err != nil {
		t.Fatal(err)
	}
	got := stream.CachedInfo().Config
	if got.MaxBytes != 1<<20 || got.MaxAge != time.Hour || got.Description != "Mine." || got.Retention != jetstream.WorkQueuePolicy || got.Discard != jetstream.DiscardNew {
		t.Errorf("the stream became %+v", got)
	}
	d.config.MaxBytes = 1 << 60
	if err := d.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "--durable-max-bytes") {
		t.Errorf("more than the disk has: %v", err)
	}
}

// Those who may not make the streams wait until they are there.
func TestAwait(t *testing.T) {
	conn := connect(t, startNATS(t))
	d, err := NewDurable(DurableConfig{Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := d.Await(ctx); err == nil || !strings.Contains(err.Error(), "sallyport-durable") {
		t.Errorf("without streams: %v", err)
	}
	there := make(chan error, 1)
	go func() { there <- d.Await(t.Context()) }()
	openDurable(t, conn, nil)
	if err := receive(t, there); err != nil {
		t.Error(err)
	}
}
