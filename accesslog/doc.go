// Package accesslog writes a line for each event of a stage: the access log of contract/websocket-api.md §12.
//
// Its neighbours: router compiles a stage's format with Parse, edge fills an Entry when an event has ended, and internal/app
// owns the Sink that the lines go to. It knows no sockets and no NATS.
//
// One path through it: Parse turns "$context.routeKey $context.status" into literals and variables; Format.Append reads the
// variables from an event's context and from its outcome, as one line; Sink.Write puts the line in the queue of its
// destination, and that destination's goroutine writes it. Sink.Reopen is for those who rotate the files.
package accesslog
