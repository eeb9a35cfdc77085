// Package integrations runs the backends of routes: the worker's side of the NATS hop.
//
// A Kind knows one type of backend (a folder each: httpproxy, httpcustom, lambda, amazon, mock, nats): it checks an
// integration when a definition is compiled and opens it, per route, as a gateway.Invoker. httpcustom, amazon and mock share
// transform. The Worker holds the opened integrations of all live routes in one table that is swapped whole when a
// deployment changes. It imports router for the programs it opens and bus for the form in which it names the subjects to
// serve; internal/app names the kinds.
//
// One path through it: bus.Server takes an event off a route's subject → Worker.Invoke finds the opened integration by
// that subject → the kind's Invoker calls the backend under the route's timeout → the Reply, or an *gateway.Error, goes
// back to bus.Server. A panic of a kind ends as an error of that one event.
package integrations
