package integrations_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router"
)

// deployed is a program of the chat as a deployment of its own. The kind of the tests answers with the integration's URI.
func deployed(t *testing.T, id gateway.DeploymentID, routes ...gateway.RouteKey) *router.Program {
	t.Helper()
	all := map[gateway.RouteKey]*gateway.Integration{}
	for _, key := range routes {
		all[key] = &gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://" + string(id)}
	}
	p, faults := router.Compile(&gateway.Deployment{ID: id, API: chat(all), Stage: "dev"}, router.Config{Subject: bus.Subjects{}.Event})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}

// echoesURI answers with where it was opened for.
type echoesURI struct{ refuse string }

func (echoesURI) Type() gateway.IntegrationType                                { return gateway.IntegrationHTTPProxy }
func (echoesURI) Check(*gateway.Integration, gateway.Protocol) []gateway.Fault { return nil }

func (k echoesURI) Open(in *gateway.Integration, _ integrations.Route) (gateway.Invoker, error) {
	if in.URI == k.refuse {
		return nil, errors.New("not here")
	}
	return gateway.InvokerFunc(func(context.Context, *gateway.Event) (*gateway.Reply, error) {
		return &gateway.Reply{Status: 200, Body: []byte(in.URI)}, nil
	}), nil
}

// TestEventsRunByTheirDeployment: while edges change over, whoever sent an event by a deployment has it run by that one.
func TestEventsRunByTheirDeployment(t *testing.T) {
	var served []bus.ServedRoute
	w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{echoesURI{refuse: "http://bad"}}, Serve: func(r []bus.ServedRoute) error {
		served = r
		return nil
	}})
	before, after := tableOf(deployed(t, "before", "send", "gone")), tableOf(deployed(t, "after", "join", "send"))
	answer := func(key gateway.RouteKey, context string) string {
		t.Helper()
		ev := event(key)
		ev.Context = []byte(context)
		reply, err := w.Invoke(t.Context(), ev)
		if err != nil {
			return string(gateway.ErrorCode(err))
		}
		return string(reply.Body)
	}
	check := func(step string, want map[[2]string]string) {
		t.Helper()
		for at, body := range want {
			if got := answer(gateway.RouteKey(at[0]), at[1]); got != body {
				t.Errorf("%s: %s by %s gave %s, want %s", step, at[0], at[1], got, body)
			}
		}
	}
	const byBefore, byAfter = `{"deploymentId":"before"}`, `{"deploymentId":"after"}`
	for _, step := range []struct {
		name   string
		table  *router.Table
		others []*router.Table
		latest string
	}{
		{"prepared", before, []*router.Table{after}, "http://before"},
		{"live, with grace for slow edges", after, []*router.Table{before}, "http://after"},
		{"the same twice", after, []*router.Table{after, before}, "http://after"},
	} {
		swapped, err := w.Swap(step.table, step.others...)
		if err != nil || len(swapped) > 0 {
			t.Fatalf("%s: %v, %v", step.name, swapped, err)
		}
		check(step.name, map[[2]string]string{
			{"send", byBefore}: "http://before", {"send", byAfter}: "http://after", {"send", `{"deploymentId":"?"}`}: step.latest, {"send", ""}: step.latest,
			{"gone", byBefore}: "http://before", {"join", byAfter}: "http://after",
		})
		if len(served) != 3 {
			t.Errorf("%s: %d routes are served: %v", step.name, len(served), served)
		}
	}
	swap(t, w, after)
	check("the grace is over", map[[2]string]string{{"send", byBefore}: "http://after", {"join", byAfter}: "http://after"})
	if slices.ContainsFunc(served, func(r bus.ServedRoute) bool { return r.Route == "gone" }) {
		t.Error("a route that is gone is served")
	}

	bad := tableOf(deployed(t, "bad", "send"))
	if failed := w.Try(bad); len(failed) != 1 || failed[0].Fault.Problem != "not here" {
		t.Errorf("Try: %v", failed)
	}
	if failed := w.Try(after); len(failed) > 0 {
		t.Errorf("Try of what is served: %v", failed)
	}
	check("after a try", map[[2]string]string{{"send", byAfter}: "http://after"})
}

// A route that only one of two deployments answers is served as one that answers: whoever waits for nothing drops it.
func TestTwoWayInOneOfTwoDeployments(t *testing.T) {
	var served []bus.ServedRoute
	w := newWorker(t, integrations.Config{Kinds: []integrations.Kind{echoesURI{}}, Serve: func(r []bus.ServedRoute) error {
		served = r
		return nil
	}})
	oneWay := chat(map[gateway.RouteKey]*gateway.Integration{"join": proxied()})
	oneWay.Routes["join"].RouteResponse = false
	before, faults := router.Compile(&gateway.Deployment{ID: "before", API: oneWay, Stage: "dev"}, router.Config{Subject: bus.Subjects{}.Event})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, tables := range [][2]*router.Table{
		{tableOf(before), tableOf(deployed(t, "after", "join"))}, {tableOf(deployed(t, "after", "join")), tableOf(before)},
	} {
		if _, err := w.Swap(tables[0], tables[1]); err != nil {
			t.Fatal(err)
		}
		if len(served) != 1 || !served[0].TwoWay {
			t.Errorf("served as %+v", served)
		}
	}
}
