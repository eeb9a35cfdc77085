package integrations_test

import (
	"testing"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
)

// promptKind opens invokers that are prompt.
type promptKind struct{ *scripted }

type promptInvoker struct{ gateway.InvokerFunc }

func (promptInvoker) Prompt() bool { return true }

func (k promptKind) Open(*gateway.Integration, integrations.Route) (gateway.Invoker, error) {
	return promptInvoker{k.invoke}, nil
}

// TestPromptEndsFirst: a route whose integration is prompt no longer loses the mark while it still has the old integration.
func TestPromptEndsFirst(t *testing.T) {
	prompt := promptKind{&scripted{kind: gateway.IntegrationMock, invoke: answers(200, "constant")}}
	slow := &scripted{kind: gateway.IntegrationHTTPProxy, invoke: answers(200, "slow")}
	type served struct {
		prompt bool
		answer string
	}
	var seen []served
	var w *integrations.Worker
	w = newWorker(t, integrations.Config{Kinds: []integrations.Kind{prompt, slow}, Serve: func(routes []bus.ServedRoute) error {
		reply, err := w.Invoke(t.Context(), event("send"))
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, served{routes[0].Prompt, string(reply.Body)})
		return nil
	}})
	swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": {Type: gateway.IntegrationMock}}))))
	swap(t, w, tableOf(program(t, chat(map[gateway.RouteKey]*gateway.Integration{"send": proxied()}))))
	want := []served{{true, "constant"}, {false, "constant"}, {false, "slow"}}
	if len(seen) != len(want) {
		t.Fatalf("%v, want %v", seen, want)
	}
	for i := range want {
		if seen[i] != want[i] {
			t.Errorf("%d: %v, want %v", i, seen[i], want[i])
		}
	}
}
