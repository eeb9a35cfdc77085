package nats

import (
	"context"
	"maps"
	"net/http"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router/mapping"
	"github.com/sallyport/sallyport/schemas/proxy"
)

// subject is one route's backend.
type subject struct {
	bus        gateway.Invoker
	name       string
	version    string // "": the event as it is; else the proxy event of that version
	parameters *mapping.Parameters
	route      integrations.Route
}

// Invoke sends ev on. A backend on NATS need not answer an event of which nobody reads the result, so only the hand-over
// is waited for then; on a durable route its answer says that it has taken the message.
func (s *subject) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	next, err := s.event(ev)
	if err != nil {
		return nil, err
	}
	reply, err := s.bus.Invoke(ctx, next)
	if err != nil {
		return nil, err
	}
	if reply == nil || next.Expect == gateway.ExpectNothing {
		return &gateway.Reply{Status: http.StatusOK}, nil
	}
	if s.version != "" {
		if reply, err = proxy.Result(ev, s.version, reply.Body); err != nil {
			return nil, err
		}
	}
	if len(reply.Body) > s.route.ReplyLimit() {
		return nil, gateway.Errorf(gateway.CodeIntegration, "the backend's answer is too long")
	}
	return reply, nil
}

// event is a copy of ev for the backend's subject.
func (s *subject) event(ev *gateway.Event) (*gateway.Event, error) {
	next := *ev
	next.Subject = s.name
	next.Expect = gateway.ExpectNothing
	if s.route.Answers(ev.Kind) || s.route.Durable {
		next.Expect = gateway.ExpectReply
	}
	if next.Timeout <= 0 {
		next.Timeout = s.route.Timeout
	}
	if s.version != "" {
		payload, err := proxy.Event(ev, s.version)
		if err != nil {
			return nil, err
		}
		next.Body, next.Binary = payload, false
		next.Header = nil // the proxy event holds the client's headers
	}
	if mapped := s.parameters.Apply(ev); len(mapped.Header) > 0 {
		next.Header = maps.Clone(next.Header)
		if next.Header == nil {
			next.Header = gateway.Header{}
		}
		for name, value := range mapped.Header {
			next.Header.Set(name, value)
		}
	}
	return &next, nil
}
