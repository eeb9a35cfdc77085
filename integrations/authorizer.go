package integrations

import (
	"errors"
	"fmt"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// AuthorizerKind is a Kind that packs events for its backends, and therefore has a way of its own for the events of
// authorizers, whose bodies are packed already (schemas/proxy.AuthorizerEvent). Of any other Kind an authorizer's event
// is a message on a two-way route.
type AuthorizerKind interface {
	Kind
	// OpenAuthorizer is Open for the events of an authorizer: the backend gets an event's body as it is, and its answer
	// is the reply's. A backend that refuses the client as Amazon's functions do is an error with CodeUnauthorized.
	OpenAuthorizer(in *gateway.Integration, r Route) (gateway.Invoker, error)
}

// openAuthorizers opens those authorizers of p that workers run.
func (w *Worker) openAuthorizers(p *router.Program, live table) (served []bus.ServedRoute, failed []Unopened) {
	for _, a := range p.RequestAuthorizers() {
		if a.Native() || a.Integration() == nil {
			continue
		}
		o, err := w.openAuthorizer(p, a)
		if err != nil {
			failed = append(failed, Unopened{API: p.API(), Stage: p.Stage(), Fault: faultBelow(err, "authorizers", a.Name(), "integration")})
			continue
		}
		live[a.Subject()] = o
		served = append(served, bus.ServedRoute{
			Subject: a.Subject(), API: p.API(), Stage: p.Stage(), Route: gateway.RouteConnect, Kind: gateway.EventMessage, TwoWay: true,
		})
	}
	return served, failed
}

func (w *Worker) openAuthorizer(p *router.Program, a *router.Authorizer) (*opened, error) {
	in := a.Integration()
	kind, known := w.kinds[in.Type]
	if !known {
		return nil, fmt.Errorf("this worker has no integration type %s", in.Type)
	}
	route := Route{
		API: p.API(), Stage: p.Stage(), Key: gateway.RouteConnect, Protocol: p.Protocol(),
		Variables: p.Variables(), Timeout: a.Timeout(), TwoWay: true, MaxReplyBytes: gateway.MaxAuthorizerAnswer,
	}
	open := kind.Open
	if own, packs := kind.(AuthorizerKind); packs {
		open = own.OpenAuthorizer
	}
	invoker, err := open(in, route)
	if err != nil {
		return nil, err
	}
	counted := route
	counted.Key = gateway.RouteKey("authorizer " + a.Name()) // its time and its failures are not those of $connect
	return &opened{route: route, invoker: invoker, recorder: newRecorder(w.duration, counted, in.Type), deployment: p.Deployment()}, nil
}

// faultBelow puts what Open found below the place of the integration in its definition.
func faultBelow(err error, place ...string) gateway.Fault {
	fault := gateway.Fault{Problem: err.Error()}
	var found *FaultError
	if errors.As(err, &found) {
		fault = found.Fault
	}
	fault.Path = append(place, fault.Path...)
	return fault
}
