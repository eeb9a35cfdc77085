package mock

import (
	"context"
	"maps"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
)

// Kind is the MOCK integration type.
type Kind struct{}

var _ integrations.Kind = Kind{}

// New returns the kind; it needs nothing.
func New() Kind { return Kind{} }

// Type returns MOCK.
func (Kind) Type() gateway.IntegrationType { return gateway.IntegrationMock }

// Check reports templates that are missing or faulty, and status codes that no response takes.
func (Kind) Check(in *gateway.Integration, _ gateway.Protocol) []gateway.Fault {
	_, faults := compile(in, 0)
	return append(integrations.Unused(in, integrations.FieldRequestTemplates, integrations.FieldResponses,
		integrations.FieldTemplateSelection, integrations.FieldPassthrough, integrations.FieldContentHandling), faults...)
}

// Open prepares the answer. It fails only for an integration that has not passed Check.
func (Kind) Open(in *gateway.Integration, route integrations.Route) (gateway.Invoker, error) {
	a, faults := compile(in, route.ReplyLimit())
	if len(faults) > 0 {
		return nil, &integrations.FaultError{Fault: faults[0]}
	}
	return a, nil
}

// answer is what every event of the route gets where the templates have no variables.
type answer struct{ reply gateway.Reply }

var _ integrations.Prompt = (*answer)(nil)

// Prompt says that nothing is left to be done for an event.
func (a *answer) Prompt() bool { return true }

// Invoke returns the answer; ctx matters only when it has ended already.
func (a *answer) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, integrations.Ended(err)
	}
	reply := &gateway.Reply{Status: a.reply.Status, Body: a.reply.Body}
	// A frame has no headers, so only the other kinds of events pay for the map.
	if ev.Kind != gateway.EventMessage {
		reply.Header = maps.Clone(a.reply.Header)
	}
	return reply, nil
}
