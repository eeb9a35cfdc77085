// Package control is the admin side of a process: the listener behind --admin, and the client by which the commands
// talk to it.
//
// Server answers health (/livez, /healthz, /readyz), /metrics and /version, the management calls under /v1, and hands
// @connections callbacks to the edge's handler. It knows nothing of edges or of NATS: internal/app gives it functions
// for what they know. Management calls are open in dev; in serve authorizers/sigv4 verifies whose they are, and package
// accesskeys says what that key may do. Client is the other end: it signs, implements gateway.Connections by callbacks,
// lists and tails, and keeps access keys.
//
// One path through it: `sallyport tail` calls Client.Tail; Server checks who asks and takes one of the MaxTails places,
// asks Config.Subscribe for the lines that match, and writes each as it comes until the client leaves, the server
// stops or the subscription ends, which the trailer tells the client.
package control
