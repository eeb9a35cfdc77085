// Package nats hands events on to a NATS subject of the backend's own choice: the NATS integration with a subject.
//
// A NATS integration without one is not run by workers: whoever subscribes to the route's subject is the backend
// (DESIGN §3.3); Check covers both. One path through it: Invoke copies the event, puts the integration's subject and
// mapped headers in, turns the payload into a proxy event (schemas/proxy) when one was asked for, and gives it to the
// bus client, which it knows only as a gateway.Invoker.
package nats
