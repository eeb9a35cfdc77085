// Package bus is NATS and nothing else: the embedded server, connections to it or to a cluster, every subject and
// header of the product, and the two ends of each hop.
//
// Its neighbours know only package gateway's interfaces of it: an edge sends events with a Client (gateway.Sender and
// gateway.Invoker) and lets ServeConnections serve its sockets to the other processes; a worker receives events with a
// Server; whoever pushes to another edge's client uses Connections (gateway.Connections). What all processes of a
// deployment must know, such as access keys, is kept in a Bucket.
//
// One path through it: Client.Send builds the headers of an event (headers.go), takes a token and a deadline
// (exchange.go) and publishes on the route's subject (subjects.go). The Server of a worker receives the message in its
// queue group, rebuilds the event, calls its handler and answers on the message's reply subject. The client's one
// wildcard subscription finds the token again and calls the sender's function with the reply, or with the failure that
// the headers name.
package bus
