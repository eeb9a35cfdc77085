// Package wire is the client side of a load test: many WebSocket or HTTP connections in one event loop.
//
// A generator that shares its cores with the server it measures has to cost little. On Linux a Loop is one goroutine over
// epoll, without goroutines, timers or buffers per connection; elsewhere, and for TLS, a goroutine reads each connection
// and the loop stays the one place where anything happens. So a Handler needs no lock: all its methods run in the
// goroutine that calls Loop.Wait.
//
// One path through it: a scenario of package bench dials a Target; Wait sees the socket connect, sends the handshake,
// checks the answer and calls Opened. The scenario calls Send, which masks a frame into one buffer and writes it. Wait
// reads the answer into another, finds the frames in place and calls Message.
package wire
