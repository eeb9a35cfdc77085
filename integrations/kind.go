package integrations

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations/backend"
)

// Kind is one type of backend. Its methods may be called concurrently.
type Kind interface {
	// Type is the integration type that the kind takes.
	Type() gateway.IntegrationType
	// Check reports everything that is wrong with in for an API of protocol p. The paths of the faults are relative to
	// the integration.
	Check(in *gateway.Integration, p gateway.Protocol) []gateway.Fault
	// Open makes in ready for the events of one route. It calls no backend. in has passed Check, but the route's stage
	// variables may still make it useless: then the error is a FaultError.
	Open(in *gateway.Integration, r Route) (gateway.Invoker, error)
}

// Prompt is implemented by invokers that can say that they answer within microseconds and wait for nothing, not even for a
// lock: the Worker gives them no time limit, and a goroutine of their own is not woken for their events.
type Prompt interface {
	gateway.Invoker
	Prompt() bool
}

// Route is what a kind may know of the route that it serves.
type Route struct {
	API      gateway.APIID
	Stage    gateway.StageName
	Key      gateway.RouteKey
	Protocol gateway.Protocol
	// Variables are the stage's; read only.
	Variables map[string]string
	// Timeout bounds one invocation; the Worker enforces it.
	Timeout time.Duration
	// TwoWay says that a message's result becomes a frame (contract/websocket-api.md §7.7).
	TwoWay bool
	// Durable says that messages are tried until the backend has taken them: it must say so, also where nobody reads its
	// result.
	Durable bool
	// MaxReplyBytes bounds a backend's answer; 0 means gateway.MaxBodyCeiling.
	MaxReplyBytes int
}

// ReplyLimit returns how many bytes an answer may have.
func (r Route) ReplyLimit() int {
	if r.MaxReplyBytes <= 0 {
		return gateway.MaxBodyCeiling
	}
	return r.MaxReplyBytes
}

// Answers reports whether somebody reads the result of an event of kind k: the client at $connect and of a request,
// and of a message where the route is two-way. $disconnect can never answer (contract/websocket-api.md §7.7).
func (r Route) Answers(k gateway.EventKind) bool {
	switch k {
	case gateway.EventConnect, gateway.EventRequest:
		return true
	case gateway.EventMessage:
		return r.TwoWay
	}
	return false
}

// AnswerLimit returns how many bytes of a backend's answer to an event of kind k are of use: ReplyLimit where somebody
// reads the result, else backend.DiscardAnswer.
func (r Route) AnswerLimit(k gateway.EventKind) int {
	if !r.Answers(k) {
		return backend.DiscardAnswer
	}
	return r.ReplyLimit()
}

// Deadline gives ctx the event's own time limit, as gateway.Invoker promises, unless ctx ends earlier anyway: below a
// Worker no second timer is made. cancel must be called.
func Deadline(ctx context.Context, ev *gateway.Event) (bounded context.Context, cancel context.CancelFunc) {
	if ev.Timeout <= 0 {
		return ctx, func() {}
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= ev.Timeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, ev.Timeout)
}

// Ended turns the error of an ended context into that of an invocation: CodeTimeout when time ran out, CodeUnavailable
// when the caller gave up.
func Ended(err error) *gateway.Error {
	if errors.Is(err, context.DeadlineExceeded) {
		return gateway.Errorf(gateway.CodeTimeout, "the integration did not answer in time").Because(err)
	}
	return gateway.Errorf(gateway.CodeUnavailable, "the call was given up").Because(err)
}

// Misconfigured returns an error of a mapping with the code for the kind of event: CodeIntegration, but at $connect
// CodeInternal, whose status is 500 and not a broken backend's 502 (contract/websocket-api.md §7.6, §7.8:
// API_CONFIGURATION_ERROR). Other errors, and nil, stay as they are.
func Misconfigured(kind gateway.EventKind, err error) error {
	var known *gateway.Error
	if kind != gateway.EventConnect || !errors.As(err, &known) || known.Code != gateway.CodeIntegration {
		return err
	}
	return gateway.Errorf(gateway.CodeInternal, "%s", known.Message).Because(known.Cause)
}
