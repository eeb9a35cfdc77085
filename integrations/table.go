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

// set is what a worker makes of a table: the integrations, the routes to serve by them, and what could not be opened.
type set struct {
	live   table
	served []bus.ServedRoute
	stored []bus.DurableRoute
	failed []Unopened
}

// openAll opens the integrations of t, and behind them those of other tables. Failures are those of t alone.
func (w *Worker) openAll(t *router.Table, others []*router.Table) set {
	all := w.open(t)
	served, stored := make(map[string]int, len(all.served)), make(map[string]bool, len(all.stored))
	for i, r := range all.served {
		served[r.Subject] = i
	}
	for _, r := range all.stored {
		stored[r.Subject] = true
	}
	for _, other := range others {
		more := w.open(other)
		for _, r := range more.served {
			all.live.add(r.Subject, more.live[r.Subject])
			place, there := served[r.Subject]
			if !there {
				served[r.Subject] = len(all.served)
				all.served = append(all.served, r)
				continue
			}
			// An answer that is not waited for is dropped; one that is, must come.
			at := &all.served[place]
			at.TwoWay = at.TwoWay || r.TwoWay
			at.Prompt = at.Prompt && r.Prompt
		}
		for _, r := range more.stored {
			all.live.add(r.Subject, more.live[r.Subject])
			if !stored[r.Subject] {
				stored[r.Subject] = true
				all.stored = append(all.stored, r)
			}
		}
	}
	return all
}

// add puts an integration behind that which the subject has, unless it is of the same deployment.
func (t table) add(subject string, o *opened) {
	first := t[subject]
	switch {
	case first == nil:
		t[subject] = o
	case first.deployment != o.deployment:
		o.other, first.other = first.other, o
	}
}

// open opens every integration of t that workers run, and those to which they hand on stored messages.
func (w *Worker) open(t *router.Table) set {
	all := set{live: table{}}
	for _, program := range t.Programs() {
		for _, r := range program.Routes() {
			if r.Native() && r.Durable() == nil {
				continue
			}
			o, err := w.openRoute(program, r)
			if err != nil {
				all.failed = append(all.failed, unopened(program, r, err))
				continue
			}
			all.live[r.Subject()] = o
			if r.Durable() != nil { // its event subject is a native backend's, or nobody's
				all.stored = append(all.stored, durableRoute(program, r))
				continue
			}
			all.served = append(all.served, servedRoute(program, r, o.prompt))
		}
		authorizers, refused := w.openAuthorizers(program, all.live)
		all.served, all.failed = append(all.served, authorizers...), append(all.failed, refused...)
	}
	return all
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
	if r.Durable() != nil {
		route.Durable = true
		in = handedOn(in, r)
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
