package control

import "time"

const (
	// DefaultListen is loopback: health and measures are for this machine unless somebody says otherwise (DESIGN §4).
	DefaultListen = "127.0.0.1:8081"

	// MaxTails bounds the tail streams at a time. While there is one, edges publish a record of every event, so a leak of
	// them would cost the whole gateway.
	MaxTails = 16
	// MaxLists bounds the connection lists at a time: each walks over all sockets of all edges.
	MaxLists = 4

	// headerTimeout is the time for a request's head. A local client needs milliseconds.
	headerTimeout = 5 * time.Second
	// bodyTimeout is the time for a whole request: a callback of 8 MiB over a slow line.
	bodyTimeout = 30 * time.Second
	// responseTimeout is the time for a response that is no stream: a callback waits at most 7 s for another edge.
	responseTimeout = bodyTimeout + 30*time.Second
	// idleTimeout keeps the connections of backends that call back now and then.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes is what SDKs' signed requests need many times over.
	maxHeaderBytes = 32 << 10

	// lineTimeout ends a stream whose reader takes nothing for so long.
	lineTimeout = 15 * time.Second
	// heartbeat is how often a quiet tail gets an empty line, by which dead readers are noticed.
	heartbeat = 15 * time.Second

	// shutdownGrace is what exchanges under way get when Serve stops; streams end at once.
	shutdownGrace = 3 * time.Second
)

const (
	// answerTimeout is the client's time for the head of a response: beyond what a callback may take on the server.
	answerTimeout = 20 * time.Second
	// maxAnswer bounds what the client reads of a single answer; a status or an error is a few hundred bytes.
	maxAnswer = 64 << 10
	// maxLine bounds a line of a stream: a record or a connection with its authorizer's context.
	maxLine = 1 << 20
)
