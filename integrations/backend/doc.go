// Package backend makes one bounded HTTP call to a backend: what httpproxy and lambda have in common.
//
// NewTransport gives the connection pool that a process shares among all its HTTP backends. A Client sends one request
// over it: no redirects, no retries of what may have had an effect, a bound on the answer, the trace context sent
// along, and every failure as an *gateway.Error whose Code says whether the backend was never reached (unavailable),
// took too long (timeout) or failed after it had the request (integration_failed). It knows nothing of events.
package backend
