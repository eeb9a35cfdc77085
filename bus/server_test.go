package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

func joinRoute(twoWay bool) ServedRoute {
	return ServedRoute{Subject: joinSubject, API: "chat", Stage: "dev", Route: "join", Kind: gateway.EventMessage, TwoWay: twoWay}
}

func serve(t testing.TB, conn *Conn, h gateway.InvokerFunc, routes ...ServedRoute) *Server {
	t.Helper()
	s := newServer(t, ServerConfig{Conn: conn, Handler: h})
	if err := s.Serve(routes); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEventCrossesTheHop(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	got := make(chan *gateway.Event, 1)
	serve(t, connect(t, e), func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		got <- ev
		return &gateway.Reply{Status: 207, Body: []byte("pong"), Binary: true, Header: gateway.Header{"X-B": {"1"}, "Nats-Rollup": {"all"}}}, nil
	}, joinRoute(true))
	sent := message("ping")
	sent.Binary, sent.Header = true, gateway.Header{"x-a": {"1", "2"}}
	reply, err := outcomeOf(t, client, sent)
	if err != nil || reply.Status != 207 || string(reply.Body) != "pong" || !reply.Binary || len(reply.Header) != 1 {
		t.Fatalf("%+v %v", reply, err)
	}
	ev := receive(t, got)
	if ev.Kind != sent.Kind || ev.API != "chat" || ev.Stage != "dev" || ev.Route != "join" || ev.Subject != joinSubject ||
		ev.Connection != "AbC_xxxxxxxxxxx=" || ev.Request != "ZZZ_xxxxxxxxxxx=" || string(ev.Context) != string(sent.Context) ||
		string(ev.Body) != "ping" || !ev.Binary || len(ev.Header) != 1 || len(ev.Header["x-a"]) != 2 || ev.Expect != gateway.ExpectReply {
		t.Errorf("%+v", ev)
	}
}

func TestWhoHearsWhat(t *testing.T) {
	failure := gateway.Errorf(gateway.CodeForbidden, "not you").Because(errors.New("secret"))
	for _, tc := range []struct {
		name   string
		route  ServedRoute
		header nats.Header
		err    error
		expect gateway.Expect
		want   string // the answer's headers and body, or nothing
	}{
		{"two-way", joinRoute(true), nil, nil, gateway.ExpectReply, "map[] ok"},
		{"two-way fails", joinRoute(true), nil, failure, gateway.ExpectReply, "map[Sallyport-Error:[forbidden]] not you"},
		{"one-way", joinRoute(false), nil, nil, gateway.ExpectNothing, ""},
		{"one-way fails", joinRoute(false), nil, failure, gateway.ExpectNothing, "map[Sallyport-Error:[forbidden]] not you"},
		{"one-way asks", joinRoute(false), nats.Header{HeaderAck: {"1"}}, nil, gateway.ExpectAck, "map[Sallyport-Status:[200]] "},
		{"one-way asks, fails", joinRoute(false), nats.Header{HeaderAck: {"1"}}, failure, gateway.ExpectAck, "map[Sallyport-Error:[forbidden]] not you"},
		{"unknown failure", joinRoute(true), nil, errors.New("secret"), gateway.ExpectReply, "map[Sallyport-Error:[internal]] Internal server error"},
		{"connect", ServedRoute{Subject: joinSubject, Kind: gateway.EventConnect}, nil, nil, gateway.ExpectReply, "map[] ok"},
		{"disconnect", ServedRoute{Subject: joinSubject, Kind: gateway.EventDisconnect}, nil, nil, gateway.ExpectNothing, ""},
		{"request", ServedRoute{Subject: joinSubject, Kind: gateway.EventRequest}, nil, nil, gateway.ExpectReply, "map[] ok"},
		{"broken context", joinRoute(true), nats.Header{HeaderContext: {"{"}}, nil, 99, "map[Sallyport-Error:[bad_request]] Sallyport-Context is no JSON object of at most 262144 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := startNATS(t)
			var expect atomic.Uint32
			expect.Store(99)
			s := serve(t, connect(t, e), func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
				expect.Store(uint32(ev.Expect))
				return &gateway.Reply{Body: []byte("ok")}, tc.err
			}, tc.route)
			nc := outside(t, e)
			sub, _ := nc.SubscribeSync("answers")
			_ = nc.PublishMsg(&nats.Msg{Subject: joinSubject, Reply: "answers", Header: tc.header})
			_ = nc.Flush()
			if err := s.Drain(t.Context()); err != nil { // everything has been answered then
				t.Fatal(err)
			}
			s.conn.Close()
			_ = nc.Flush()
			got := ""
			if n, _, _ := sub.Pending(); n > 0 {
				m, err := sub.NextMsg(patience)
				if err != nil || n != 1 {
					t.Fatal(n, err)
				}
				got = fmt.Sprint(m.Header) + " " + string(m.Data)
			}
			if got != tc.want || gateway.Expect(expect.Load()) != tc.expect {
				t.Errorf("answer %q, want %q; expect %d", got, tc.want, expect.Load())
			}
		})
	}
}

func TestPanicFailsOneEventOnly(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	var log logBuffer
	s := newServer(t, ServerConfig{Conn: connect(t, e), Logger: log.logger(), Handler: gateway.InvokerFunc(
		func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
			if string(ev.Body) == "bad" {
				panic("oh no")
			}
			return nil, nil
		})})
	if err := s.Serve([]ServedRoute{joinRoute(true)}); err != nil {
		t.Fatal(err)
	}
	_, err := outcomeOf(t, client, message("bad"))
	wantCode(t, err, gateway.CodeInternal)
	if r, err := outcomeOf(t, client, message("good")); err != nil || r.Status != 200 {
		t.Errorf("%+v %v", r, err)
	}
	if !strings.Contains(log.String(), "oh no") {
		t.Error("the panic is not in the log")
	}
}

func TestTooLargeAnswerIsAFailure(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	conn := connect(t, e)
	replies := map[string]*gateway.Reply{
		"body":    {Body: make([]byte, conn.PayloadCap()+1)},
		"headers": {Body: make([]byte, conn.PayloadCap()), Header: gateway.Header{"X-Long": {strings.Repeat("y", 2*headerRoom)}}},
	}
	serve(t, conn, func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		return replies[string(ev.Body)], nil
	}, joinRoute(true))
	for name := range replies {
		_, err := outcomeOf(t, client, message(name))
		wantCode(t, err, gateway.CodeIntegration)
	}
}

func TestServeSwapsTheSet(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	s := serve(t, connect(t, e), func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		return &gateway.Reply{Body: []byte(ev.Route)}, nil
	})
	routes := func(keys ...gateway.RouteKey) (list []ServedRoute) {
		for _, key := range keys {
			list = append(list, ServedRoute{Subject: Subjects{}.Event("chat", "dev", gateway.ProtocolWebSocket, key), Route: key,
				Kind: gateway.EventMessage, TwoWay: true})
		}
		return list
	}
	ask := func(key gateway.RouteKey) (string, error) {
		ev := message("x")
		ev.Subject = Subjects{}.Event("chat", "dev", gateway.ProtocolWebSocket, key)
		r, err := outcomeOf(t, client, ev)
		if err != nil {
			return "", err
		}
		return string(r.Body), nil
	}
	for _, set := range [][]gateway.RouteKey{{"a", "b"}, {"b", "c.d"}, {}, {"a", "*", ">"}} {
		if err := s.Serve(routes(set...)); err != nil {
			t.Fatal(err)
		}
		for _, key := range []gateway.RouteKey{"a", "b", "c.d", "*", ">"} {
			served := false
			for _, k := range set {
				served = served || k == key
			}
			got, err := ask(key)
			if served && (err != nil || got != string(key)) || !served && gateway.ErrorCode(err) != gateway.CodeUnavailable {
				t.Errorf("set %v, route %s: %q %v", set, key, got, err)
			}
		}
	}
	if err := s.Serve(append(routes("a"), routes("a")...)); err == nil {
		t.Error("two routes of one subject were taken")
	}
	if err := s.Serve([]ServedRoute{{Subject: "x"}}); err == nil {
		t.Error("a route without kind was taken")
	}
}

// Swapping the set again and again loses no event of a route that stays, nor one that was sent before its route left.
func TestSwapUnderLoadLosesNothing(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	s := serve(t, connect(t, e), func(context.Context, *gateway.Event) (*gateway.Reply, error) { return nil, nil }, joinRoute(true))
	other := ServedRoute{Subject: "sallyport.chat.dev.ws.other", Route: "other", Kind: gateway.EventMessage}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			set := []ServedRoute{joinRoute(true)}
			if i%2 == 0 {
				set = append(set, other)
			}
			if err := s.Serve(set); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 500 {
		if _, err := outcomeOf(t, client, message("x")); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func TestConcurrencyIsBounded(t *testing.T) {
	const limit, waiting = 3, 3 * backlogPerHandler
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	running, release := make(chan struct{}, 100), make(chan struct{})
	var now, most atomic.Int64
	s := newServer(t, ServerConfig{Conn: connect(t, e), MaxConcurrent: limit, Handler: gateway.InvokerFunc(
		func(ctx context.Context, _ *gateway.Event) (*gateway.Reply, error) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			running <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
			now.Add(-1)
			return nil, nil
		})})
	if err := s.Serve([]ServedRoute{joinRoute(true)}); err != nil {
		t.Fatal(err)
	}
	outcomes := make(chan error, 100)
	send := func() { client.Send(t.Context(), message("x"), func(_ *gateway.Reply, err error) { outcomes <- err }) }
	for range limit + waiting {
		send()
	}
	for range limit {
		receive(t, running)
	}
	eventually(t, "the queue is full", func() bool { s.pool.mu.Lock(); defer s.pool.mu.Unlock(); return s.pool.n == waiting })
	send()
	wantCode(t, receive(t, outcomes), gateway.CodeUnavailable) // refused at once, while the others wait
	close(release)
	for range limit + waiting {
		if err := receive(t, outcomes); err != nil {
			t.Error(err)
		}
	}
	if most.Load() != limit {
		t.Errorf("%d ran at once", most.Load())
	}
}

// A burst that comes before any handler has taken its first message is admitted to the last place, and no further.
func TestBurstFillsEveryPlace(t *testing.T) {
	const limit = 4
	gate := make(chan struct{})
	p := newPool(limit, func(context.Context, *nats.Msg) { <-gate })
	admitted := 0
	for p.submit(&nats.Msg{}) {
		admitted++
	}
	if want := (1 + backlogPerHandler) * limit; admitted != want {
		t.Errorf("%d admitted, want %d", admitted, want)
	}
	close(gate)
	if err := p.drain(t.Context()); err != nil {
		t.Error(err)
	}
	p.close()
}

func TestIdleHandlersGoAway(t *testing.T) {
	gate := make(chan struct{})
	var wg sync.WaitGroup
	p := newPool(2*idleHandlers, func(context.Context, *nats.Msg) { <-gate; wg.Done() })
	for range 2 * idleHandlers {
		wg.Add(1)
		if !p.submit(&nats.Msg{}) {
			t.Fatal("refused")
		}
	}
	close(gate)
	wg.Wait()
	eventually(t, "half of them have ended", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.running == idleHandlers && p.idle == idleHandlers
	})
	if left := p.close(); len(left) != 0 || p.submit(&nats.Msg{}) {
		t.Error("closed, but not empty or still open")
	}
}

func TestBacklogIsBoundedInBytes(t *testing.T) {
	gate := make(chan struct{})
	p := newPool(1, func(context.Context, *nats.Msg) { <-gate })
	big := &nats.Msg{Data: make([]byte, backlogBytes/2+1)}
	_ = p.submit(&nats.Msg{})
	eventually(t, "it runs", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.n == 0 })
	if !p.submit(big) || p.submit(big) {
		t.Error("one fits, two do not")
	}
	close(gate)
	p.close()
}

func TestDrainFinishesWhatArrived(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	started, release := make(chan struct{}, 8), make(chan struct{})
	s := serve(t, connect(t, e), func(ctx context.Context, _ *gateway.Event) (*gateway.Reply, error) {
		started <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil, nil
	}, joinRoute(true))
	outcome := make(chan error, 1)
	client.Send(t.Context(), message("x"), func(_ *gateway.Reply, err error) { outcome <- err })
	receive(t, started)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Drain(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("drained with a handler running: %v", err)
	}
	_, err := outcomeOf(t, client, message("new"))
	wantCode(t, err, gateway.CodeUnavailable)
	close(release)
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := receive(t, outcome); err != nil {
		t.Error(err)
	}
	if err := s.Serve(nil); err == nil {
		t.Error("served after the drain")
	}
}

func TestCloseCancelsHandlers(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	started := make(chan struct{}, 1)
	s := newServer(t, ServerConfig{Conn: connect(t, e), MaxConcurrent: 1, Handler: gateway.InvokerFunc(
		func(ctx context.Context, _ *gateway.Event) (*gateway.Reply, error) {
			started <- struct{}{}
			<-ctx.Done()
			return nil, gateway.Errorf(gateway.CodeTimeout, "canceled").Because(ctx.Err())
		})})
	if err := s.Serve([]ServedRoute{joinRoute(true)}); err != nil {
		t.Fatal(err)
	}
	outcomes := make(chan error, 2)
	for range 2 {
		client.Send(t.Context(), message("x"), func(_ *gateway.Reply, err error) { outcomes <- err })
	}
	receive(t, started)
	eventually(t, "the other waits", func() bool { s.pool.mu.Lock(); defer s.pool.mu.Unlock(); return s.pool.n == 1 })
	s.Close()
	codes := map[gateway.Code]bool{gateway.ErrorCode(receive(t, outcomes)): true, gateway.ErrorCode(receive(t, outcomes)): true}
	if !codes[gateway.CodeTimeout] || !codes[gateway.CodeUnavailable] {
		t.Errorf("%v", codes)
	}
	s.Close()
}

func TestTwoWorkersShareTheEvents(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	var counts [2]atomic.Int64
	for i := range counts {
		serve(t, connect(t, e), func(context.Context, *gateway.Event) (*gateway.Reply, error) {
			counts[i].Add(1)
			return nil, nil
		}, joinRoute(true))
	}
	for range 100 {
		if _, err := outcomeOf(t, client, message("x")); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := counts[0].Load(), counts[1].Load(); a+b != 100 || a == 0 || b == 0 {
		t.Errorf("%d and %d", a, b)
	}
	if s := client.Stats(); s.Late != 0 {
		t.Errorf("%+v", s)
	}
}

// TestPromptEventsNeedNoHandlerOfThePool: they are answered while all of its goroutines are busy.
func TestPromptEventsNeedNoHandlerOfThePool(t *testing.T) {
	e := startNATS(t)
	client := newClient(t, ClientConfig{Conn: connect(t, e)})
	busy, free := make(chan struct{}), make(chan struct{})
	s := newServer(t, ServerConfig{Conn: connect(t, e), MaxConcurrent: 1, Handler: gateway.InvokerFunc(
		func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
			if ev.Route == "slow" {
				close(busy)
				<-free
			}
			return &gateway.Reply{Body: []byte(ev.Route)}, nil
		})})
	slow := ServedRoute{Subject: "sallyport.chat.dev.ws.slow", API: "chat", Stage: "dev", Route: "slow", Kind: gateway.EventMessage, TwoWay: true}
	prompt := joinRoute(true)
	prompt.Prompt = true
	if err := s.Serve([]ServedRoute{slow, prompt}); err != nil {
		t.Fatal(err)
	}
	late := make(chan error, 1)
	waiting := message("ping")
	waiting.Subject = slow.Subject
	client.Send(t.Context(), waiting, func(_ *gateway.Reply, err error) { late <- err })
	receive(t, busy)
	if reply, err := outcomeOf(t, client, message("ping")); err != nil || string(reply.Body) != "join" {
		t.Errorf("%+v %v", reply, err)
	}
	close(free)
	if err := receive(t, late); err != nil {
		t.Error(err)
	}
}
