package integrations_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router"
)

// push is what a client got.
type push struct {
	Ref  gateway.ConnectionRef
	Push gateway.Push
}

// storing is a worker of an API with stored routes: a native one (order), and join, which is two-way and run by us.
type storing struct {
	worker *integrations.Worker
	served []bus.ServedRoute
	stored []bus.DurableRoute
	opened []gateway.Integration
	pushed []push
	refuse []error // of the next pushes
}

func newStoring(t *testing.T, invoke gateway.InvokerFunc) *storing {
	t.Helper()
	s := &storing{}
	kind := func(k gateway.IntegrationType) integrations.Kind {
		return &scripted{kind: k, invoke: invoke, open: func(in *gateway.Integration, r integrations.Route) error {
			if r.Durable {
				s.opened = append(s.opened, *in)
			}
			return nil
		}}
	}
	var err error
	s.worker, err = integrations.NewWorker(integrations.Config{
		Kinds:        []integrations.Kind{kind(gateway.IntegrationNATS), kind(gateway.IntegrationHTTPProxy)},
		Serve:        func(r []bus.ServedRoute) error { s.served = r; return nil },
		ServeDurable: func(r []bus.DurableRoute) error { s.stored = r; return nil },
		Push: func(_ context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
			if len(s.refuse) > 0 {
				err := s.refuse[0]
				s.refuse = s.refuse[1:]
				return err
			}
			s.pushed = append(s.pushed, push{ref, p})
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	api := chat(map[gateway.RouteKey]*gateway.Integration{"join": proxied(), "order": {Type: gateway.IntegrationNATS}, "plain": proxied()})
	for _, key := range []gateway.RouteKey{"join", "order"} {
		api.Routes[key].Delivery = gateway.DeliverAtLeastOnce
	}
	if failed, err := s.worker.Swap(tableOf(program(t, api))); err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
	return s
}

func (s *storing) run(route gateway.RouteKey) error {
	_, err := s.worker.Stored().Invoke(context.Background(), storedEvent(route))
	return err
}

func storedEvent(route gateway.RouteKey) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: route, Subject: bus.Subjects{}.Event("chat", "dev", gateway.ProtocolWebSocket, route),
		Connection: "AbC_aaaaaaaaaaa=", Request: "r", Message: "m", Attempt: 2,
	}
}

// Stored routes are served from the store alone; a native one is handed on to its subscribers.
func TestDurableRoutesAreServedFromTheStore(t *testing.T) {
	s := newStoring(t, answers(200, ""))
	if len(s.served) != 1 || s.served[0].Route != "plain" {
		t.Errorf("served directly: %+v", s.served)
	}
	var keys []gateway.RouteKey
	for _, r := range s.stored {
		keys = append(keys, r.Route)
		if r.MaxAttempts != gateway.DefaultRetryAttempts || r.TwoWay != (r.Route == "join") {
			t.Errorf("served from the store: %+v", r)
		}
	}
	if diff := cmp.Diff([]gateway.RouteKey{"join", "order"}, keys); diff != "" {
		t.Errorf("served from the store (-want +got):\n%s", diff)
	}
	if got, want := s.opened[1].Subject, "sallyport.chat.dev.ws.order"; got != want {
		t.Errorf("the native route is handed on to %q, want %q", got, want)
	}
}

func TestOutcomesOfStoredMessages(t *testing.T) {
	client := gateway.ConnectionRef{API: "chat", Stage: "dev", ID: "AbC_aaaaaaaaaaa="}
	for _, c := range []struct {
		route  gateway.RouteKey
		status int
		body   string
		err    error
		code   gateway.Code
		pushed []push
	}{
		{route: "order", status: 200, body: "nobody wants it"},
		{route: "order", status: 404, code: gateway.CodeBadRequest},
		{route: "order", status: 503, code: gateway.CodeIntegration},
		{route: "order", err: gateway.Errorf(gateway.CodeTimeout, "late"), code: gateway.CodeTimeout},
		{route: "join", status: 200, body: "hello", pushed: []push{{client, gateway.Push{Body: []byte("hello")}}}},
		{route: "join", status: 200, body: "\xff", pushed: []push{{client, gateway.Push{Body: []byte("\xff"), Binary: true}}}},
		{route: "join", status: 200},
		{route: "join", status: 404, body: "no such", pushed: []push{{client, gateway.Push{Body: []byte("no such")}}}},
		{route: "join", status: 500, body: "oops", code: gateway.CodeIntegration},
		{route: "gone", code: gateway.CodeUnavailable},
	} {
		s := newStoring(t, func(context.Context, *gateway.Event) (*gateway.Reply, error) {
			if c.err != nil {
				return nil, c.err
			}
			return &gateway.Reply{Status: c.status, Body: []byte(c.body)}, nil
		})
		name := fmt.Sprintf("%s %d %q %v", c.route, c.status, c.body, c.err)
		if got := gateway.ErrorCode(s.run(c.route)); got != c.code {
			t.Errorf("%s: ended with %q, want %q", name, got, c.code)
		}
		if diff := cmp.Diff(c.pushed, s.pushed); diff != "" {
			t.Errorf("%s: pushed (-want +got):\n%s", name, diff)
		}
	}
}

// An answer that can't be delivered does not run the integration again.
func TestAnswersThatAreNotTaken(t *testing.T) {
	gone := gateway.Errorf(gateway.CodeGone, "gone")
	for name, refuse := range map[string][]error{"gone": {gone}, "broken": {errors.New("broken")}} {
		s := newStoring(t, answers(200, "hello"))
		s.refuse = refuse
		if err := s.run("join"); err != nil || len(s.pushed) > 0 {
			t.Errorf("%s: %v, pushed %v", name, err, s.pushed)
		}
	}
	s := newStoring(t, answers(200, "hello"))
	s.refuse = []error{gateway.Errorf(gateway.CodeSlowClient, "slow")}
	if err := s.run("join"); err != nil || len(s.pushed) != 1 {
		t.Errorf("a slow client: %v, pushed %v", err, s.pushed)
	}
}

// The client of a message that was given up gets the error frame.
func TestBuriedMessagesAreTold(t *testing.T) {
	s := newStoring(t, answers(200, ""))
	s.worker.Buried(t.Context(), storedEvent("order"), gateway.Errorf(gateway.CodeTimeout, "late"))
	want := string(router.ErrorFrame(nil, gateway.CodeTimeout, "AbC_aaaaaaaaaaa=", "r"))
	if len(s.pushed) != 1 || string(s.pushed[0].Push.Body) != want {
		t.Errorf("pushed %+v, want %s", s.pushed, want)
	}
	byHand := storedEvent("order")
	byHand.Connection = ""
	if s.worker.Buried(t.Context(), byHand, errors.New("x")); len(s.pushed) != 1 {
		t.Error("a message without a client was told to one")
	}
}
