// Package integrationstest is the contract that every integration kind passes: Run drives an invoker of the kind against
// a backend that succeeds, refuses, hangs, is gone, floods or babbles, and checks what gateway.Invoker promises.
//
// A kind's own test brings a Kit: how to open a route of the kind on such a backend, and what the backend's good answer
// is. What a kind's backend cannot do is named with its reason, so that nothing is left out silently.
package integrationstest

import (
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// Behaviour is what a backend does with the next event.
type Behaviour string

// The behaviours.
const (
	// Succeeds: the answer is Kit.Answer.
	Succeeds Behaviour = "succeeds"
	// Refuses: the answer's status is RefusedStatus.
	Refuses Behaviour = "refuses"
	// Hangs: the backend takes the event and answers only when the test has ended.
	Hangs Behaviour = "hangs"
	// Gone: the backend can't be reached.
	Gone Behaviour = "gone"
	// Floods: the answer is well-formed and one byte longer than MaxReplyBytes.
	Floods Behaviour = "floods"
	// Babbles: the answer is none of the kind's protocol.
	Babbles Behaviour = "babbles"
)

const (
	// RefusedStatus is what a backend that Refuses answers.
	RefusedStatus = 404
	// MaxReplyBytes is the bound of the route's answers.
	MaxReplyBytes = 64 << 10
)

// Kit is what a kind brings to the contract.
type Kit struct {
	// Open returns an invoker on a two-way route whose answers are bounded by MaxReplyBytes, and the switch of its
	// backend, which has yet to be told how to behave. Both end with t. It is called once per part of the contract.
	Open func(t *testing.T) (gateway.Invoker, Backend)
	// Event returns a new MESSAGE event of that route with the given body.
	Event func(body string) *gateway.Event
	// Answer is what a backend that Succeeds answers to an event with that body; it depends on the body wherever the
	// kind's backends can see it.
	Answer func(body string) string
	// Lacks names the behaviours that the kind's backends can't show, with the reason.
	Lacks map[Behaviour]string
}

// Backend is the switch of a backend.
type Backend interface {
	// Behave sets how the backend treats events from now on.
	Behave(b Behaviour)
	// Taken returns when the backend has begun to treat one more event while it Hangs.
	Taken() <-chan struct{}
}
