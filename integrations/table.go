package integrations

import (
	"fmt"

	"github.com/tidwall/gjson"

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
	// deployment is the one whose integration this is.
	deployment gateway.DeploymentID
	// other is the integration of the same subject in another deployment that edges may still, or already, send by; nil most of
	// the time.
	other *opened
}

// of returns the integration of the deployment by which the edge sent ev, so that an event is run by the program that
// chose its route, whichever node heard of a change first. Of an unknown deployment it is that of the latest.
func (o *opened) of(ev *gateway.Event) *opened {
	if o.other == nil {
		return o
	}
	id := gateway.DeploymentID(gjson.GetBytes(ev.Context, "deploymentId").String())
	for one := o; one != nil; one = one.other {
		if one.deployment == id {
			return one
		}
	}
	return o
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

// openAll opens the integrations of t, and behind them those of other tables. Failures are those of t alone.
func (w *Worker) openAll(t *router.Table, others []*router.Table) (table, []bus.ServedRoute, []Unopened) {
	live, served, failed := w.open(t)
	place := make(map[string]int, len(served))
	for i, r := range served {
		place[r.Subject] = i
	}
	for _, other := range others {
		more, routes, _ := w.open(other)
		for _, r := range routes {
			o := more[r.Subject]
			first := live[r.Subject]
			if first == nil {
				live[r.Subject] = o
				place[r.Subject] = len(served)
				served = append(served, r)
				continue
			}
			if first.deployment == o.deployment {
				continue
			}
			o.other, first.other = first.other, o
			// An answer that is not waited for is dropped; one that is, must come.
			at := &served[place[r.Subject]]
			at.TwoWay = at.TwoWay || r.TwoWay
			at.Prompt = at.Prompt && r.Prompt
		}
	}
	return live, served, failed
}

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
		deployment: p.Deployment(),
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
