package load

import "time"

const (
	// handshakesAtOnce is how many handshakes a worker has under way by default: below the accept backlog of common
	// servers (128 to 4096), whose overflow costs a connect a whole second.
	handshakesAtOnce = 128
	// drainTimeout is how long replies may take after the last message was sent.
	drainTimeout = 3 * time.Second
	// closingTimeout is how long the close handshakes of all connections may take at the end.
	closingTimeout = 2 * time.Second
	// greetingTimeout is how long a server may take for what follows the handshakes: --ready, and the connection's id.
	greetingTimeout = 10 * time.Second
	// newsEvery is how often a worker tells how far it is.
	newsEvery = 200 * time.Millisecond
	// sendsPerTick is how much is sent before replies are read again, so that reading never waits long.
	sendsPerTick = 128
	// longestWait is how long a worker sleeps when nothing is due.
	longestWait = time.Second
	// pingRate is how many connections are checked in a second at the end of `idle`, by all workers together: few enough
	// that the answers are not a storm that one measures itself.
	pingRate = 20_000
	// hopeless is how many handshakes may fail, with none that succeeded, before a worker gives up.
	hopeless = 64
)
