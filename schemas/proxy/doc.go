// Package proxy turns events into Amazon's proxy events and the results of proxy functions into replies: the shapes that
// Lambda functions know (contract/websocket-api.md §6, contract/http-api.md §6). Samples of each stand in testdata.
//
// The Lambda integration uses it for every call, the edge for NATS integrations that ask for a payloadFormatVersion.
// It reads the flat context that package event writes, and does no I/O.
//
// One path through it: Event picks the shape by the event's kind and the wanted version, encodeRequest2 fills it from
// context, headers and body, the function answers, and Result reads the answer by the rules of the same version.
package proxy
