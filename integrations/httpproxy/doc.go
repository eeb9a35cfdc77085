// Package httpproxy passes events on to HTTP backends as they are: the HTTP_PROXY integration
// (contract/websocket-api.md §7.3, contract/http-api.md §7).
//
// Open resolves a route's URI for its stage once. One path through it: Invoke applies the request parameters
// (router/mapping), builds the URL and the headers for the kind of event (request.go), calls backend.Client, and turns
// the answer into a Reply (reply.go). What the backend answers, a 404 or a 500 too, is a Reply; only calls that bring no
// answer are errors.
package httpproxy
