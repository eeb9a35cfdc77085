package integrations_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a kind whose invokers do what the test says.
type scripted struct {
	kind   gateway.IntegrationType
	invoke gateway.InvokerFunc
	open   func(*gateway.Integration, integrations.Route) error

	mu     sync.Mutex
	opened []integrations.Route
}

func (s *scripted) Type() gateway.IntegrationType { return s.kind }

func (s *scripted) Check(*gateway.Integration, gateway.Protocol) []gateway.Fault { return nil }

func (s *scripted) Open(in *gateway.Integration, r integrations.Route) (gateway.Invoker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, r)
	if s.open != nil {
		if err := s.open(in, r); err != nil {
			return nil, err
		}
	}
	return s.invoke, nil
}

func answers(status int, body string) gateway.InvokerFunc {
	return func(context.Context, *gateway.Event) (*gateway.Reply, error) {
		return &gateway.Reply{Status: status, Body: []byte(body)}, nil
	}
}

// program compiles an API with one inline integration per route.
func program(t testing.TB, api *gateway.API) *router.Program {
	t.Helper()
	p, faults := router.Compile(&gateway.Deployment{ID: "d1", API: api, Stage: "dev"}, router.Config{Subject: bus.Subjects{}.Event})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}

func chat(routes map[gateway.RouteKey]*gateway.Integration) *gateway.API {
	api := &gateway.API{
		APIID: "chat", Name: "Chat", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action",
		Routes: map[gateway.RouteKey]*gateway.Route{},
		Stages: map[gateway.StageName]*gateway.Stage{"dev": {Variables: map[string]string{"v": "1"}}},
	}
	for key, in := range routes {
		api.Routes[key] = &gateway.Route{Integration: &gateway.IntegrationRef{Inline: in}, RouteResponse: key == "join"}
	}
	return api
}

func proxied() *gateway.Integration {
	return &gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://h", TimeoutInMillis: 60}
}

func tableOf(programs ...*router.Program) *router.Table {
	return router.NewTable(programs, "localhost")
}

func newWorker(t testing.TB, c integrations.Config) *integrations.Worker {
	t.Helper()
	if c.Serve == nil {
		c.Serve = func([]bus.ServedRoute) error { return nil }
	}
	w, err := integrations.NewWorker(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func swap(t testing.TB, w *integrations.Worker, table *router.Table) []integrations.Unopened {
	t.Helper()
	failed, err := w.Swap(table)
	if err != nil {
		t.Fatal(err)
	}
	return failed
}

func event(key gateway.RouteKey) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: key, Request: "RbCdEfGhIjKlMnO=",
		Subject: bus.Subjects{}.Event("chat", "dev", gateway.ProtocolWebSocket, key),
	}
}

// TestFailedServeKeepsOldRoutes: after an error of Serve the old routes may still be subscribed, so their events must find
// an integration however many swaps fail.
func TestFailedServeKeepsOldRoutes(t *testing.T) {
	var refuse error
	kind := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: answers(200, "ok")}
	w := newWorker(t, integrations.Config{
		Kinds: []integrations.Kind{kind}, Serve: func([]bus.ServedRoute) error { return refuse },
	})
	table := func(key gateway.RouteKey) *router.Table {
		return tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{key: proxied()})))
	}
	swap(t, w, table("old"))
	refuse = errors.New("NATS is away")
	for range 2 {
		if _, err := w.Swap(table("new")); !errors.Is(err, refuse) {
			t.Fatalf("Swap = %v", err)
		}
		if _, err := w.Invoke(t.Context(), event("old")); err != nil {
			t.Errorf("the old route: %v", err)
		}
	}
	refuse = nil
	swap(t, w, table("new"))
	if _, err := w.Invoke(t.Context(), event("old")); err != nil {
		t.Errorf("the last event of the old route: %v", err)
	}
	swap(t, w, table("new"))
	if _, err := w.Invoke(t.Context(), event("old")); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("the removed route: %v", err)
	}
}

func TestSwapServes(t *testing.T) {
	var served []bus.ServedRoute
	kind := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: answers(200, "ok")}
	w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{kind}, Serve: func(r []bus.ServedRoute) error {
		served = slices.Clone(r)
		return nil
	}})
	shop := &gateway.API{APIID: "shop", Name: "Shop", Protocol: gateway.ProtocolHTTP, Routes: map[gateway.RouteKey]*gateway.Route{
		"GET /pets/{id}": {Integration: &gateway.IntegrationRef{Inline: proxied()}},
	}}
	failed := swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{
		"$connect": proxied(), "$disconnect": proxied(), "$default": {Type: gateway.IntegrationNATS}, "join": proxied(),
		"send": proxied(), "mocked": {Type: gateway.IntegrationMock},
	})), program(t, shop)))
	want := []bus.ServedRoute{
		{Subject: "sallyport.chat.dev.ws.$connect", API: "chat", Stage: "dev", Route: "$connect", Kind: gateway.EventConnect, TwoWay: true},
		{Subject: "sallyport.chat.dev.ws.$disconnect", API: "chat", Stage: "dev", Route: "$disconnect", Kind: gateway.EventDisconnect},
		{Subject: "sallyport.chat.dev.ws.join", API: "chat", Stage: "dev", Route: "join", Kind: gateway.EventMessage, TwoWay: true},
		{Subject: "sallyport.chat.dev.ws.send", API: "chat", Stage: "dev", Route: "send", Kind: gateway.EventMessage},
		{Subject: "sallyport.shop.dev.http.GET.pets.{id}", API: "shop", Stage: "dev", Route: "GET /pets/{id}", Kind: gateway.EventRequest, TwoWay: true},
	}
	if diff := cmp.Diff(want, served); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
	// A type that this worker does not have is not served, and said.
	if len(failed) != 1 || !strings.Contains(failed[0].String(), "chat/dev: routes.mocked.integration: this worker has no integration type MOCK") {
		t.Errorf("unopened %v", failed)
	}
	r := kind.opened[0]
	wantRoute := integrations.Route{
		API: "chat", Stage: "dev", Key: "$connect", Protocol: gateway.ProtocolWebSocket, Variables: map[string]string{"v": "1"},
		Timeout: 60 * time.Millisecond, TwoWay: true, MaxReplyBytes: 1 << 20,
	}
	if diff := cmp.Diff(wantRoute, r); diff != "" {
		t.Errorf("route (-want +got):\n%s", diff)
	}
	if last := kind.opened[len(kind.opened)-1]; last.MaxReplyBytes != gateway.MaxBodyCeiling {
		t.Errorf("an HTTP API's answers are bounded by %d", last.MaxReplyBytes)
	}
}

func TestSwapReplaces(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	kind := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: func(context.Context, *gateway.Event) (*gateway.Reply, error) {
		close(entered)
		<-release
		return &gateway.Reply{Status: 200, Body: []byte("old")}, nil
	}}
	w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{kind}})
	in := proxied()
	in.TimeoutInMillis = 0
	swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": in, "old": in}))))
	done := make(chan string)
	go func() {
		reply, err := w.Invoke(context.Background(), event("send"))
		if err != nil {
			done <- err.Error()
			return
		}
		done <- string(reply.Body)
	}()
	<-entered
	kind.invoke = answers(200, "new")
	next := tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": proxied()})))
	swap(t, w, next)
	if reply, err := w.Invoke(t.Context(), event("send")); err != nil || string(reply.Body) != "new" {
		t.Errorf("after the swap: %v, %v", reply, err)
	}
	close(release)
	if got := <-done; got != "old" {
		t.Errorf("the event under way ended with %q", got)
	}
	swap(t, w, next) // what was removed before the last set is forgotten
	if _, err := w.Invoke(t.Context(), event("old")); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("a removed route gave %v", err)
	}
}

// TestSwapKeepsLastEvents: what waits in the bus server when a route is removed still finds its integration.
func TestSwapKeepsLastEvents(t *testing.T) {
	kind := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: answers(200, "ok")}
	w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{kind}})
	swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"old": proxied()}))))
	swap(t, w, tableOf())
	if _, err := w.Invoke(t.Context(), event("old")); err != nil {
		t.Errorf("the last event of a removed route gave %v", err)
	}
}

func TestSwapErrors(t *testing.T) {
	kind := &scripted{kind: gateway.IntegrationHTTPProxy, open: func(*gateway.Integration, integrations.Route) error {
		return &integrations.FaultError{Fault: gateway.Fault{Path: []string{"uri"}, Problem: "no good"}}
	}}
	refused := errors.New("NATS is away")
	w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{kind}, Serve: func(r []bus.ServedRoute) error {
		if len(r) > 0 {
			t.Errorf("served %v", r)
		}
		return refused
	}})
	failed, err := w.Swap(tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": proxied()}))))
	if !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if len(failed) != 1 || failed[0].Fault.At() != "routes.send.integration.uri" || failed[0].API != "chat" || failed[0].Stage != "dev" {
		t.Errorf("unopened %v", failed)
	}
	if _, err := w.Invoke(t.Context(), event("send")); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("a route that was not opened gave %v", err)
	}
}

func TestInvokeOutcomes(t *testing.T) {
	wait := func(ctx context.Context, _ *gateway.Event) (*gateway.Reply, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	secret := errors.New("password hunter2")
	tests := map[string]struct {
		invoke  gateway.InvokerFunc
		ctx     context.Context //nolint:containedctx // a case of the table
		timeout time.Duration
		want    gateway.Code
		logged  string
	}{
		"reply":         {answers(200, "x"), t.Context(), 0, "", ""},
		"refusal":       {answers(500, "x"), t.Context(), 0, "", ""},
		"route timeout": {wait, t.Context(), 0, gateway.CodeTimeout, "deadline"},
		"event timeout": {wait, t.Context(), time.Millisecond, gateway.CodeTimeout, "deadline"},
		"cancelled":     {wait, cancelled, 0, gateway.CodeUnavailable, "canceled"},
		"known error": {func(context.Context, *gateway.Event) (*gateway.Reply, error) {
			return nil, gateway.Errorf(gateway.CodeIntegration, "bad").Because(secret)
		}, t.Context(), 0, gateway.CodeIntegration, "hunter2"},
		"unknown error": {func(context.Context, *gateway.Event) (*gateway.Reply, error) { return nil, secret }, t.Context(), 0, gateway.CodeInternal, "hunter2"},
		"panic":         {func(context.Context, *gateway.Event) (*gateway.Reply, error) { panic(secret) }, t.Context(), 0, gateway.CodeInternal, "worker_test.go"},
		"nothing":       {func(context.Context, *gateway.Event) (*gateway.Reply, error) { return nil, nil }, t.Context(), 0, gateway.CodeInternal, "neither"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			kind := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: test.invoke}
			w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{kind}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": proxied()}))))
			ev := event("send")
			ev.Timeout = test.timeout
			reply, err := w.Invoke(test.ctx, ev)
			if got := gateway.ErrorCode(err); got != test.want {
				t.Fatalf("error %v, want code %q", err, test.want)
			}
			if (reply == nil) != (err != nil) {
				t.Errorf("reply %v with error %v", reply, err)
			}
			var known *gateway.Error
			if err != nil && (!errors.As(err, &known) || strings.Contains(known.Message, "hunter2")) {
				t.Errorf("error %v shows too much or is no *gateway.Error", err)
			}
			if text := log.String(); !strings.Contains(text, test.logged) || (test.want == "") != (text == "") {
				t.Errorf("log %q, want %q in it", text, test.logged)
			}
			kind.invoke = answers(200, "again")
			swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": proxied()}))))
			if _, err := w.Invoke(t.Context(), event("send")); err != nil {
				t.Errorf("the worker stopped working: %v", err)
			}
		})
	}
}

func TestNewWorkerRefuses(t *testing.T) {
	kind := &scripted{kind: gateway.IntegrationMock}
	serve := func([]bus.ServedRoute) error { return nil }
	for name, c := range map[string]integrations.Config{
		"no kinds":  {Serve: serve},
		"no server": {Kinds: []integrations.Kind{kind}},
		"twice":     {Kinds: []integrations.Kind{kind, kind}, Serve: serve},
	} {
		if _, err := integrations.NewWorker(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMetrics(t *testing.T) {
	reader := metric.NewManualReader()
	outcomes := map[gateway.RouteKey]gateway.InvokerFunc{
		"send": answers(200, ""), "refused": answers(403, ""), "broken": answers(502, ""),
		"away": func(context.Context, *gateway.Event) (*gateway.Reply, error) {
			return nil, gateway.Errorf(gateway.CodeUnavailable, "away")
		},
	}
	kind := &scripted{kind: gateway.IntegrationHTTPProxy}
	kind.invoke = func(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		return outcomes[ev.Route](ctx, ev)
	}
	w := newWorker(t, integrations.Config{
		Kinds: []integrations.Kind{kind}, MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	routes := map[gateway.RouteKey]*gateway.Integration{}
	for key := range outcomes {
		routes[key] = proxied()
	}
	swap(t, w, tableOf(program(t, chat(routes))))
	for key := range outcomes {
		_, _ = w.Invoke(t.Context(), event(key)) // the outcome is what is counted
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range data.ScopeMetrics[0].Metrics {
		points, ok := m.Data.(metricdata.Histogram[float64])
		if !ok || m.Unit != "s" {
			t.Fatalf("%s is no histogram of seconds", m.Name)
		}
		for _, p := range points.DataPoints {
			got = append(got, fmt.Sprintf("%s %d %s", m.Name, p.Count, p.Attributes.Encoded(attribute.DefaultEncoder())))
		}
	}
	slices.Sort(got)
	const name, common = "sallyport.integration.duration 1 ", "sallyport.api=chat,sallyport.integration.type=HTTP_PROXY,sallyport.route="
	want := []string{
		name + "error.type=4xx," + common + "refused,sallyport.stage=dev",
		name + "error.type=5xx," + common + "broken,sallyport.stage=dev",
		name + "error.type=unavailable," + common + "away,sallyport.stage=dev",
		name + common + "send,sallyport.stage=dev",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

func BenchmarkWorker(b *testing.B) {
	kind := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: answers(200, "ok")}
	w := newWorker(b, integrations.Config{Kinds: []integrations.Kind{kind}})
	swap(b, w, tableOf(program(b, chat(map[gateway.RouteKey]*gateway.Integration{"send": proxied()}))))
	ev := event("send")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Invoke(b.Context(), ev); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWorkerAllocations: the worker adds a context with its timer and nothing of its own.
func TestWorkerAllocations(t *testing.T) {
	reply := &gateway.Reply{Status: 200}
	kind := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: func(context.Context, *gateway.Event) (*gateway.Reply, error) { return reply, nil }}
	w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{kind}})
	swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": proxied()}))))
	ev, ctx := event("send"), context.Background()
	if n := testing.AllocsPerRun(100, func() { _, _ = w.Invoke(ctx, ev) }); n > 6 {
		t.Errorf("%v allocations, want at most 6", n)
	}
}
