// Package load is the work of one process of a load test: it opens its share of the connections, runs one scenario on
// them and counts.
//
// A Job says what to do; it is JSON, so that package bench can give it to other processes. A Worker does it in one
// goroutine over a wire.Loop. What it saw is a Tally; tallies add up.
//
// One path through it, `bench echo --rate`: Open lets the worker dial; each handshake is timed; when all stand it says
// so. Start gives the moment at which all workers begin. From then on message k is due at a time that the schedule alone
// sets; tick sends what is due, and when the reply arrives its latency is counted from when it was due, not from when
// it could be sent. A server that stalls is so charged with every message that had to wait, which is what the term
// "corrected for coordinated omission" means.
package load
