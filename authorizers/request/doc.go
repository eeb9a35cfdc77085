// Package request asks REQUEST authorizers, Amazon's Lambda authorizers, about handshakes (contract/websocket-api.md §10.1).
//
// An Authorizer is one authorizer of one deployment at the edge. It does not care who answers: its events go to the
// authorizer's own subject (DESIGN §3.8), where a worker of ours calls a function or an HTTP backend, or any NATS client
// answers itself. schemas/proxy writes the event, authorizers/policy judges the policy.
//
// One path through it: Authorize turns the waiting $connect event into an authorizer's event, sends it, bounds and reads
// the answer, compares its policy with the ARN of $connect, and hands its flat context on to all later events of the
// connection. Nothing is cached: there is one call per handshake, as in Amazon's service.
package request
