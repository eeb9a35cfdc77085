package nats_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/integrationstest"
	"github.com/sallyport/sallyport/integrations/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is the bus client with a backend behind it that behaves as it is told.
type scripted struct {
	behaviour atomic.Value
	taken     chan struct{}
	last      atomic.Pointer[gateway.Event]
}

func newScripted() *scripted {
	s := &scripted{taken: make(chan struct{}, 1)}
	s.Behave(integrationstest.Succeeds)
	return s
}

func (s *scripted) Behave(b integrationstest.Behaviour) { s.behaviour.Store(b) }
func (s *scripted) Taken() <-chan struct{}              { return s.taken }

func (s *scripted) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	s.last.Store(ev)
	if err := ctx.Err(); err != nil {
		return nil, integrations.Ended(err)
	}
	ok := func(body string) (*gateway.Reply, error) { return &gateway.Reply{Status: 200, Body: []byte(body)}, nil }
	switch s.behaviour.Load() {
	case integrationstest.Refuses:
		return &gateway.Reply{Status: integrationstest.RefusedStatus}, nil
	case integrationstest.Hangs:
		ctx, cancel := integrations.Deadline(ctx, ev)
		defer cancel()
		select {
		case s.taken <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil, integrations.Ended(ctx.Err())
	case integrationstest.Gone:
		return nil, gateway.Errorf(gateway.CodeUnavailable, "no responders")
	case integrationstest.Floods:
		return ok(strings.Repeat("x", integrationstest.MaxReplyBytes+1))
	case integrationstest.Babbles:
		return nil, gateway.Errorf(gateway.CodeIntegration, "junk status")
	}
	return ok("re: " + string(ev.Body))
}

func open(t *testing.T, bus gateway.Invoker, in gateway.Integration, twoWay bool) gateway.Invoker {
	t.Helper()
	k := newKind(t, bus)
	in.Type = gateway.IntegrationNATS
	if faults := k.Check(&in, gateway.ProtocolWebSocket); len(faults) > 0 {
		t.Fatal(faults)
	}
	invoker, err := k.Open(&in, integrations.Route{
		API: "chat", Stage: "dev", Key: "send", Protocol: gateway.ProtocolWebSocket, Timeout: time.Minute, TwoWay: twoWay,
		MaxReplyBytes: integrationstest.MaxReplyBytes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return invoker
}

func newKind(t *testing.T, bus gateway.Invoker) *nats.Kind {
	t.Helper()
	k, err := nats.New(nats.Config{Bus: bus, Prefix: "sallyport"})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func message(body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "send", Subject: "sallyport.chat.dev.ws.send",
		Connection: "AbCdEfGhIjKlMnO=", Request: "RbCdEfGhIjKlMnO=",
		Context: []byte(`{"apiId":"chat","stage":"dev","domainName":"localhost","connectionId":"AbCdEfGhIjKlMnO=",` +
			`"identity":{"sourceIp":"192.0.2.1"},"routeKey":"send","eventType":"MESSAGE"}`),
		Body: []byte(body),
	}
}

func TestContract(t *testing.T) {
	integrationstest.Run(t, integrationstest.Kit{
		Open: func(t *testing.T) (gateway.Invoker, integrationstest.Backend) {
			bus := newScripted()
			return open(t, bus, gateway.Integration{Subject: "chat.send"}, true), bus
		},
		Event:  message,
		Answer: func(body string) string { return "re: " + body },
	})
}

func TestEvent(t *testing.T) {
	bus := newScripted()
	ev := message("hello")
	ev.Header = gateway.Header{"x-connection": {"client's"}, "X-Other": {"1"}}
	invoker := open(t, bus, gateway.Integration{
		Subject: "chat.send", RequestParameters: map[string]string{"integration.request.header.X-Connection": "context.connectionId"},
	}, true)
	if _, err := invoker.Invoke(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
	want := message("hello")
	want.Subject, want.Timeout = "chat.send", time.Minute
	want.Header = gateway.Header{"X-Connection": {"AbCdEfGhIjKlMnO="}, "X-Other": {"1"}}
	if diff := cmp.Diff(want, bus.last.Load()); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if ev.Header.Get("X-Connection") != "client's" || ev.Subject != "sallyport.chat.dev.ws.send" {
		t.Error("the event that was handed in changed")
	}
}

// TestExpect: only where somebody reads the result does the backend have to answer.
func TestExpect(t *testing.T) {
	for _, test := range []struct {
		kind   gateway.EventKind
		twoWay bool
		sent   gateway.Expect
		want   gateway.Expect
	}{
		{gateway.EventConnect, false, gateway.ExpectReply, gateway.ExpectReply},
		{gateway.EventMessage, true, gateway.ExpectReply, gateway.ExpectReply},
		{gateway.EventMessage, false, gateway.ExpectNothing, gateway.ExpectNothing},
		{gateway.EventMessage, false, gateway.ExpectAck, gateway.ExpectNothing},
		{gateway.EventDisconnect, false, gateway.ExpectAck, gateway.ExpectNothing},
		{gateway.EventRequest, true, gateway.ExpectReply, gateway.ExpectReply},
	} {
		bus := newScripted()
		ev := message("x")
		ev.Kind, ev.Expect = test.kind, test.sent
		reply, err := open(t, bus, gateway.Integration{Subject: "chat.send"}, test.twoWay).Invoke(t.Context(), ev)
		if err != nil || reply.Status != 200 {
			t.Fatalf("%s: %v, %v", test.kind, reply, err)
		}
		if got := bus.last.Load().Expect; got != test.want {
			t.Errorf("%s, two-way %v: expects %d, want %d", test.kind, test.twoWay, got, test.want)
		}
		if answered := len(reply.Body) > 0; answered != (test.want == gateway.ExpectReply) {
			t.Errorf("%s, two-way %v: body %q", test.kind, test.twoWay, reply.Body)
		}
	}
}

func TestProxyEvent(t *testing.T) {
	var sent *gateway.Event
	answer := `{"statusCode":201,"body":"made"}`
	bus := gateway.InvokerFunc(func(_ context.Context, ev *gateway.Event) (*gateway.Reply, error) {
		sent = ev
		return &gateway.Reply{Status: 200, Body: []byte(answer)}, nil
	})
	invoker := open(t, bus, gateway.Integration{Subject: "chat.send", PayloadFormatVersion: "1.0"}, true)
	ev := message("hello")
	ev.Header = gateway.Header{"X-Client": {"1"}}
	reply, err := invoker.Invoke(t.Context(), ev)
	if err != nil {
		t.Fatal(err)
	}
	var event struct{ Body string }
	if err := json.Unmarshal(sent.Body, &event); err != nil || event.Body != "hello" || sent.Header != nil {
		t.Errorf("sent %s with headers %v (%v)", sent.Body, sent.Header, err)
	}
	if reply.Status != 201 || string(reply.Body) != "made" {
		t.Errorf("reply %d %q", reply.Status, reply.Body)
	}
	answer = "not a proxy result"
	if _, err := invoker.Invoke(t.Context(), message("hello")); gateway.ErrorCode(err) != gateway.CodeIntegration {
		t.Errorf("a malformed result gave %v", err)
	}
}

func TestCheck(t *testing.T) {
	k := newKind(t, newScripted())
	header := func(name string) map[string]string { return map[string]string{"integration.request." + name: "'x'"} }
	tests := map[string]struct {
		in   gateway.Integration
		want string
	}{
		"native":             {gateway.Integration{}, ""},
		"native proxy event": {gateway.Integration{PayloadFormatVersion: "2.0"}, ""},
		"subject":            {gateway.Integration{Subject: "orders.create", RequestParameters: header("header.X-A")}, ""},
		"native mapping":     {gateway.Integration{RequestParameters: header("header.X-A")}, "requestParameters: an event that goes straight"},
		"star":               {gateway.Integration{Subject: "orders.*"}, "subject: an event can't be sent to a wildcard"},
		"tail":               {gateway.Integration{Subject: "orders.>"}, "subject: an event can't be sent to a wildcard"},
		"space":              {gateway.Integration{Subject: "orders create"}, "subject: subject has a space"},
		"UTF-8":              {gateway.Integration{Subject: "größe"}, "subject: subject has a space or a character outside ASCII"},
		"empty token":        {gateway.Integration{Subject: "orders..create"}, "subject: subject has an empty token"},
		"trailing dot":       {gateway.Integration{Subject: "orders."}, "subject: subject has an empty token"},
		"server":             {gateway.Integration{Subject: "$JS.API.STREAM.DELETE.x"}, "subject: subjects that begin with $"},
		"own":                {gateway.Integration{Subject: "sallyport.chat.dev.ws.send"}, "subject: subjects below sallyport. belong"},
		"connections":        {gateway.Integration{Subject: "sallyport.chat.dev.@connections.x"}, "subject: subjects below sallyport. belong"},
		"near the prefix":    {gateway.Integration{Subject: "sallyports.x"}, ""},
		"stage variable":     {gateway.Integration{Subject: "orders.${stageVariables.x}"}, "subject: parameters are not filled in"},
		"long":               {gateway.Integration{Subject: strings.Repeat("a", 2000)}, "subject: subject is longer"},
		"query target":       {gateway.Integration{Subject: "a", RequestParameters: header("querystring.q")}, "requestParameters.integration.request.querystring.q: a NATS message has neither"},
		"reserved header":    {gateway.Integration{Subject: "a", RequestParameters: header("header.nats-msg-id")}, "requestParameters.integration.request.header.nats-msg-id: this header has"},
		"our header":         {gateway.Integration{Subject: "a", RequestParameters: header("header.SALLYPORT-Context")}, "requestParameters.integration.request.header.SALLYPORT-Context: this header has"},
		"trace header":       {gateway.Integration{Subject: "a", RequestParameters: header("header.TraceState")}, "requestParameters.integration.request.header.TraceState: this header has"},
		"uri":                {gateway.Integration{Subject: "a", URI: "nats://h"}, "uri: uri is not used by NATS"},
		"version":            {gateway.Integration{PayloadFormatVersion: "1"}, "payloadFormatVersion: unknown payload format version"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.in.Type = gateway.IntegrationNATS
			faults := k.Check(&test.in, gateway.ProtocolWebSocket)
			switch {
			case test.want == "" && len(faults) > 0:
				t.Errorf("faults %v", faults)
			case test.want != "" && (len(faults) != 1 || !strings.HasPrefix(faults[0].String(), test.want) || faults[0].Hint == ""):
				t.Errorf("faults %v, want %q and a hint", faults, test.want)
			}
		})
	}
}

func TestOpenWithoutSubject(t *testing.T) {
	_, err := newKind(t, newScripted()).Open(&gateway.Integration{Type: gateway.IntegrationNATS}, integrations.Route{})
	if _, ok := err.(*integrations.FaultError); !ok {
		t.Errorf("Open = %v, want a FaultError", err)
	}
}
