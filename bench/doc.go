// Package bench is the load generator behind `sallyport bench`: it measures WebSocket and HTTP servers, its own gateway
// and others alike.
//
// Below it, bench/load does the work of one process and bench/wire moves the bytes; bench/floor has the servers that
// others are compared with. This package divides a run among workers in this process or in others, measures the server's
// CPU and memory meanwhile, and prints what came out.
//
// One path through it: cmd/sallyport turns flags into a Config and calls Run. Run starts the server when it is to,
// starts the crew, orders it to open connections, waits until they stand, gives it one moment to start at, samples the
// server at both ends of the measured time, adds the tallies up and returns a Report. A context that ends stops the run:
// what was measured until then is reported.
package bench
