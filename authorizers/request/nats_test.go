package request

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hop is a real NATS server with an edge's client at one end.
func hop(t *testing.T) (*bus.Client, *nats.Conn) {
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
	conn, err := bus.Connect(t.Context(), bus.ConnConfig{Embedded: embedded, Name: "edge"})
	must(err)
	t.Cleanup(conn.Close)
	client, err := bus.NewClient(bus.ClientConfig{Conn: conn, Edge: "auth"})
	must(err)
	t.Cleanup(client.Close)
	return client, conn.NATS()
}

// TestOverNATS: any NATS client may be the authorizer.
func TestOverNATS(t *testing.T) {
	client, conn := hop(t)
	ask := func(timeout time.Duration) (*gateway.Authorization, error) {
		a, err := New(Config{Invoker: client, API: "chat", Stage: "dev", Name: "users", Timeout: timeout,
			Subject: bus.Subjects{}.Authorizer("chat", "dev", "users")})
		if err != nil {
			t.Fatal(err)
		}
		return a.Authorize(t.Context(), &gateway.AuthorizationRequest{Event: connectEvent()})
	}
	if _, err := ask(time.Minute); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("nobody answers: %v", err)
	}

	respond := func(m *nats.Msg) *nats.Msg {
		var ev struct {
			MethodARN             string
			QueryStringParameters map[string]string
		}
		if err := json.Unmarshal(m.Data, &ev); err != nil || m.Header.Get(bus.HeaderContext) == "" {
			return &nats.Msg{Data: []byte("no event")}
		}
		switch ev.QueryStringParameters["token"] {
		case "t":
			return &nats.Msg{Data: []byte(output("Allow", ev.MethodARN, `,"context":{"room":"a"}`))}
		}
		return &nats.Msg{Header: nats.Header{bus.HeaderError: {string(gateway.CodeUnauthorized)}}}
	}
	var silent atomic.Bool
	asked := make(chan struct{}, 1)
	sub, err := conn.Subscribe(subject, func(m *nats.Msg) {
		if silent.Load() {
			asked <- struct{}{}
			return
		}
		_ = m.RespondMsg(respond(m)) // a lost answer fails the test
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends with the test anyway
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := ask(time.Minute)
	if err != nil || string(got.Context) != `{"principalId":"me","room":"a"}` {
		t.Errorf("allowed: %+v, %v", got, err)
	}

	wrong := connectEvent()
	wrong.Context = []byte(`{"queryStringParameters":{"token":"wrong"}}`)
	a := authorizer(t, client)
	if _, err := a.Authorize(t.Context(), &gateway.AuthorizationRequest{Event: wrong}); gateway.ErrorCode(err) != gateway.CodeUnauthorized {
		t.Errorf("Sallyport-Error unauthorized: %v", err)
	}

	silent.Store(true)
	if _, err := ask(50 * time.Millisecond); gateway.ErrorCode(err) != gateway.CodeInternal {
		t.Errorf("no answer in time: %v", err)
	}
	<-asked
}
