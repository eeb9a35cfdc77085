package integrations_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/httpproxy"
	"github.com/sallyport/sallyport/integrations/mock"
	"github.com/sallyport/sallyport/integrations/nats"
)

// hop is a real NATS hop with a worker at its end.
type hop struct {
	conn   *bus.Conn
	client *bus.Client
	worker *integrations.Worker
	nats   *natsgo.Conn
}

func newHop(t *testing.T) hop {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	embedded, err := bus.StartEmbedded(bus.EmbeddedConfig{})
	must(err)
	t.Cleanup(embedded.Shutdown)
	conn, err := bus.Connect(t.Context(), bus.ConnConfig{Embedded: embedded, Name: "worker"})
	must(err)
	t.Cleanup(conn.Close)
	client, err := bus.NewClient(bus.ClientConfig{Conn: conn, Edge: "work"})
	must(err)
	t.Cleanup(client.Close)

	calls := backend.New(backend.Config{})
	t.Cleanup(calls.Close)
	proxy, err := httpproxy.New(httpproxy.Config{Client: calls})
	must(err)
	onward, err := nats.New(nats.Config{Bus: client, Prefix: bus.DefaultPrefix})
	must(err)
	var server *bus.Server
	worker := newWorker(t, integrations.Config{
		Kinds: []integrations.Kind{mock.New(), proxy, onward},
		Serve: func(r []bus.ServedRoute) error { return server.Serve(r) },
	})
	server, err = bus.NewServer(bus.ServerConfig{Conn: conn, Handler: worker})
	must(err)
	t.Cleanup(server.Close)
	return hop{conn: conn, client: client, worker: worker, nats: conn.NATS()}
}

func (h hop) invoke(t *testing.T, key gateway.RouteKey, expect gateway.Expect) (*gateway.Reply, error) {
	t.Helper()
	ev := event(key)
	ev.Connection = "AbCdEfGhIjKlMnO="
	ev.Context = []byte(`{"connectionId":"AbCdEfGhIjKlMnO=","requestId":"RbCdEfGhIjKlMnO="}`)
	ev.Expect, ev.Body = expect, []byte("hello")
	return h.client.Invoke(t.Context(), ev)
}

// TestOverNATS runs events of several kinds over a real NATS server.
func TestOverNATS(t *testing.T) {
	h := newHop(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("for " + r.Header.Get("connectionId")))
	}))
	defer server.Close()
	var onward atomic.Int32
	sub, err := h.nats.Subscribe("chat.backend", func(m *natsgo.Msg) {
		onward.Add(1)
		_ = m.Respond([]byte(strings.ToUpper(string(m.Data)) + " " + m.Header.Get("X-Connection"))) // a lost answer fails the test
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends with the test anyway
	toBackend := func(subject string) *gateway.Integration {
		return &gateway.Integration{Type: gateway.IntegrationNATS, Subject: subject, RequestParameters: map[string]string{
			"integration.request.header.X-Connection": "context.connectionId",
		}}
	}
	api := chat(map[gateway.RouteKey]*gateway.Integration{
		"mock": {
			Type: gateway.IntegrationMock, RequestTemplates: map[string]string{"application/json": `{"statusCode":200}`},
			Responses: map[string]*gateway.IntegrationResponse{"default": {ResponseTemplates: map[string]string{"application/json": "fixed"}}},
		},
		"http": {Type: gateway.IntegrationHTTPProxy, URI: server.URL, RequestParameters: map[string]string{
			"integration.request.header.connectionId": "context.connectionId",
		}},
		"nats": toBackend("chat.backend"), "oneway": toBackend("chat.backend"),
		"nobody": toBackend("chat.nobody"), "onewaynobody": toBackend("chat.nobody"),
	})
	for key, route := range api.Routes {
		route.RouteResponse = !strings.HasPrefix(string(key), "oneway")
	}
	if failed := swap(t, h.worker, tableOf(program(t, api))); len(failed) > 0 {
		t.Fatal(failed)
	}
	for key, want := range map[gateway.RouteKey]string{
		"mock": "fixed", "http": "for AbCdEfGhIjKlMnO=", "nats": "HELLO AbCdEfGhIjKlMnO=",
	} {
		reply, err := h.invoke(t, key, gateway.ExpectReply)
		if err != nil || string(reply.Body) != want {
			t.Errorf("route %s: %v, %v; want %q", key, reply, err, want)
		}
	}
	if _, err := h.invoke(t, "oneway", gateway.ExpectAck); err != nil {
		t.Errorf("a one-way event was not acknowledged: %v", err)
	}
	if n := onward.Load(); n != 2 {
		t.Errorf("the backend got %d events, want 2", n)
	}
	for _, key := range []gateway.RouteKey{"nobody", "onewaynobody"} {
		expect := gateway.ExpectReply
		if key == "onewaynobody" {
			expect = gateway.ExpectAck
		}
		if _, err := h.invoke(t, key, expect); gateway.ErrorCode(err) != gateway.CodeUnavailable {
			t.Errorf("route %s without a backend: %v", key, err)
		}
	}
	swap(t, h.worker, tableOf())
	if _, err := h.invoke(t, "mock", gateway.ExpectReply); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("a removed route: %v", err)
	}
}
