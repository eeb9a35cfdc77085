package edge

import "time"

// The front's bounds: what an unknown client may cost before we know what it wants.
const (
	// maxHeadBytes is Amazon's bound on request line and headers together (contract/http-api.md §15).
	maxHeadBytes = 10_240
	// maxHeads is how many connections may be sending their first head at the same time: at 10 KiB each 40 MiB. Beyond
	// it accept waits, so the kernel's backlog is the queue.
	maxHeads = 4096
	// maxHelloBytes is what a client may send for its TLS handshake: two first messages with post-quantum keys and a session
	// ticket, in case the server asks again. crypto/tls holds it up to twice, and the head's buffer comes only afterwards.
	maxHelloBytes = 10_240
	// crowdedHeadTimeout is how long a head may take while there is no place for another. Clients send it at once; two seconds
	// are a lost packet and its repetition on a slow line, and more than a busy machine lets a head lie.
	crowdedHeadTimeout = 2 * time.Second
	// maxUpgrades is how many handshakes may wait for the journal and $connect at the same time; more get 503. It is what
	// 280 connects a second need with a backend that takes the full 29 s.
	maxUpgrades = 8192
	// maxJournalWaiters is how many of them may wait while the journal is unhealthy; the rest get 503 at once, so that a
	// JetStream fail-over does not eat the slots of every API.
	maxJournalWaiters = 1024
	// maxAddresses is how many client addresses with a token missing are known at a time: 8 MiB of them.
	maxAddresses = 1 << 16
	// journalWait is how long an upgrade waits for JetStream (DESIGN §3.6).
	journalWait = 10 * time.Second
	// defaultHandshakeTimeout bounds the first request head.
	defaultHandshakeTimeout = 10 * time.Second
	// connectGrace is what we wait for $connect's answer beyond the route's own timeout, in case a Sender forgets us.
	connectGrace = 2 * time.Second
	// noticeTimeout is how long TLS's word of the end may take where a connection can't be written to without waiting: on
	// systems other than Unix. A client that reads has it by then.
	noticeTimeout = 50 * time.Millisecond
	// refusalTimeout bounds writing a refusal to a client that does not read.
	refusalTimeout = 2 * time.Second

	// minAcceptPause and maxAcceptPause bound the back-off after a failed accept, such as no free descriptor; net/http
	// uses the same figures.
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second

	// httpHandoffs is how many accepted connections may wait for net/http's accept loop, which only starts a goroutine.
	httpHandoffs = 128
	// httpIdleTimeout closes kept-alive connections that ask nothing for longer than common clients keep them.
	httpIdleTimeout = 2 * time.Minute
)

// A socket's bounds that no API sets.
const (
	// readBufferBytes is what one read takes: a few small frames, or a quarter of a large message, per system call.
	readBufferBytes = 16 << 10
	// firstBufferBytes is what a reader holds that can't wait without a buffer, as with TLS: most clients' messages.
	firstBufferBytes = 512
	// sendBufferBytes is what the kernel keeps of what a client has not taken; Linux doubles the figure for its own needs.
	// Uncapped it grows to 4 MB for each client that does not read. 64 KiB under way is 5 Mbit/s at 100 ms.
	sendBufferBytes = 64 << 10
	// turnBytes is about how many bytes of messages, inflated ones, receive takes at a time: a few compressed bytes may be
	// a megabyte, and others wait for the same reader.
	turnBytes = 64 << 10
	// flushBytes is the most that is given to a blocked socket at a time, so that a slow client's progress shows.
	flushBytes = 64 << 10
	// copyBytes is the most that is copied to join what waits for a slow client into fewer writes; a longer piece stands in
	// the queue by itself, and those of a broadcast are shared by all queues.
	copyBytes = 4 << 10
	// keepBufferBytes is the largest buffer that a pool keeps; a rare large message must not pin memory.
	keepBufferBytes = 64 << 10
	// trustedBytes is the most that is allocated because a frame header says so; the rest grows as bytes arrive.
	trustedBytes = 32 << 10
	// closeTimeout is how long we wait for the client's close frame, or for it to read ours, before the connection is cut.
	// It fits into the five seconds that a process may take to end (DESIGN §4).
	closeTimeout = 2 * time.Second
	// sweepInterval is the grain of all deadlines: never early, at most this much late (DESIGN §3.12).
	sweepInterval = time.Second
	// hubShards keeps the locks of the hub apart; more than the cores of any machine we know.
	hubShards = 64
)

// The bounds of $disconnect (DESIGN §3.3, contract/websocket-api.md §4.7).
const (
	// disconnectRetry is how long a $disconnect is repeated while nobody serves its route.
	disconnectRetry = 10 * time.Second
	// firstDisconnectPause doubles with each attempt: about six attempts within disconnectRetry.
	firstDisconnectPause = 100 * time.Millisecond
	// awayDisconnectPause is the longest pause between attempts while NATS is away: an attempt that fails costs nothing then.
	awayDisconnectPause = time.Second
	// disconnectSettle is how long the event of a native route waits for a "no responders" answer, which takes one round
	// trip; without one it was delivered.
	disconnectSettle = 500 * time.Millisecond
	// maxDisconnects is how many may be under way or waiting for their next attempt; about 40 MiB of connections. Beyond
	// it an event gets its one attempt and is not repeated.
	maxDisconnects = 100_000
	// orphanWindow is how many connections of another incarnation are told at the same time.
	orphanWindow = 1024
)

// The bounds of a drain.
const (
	// minDrainPause is the grain in which a drain spreads its closes: a thousandth of the usual five seconds.
	minDrainPause = 5 * time.Millisecond
	// answerGrace is how long a drain waits for answers beyond its DrainTimeout: with the close handshakes after it the
	// five seconds that a process may take to end are not used up (DESIGN §4).
	answerGrace = 2 * time.Second
	// maxRounds is how often a leaving client's messages are answered and what it sent meanwhile is read, before it is
	// closed with something unread: one that sends without a pause never has nothing under way.
	maxRounds = 8
	// settlePause is how long a reader that can't ask what has arrived waits for it; on a link of its own machine or network
	// it is there by then.
	settlePause = 5 * time.Millisecond
)
