package integrations

import (
	"fmt"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// opened is an integration that is ready for the events of one route.
type opened struct {
	route    Route
	invoker  gateway.Invoker
	prompt   bool // the invoker says so (Prompt)
	recorder recorder
}

// table holds the opened integrations of all live routes and authorizers by their subjects. It is built whole and never
// changed.
type table map[string]*opened

// Unopened is a route or an authorizer that this worker does not serve, and why. Nobody subscribes to its subject then,
// so its senders hear "no responders" at once.
type Unopened struct {
	API   gateway.APIID
	Stage gateway.StageName
	// Fault's path begins at the definition's root.
	Fault gateway.Fault
}

// String names the route's API and stage before the fault.
func (u Unopened) String() string { return fmt.Sprintf("%s/%s: %s", u.API, u.Stage, u.Fault) }

// open opens every integration of t that workers run.
func (w *Worker) open(t *router.Table) (table, []bus.ServedRoute, []Unopened) {
	live := table{}
	var served []bus.ServedRoute
	var failed []Unopened
	for _, program := range t.Programs() {
		for _, r := range program.Routes() {
			if r.Native() {
				continue
			}
			o, err := w.openRoute(program, r)
			if err != nil {
				failed = append(failed, unopened(program, r, err))
				continue
			}
			live[r.Subject()] = o
			served = append(served, servedRoute(program, r, o.prompt))
		}
		authorizers, refused := w.openAuthorizers(program, live)
		served, failed = append(served, authorizers...), append(failed, refused...)
	}
	return live, served, failed
}

func (w *Worker) openRoute(p *router.Program, r *router.Route) (*opened, error) {
	in := r.Integration()
	kind, known := w.kinds[in.Type]
	if !known {
		return nil, fmt.Errorf("this worker has no integration type %s", in.Type)
	}
	route := Route{
		API: p.API(), Stage: p.Stage(), Key: r.Key(), Protocol: p.Protocol(),
		Variables: p.Variables(), Timeout: r.Timeout(), TwoWay: r.TwoWay(), MaxReplyBytes: p.Limits().MaxMessageBytes,
	}
	if route.Protocol == gateway.ProtocolHTTP {
		route.MaxReplyBytes = p.Limits().MaxBodyBytes
	}
	invoker, err := kind.Open(in, route)
	if err != nil {
		return nil, err
	}
	prompt, ok := invoker.(Prompt)
	return &opened{
		route: route, invoker: invoker, prompt: ok && prompt.Prompt(), recorder: newRecorder(w.duration, route, in.Type),
	}, nil
}

func unopened(p *router.Program, r *router.Route, err error) Unopened {
	return Unopened{API: p.API(), Stage: p.Stage(), Fault: faultBelow(err, "routes", string(r.Key()), "integration")}
}

func servedRoute(p *router.Program, r *router.Route, prompt bool) bus.ServedRoute {
	return bus.ServedRoute{
		Subject: r.Subject(), API: p.API(), Stage: p.Stage(), Route: r.Key(), Kind: kindOf(p.Protocol(), r.Key()), TwoWay: r.TwoWay(),
		Prompt: prompt,
	}
}

// kindOf returns what the events of a route are.
func kindOf(p gateway.Protocol, key gateway.RouteKey) gateway.EventKind {
	switch {
	case p != gateway.ProtocolWebSocket:
		return gateway.EventRequest
	case key == gateway.RouteConnect:
		return gateway.EventConnect
	case key == gateway.RouteDisconnect:
		return gateway.EventDisconnect
	}
	return gateway.EventMessage
}
