// Package backend makes one bounded HTTP call to a backend: what httpproxy and lambda have in common.
//
// A process has one Client, which shares a pool of connections among all its HTTP backends (NewTransport). A call of it
// sends one request: no redirects, no retries of what may have had an effect, a bound on the answer, the trace context
// sent along, and every failure as an *gateway.Error whose Code says whether the backend was never reached
// (unavailable), took too long (timeout) or failed after it had the request (integration_failed). It knows nothing of
// events.
package backend
