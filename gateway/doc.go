// Package gateway is the vocabulary of Sallyport: the words in which the other packages meet.
//
// It declares the definition of an API (API, Route, Integration, Stage, Limits, Deployment), what travels on one
// message's way (Event, Reply, Error), what a client connection is to the outside (Connection, ConnectionID) and the
// few interfaces that cross a hop (Invoker, Sender, Connections). It does no I/O and imports only the standard library.
//
// One path through it: an edge reads a frame of a Connection, the router picks a Route, the edge fills an Event and
// gives it to a Sender; a worker's Invoker runs the route's Integration and returns a Reply or an *Error; the edge
// writes the reply's bytes, or the frame that its error table names for the error's Code.
package gateway
