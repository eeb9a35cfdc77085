package gateway

import (
	"context"
	"time"
)

// EventKind says at which moment of a connection or request an event arises.
type EventKind uint8

// The kinds of events. The first three belong to WebSocket APIs (contract/websocket-api.md §6), Request to HTTP and
// REST APIs.
const (
	EventConnect EventKind = iota + 1
	EventMessage
	EventDisconnect
	EventRequest
)

// String returns Amazon's eventType: CONNECT, MESSAGE, DISCONNECT; REQUEST for HTTP.
func (k EventKind) String() string {
	switch k {
	case EventConnect:
		return "CONNECT"
	case EventMessage:
		return "MESSAGE"
	case EventDisconnect:
		return "DISCONNECT"
	case EventRequest:
		return "REQUEST"
	}
	return "UNKNOWN"
}

// Expect says what the sender of an event wants to hear of it.
type Expect uint8

const (
	// ExpectReply: the sender waits for the reply: $connect, HTTP requests, routes with a route response.
	ExpectReply Expect = iota
	// ExpectAck: nothing is sent to the client, but the sender wants to know whether the integration succeeded.
	// Only routes that our own workers run acknowledge.
	ExpectAck
	// ExpectNothing: only a failure comes back, as a call of the sender's failure function.
	ExpectNothing
	// ExpectStored: the event is stored first, to be run at least once whatever happens meanwhile. The sender wants to
	// know when the store has it, and nothing of what becomes of it later. Subject is one for storing.
	ExpectStored
)

// Event is one client message, request, connect or disconnect on its way to whoever runs its route's integration.
// It is read only once it was handed to a Sender or an Invoker.
type Event struct {
	Kind  EventKind
	API   APIID
	Stage StageName
	Route RouteKey

	// Subject is the NATS subject that the event goes to: the route's own, or an integration's.
	Subject string
	Expect  Expect
	// Timeout is how long the sender waits for an answer; 0 means that the caller's context alone decides.
	Timeout time.Duration

	// Connection is empty for HTTP requests.
	Connection ConnectionID
	Request    RequestID
	// Message is a message's own id, by which stores and backends tell a repeat; it is set where an event is stored.
	Message RequestID
	// Attempt counts the runs of a stored event, this one included; 0 for events that are not stored.
	Attempt int

	// Context is the flat JSON object of schemas/event: the members of Amazon's requestContext and what goes with them.
	// Whoever is given the event must not write to it.
	Context []byte
	// Header holds the client's headers at $connect and on HTTP requests; nil on messages.
	Header Header
	// Body is the client's bytes, untouched.
	Body []byte
	// Binary marks a binary frame.
	Binary bool
}

// Reply is what an integration answered.
type Reply struct {
	// Status is the HTTP status, 200 unless the backend said otherwise.
	Status int
	Header Header
	Body   []byte
	// Binary asks for a binary frame where the reply becomes a frame.
	Binary bool
}

// Invoker runs one event and gives its reply. Both ends of the NATS hop speak it: the bus client at the edge, the
// worker, each integration kind, and wrappers around any of them.
//
// Invoke may be called concurrently. It returns when the reply is there, when ctx ends or when ev.Timeout has passed,
// whichever comes first, with an *Error whose Code tells what happened (ErrorCode reads it from any error). A backend's
// own refusal (a 404, a 500) is a Reply, not an error. Invoke never changes ev and does not keep its Body.
type Invoker interface {
	Invoke(ctx context.Context, ev *Event) (*Reply, error)
}

// InvokerFunc makes a function an Invoker.
type InvokerFunc func(ctx context.Context, ev *Event) (*Reply, error)

// Invoke calls f.
func (f InvokerFunc) Invoke(ctx context.Context, ev *Event) (*Reply, error) { return f(ctx, ev) }

// Sender is the edge's side of the hop without a waiting goroutine per message.
//
// Send hands ev over and returns at once; it never blocks. For all but ExpectNothing done is called exactly once,
// from any goroutine and possibly before Send returns, with the reply or with an *Error; it must not block. For
// ExpectNothing done is not used: a failure that becomes known later is told to the function that the Sender's owner
// configured. ctx carries the trace only: its cancellation has no effect on the event.
type Sender interface {
	Send(ctx context.Context, ev *Event, done func(*Reply, error))
}
