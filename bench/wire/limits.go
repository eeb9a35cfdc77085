package wire

import "time"

const (
	// HandshakeTimeout is how long a connection may take from dial to open. A server that needs longer is overloaded.
	HandshakeTimeout = 10 * time.Second
	// closeTimeout is how long a server may take to answer a close frame and to close the connection first.
	closeTimeout = time.Second
	// writeTimeout bounds a write where writes block: with TLS, and where there is no epoll.
	writeTimeout = 5 * time.Second

	// maxHead bounds the head of an HTTP answer: what common servers send at most.
	maxHead = 16 << 10
	// maxExcerpt is how much of a refusal's body is kept for people.
	maxExcerpt = 200
	// maxMessage bounds a message that arrives: twice the largest message that a Sallyport API may allow.
	maxMessage = 16 << 20
	// maxPending bounds what waits for one server connection to become writable. A scenario bounds its messages in
	// flight long before.
	maxPending = 32 << 20

	// readSize is one read: many small frames, or a good part of a large one.
	readSize = 64 << 10
	// pieceSize is the buffer for an incomplete frame. It grows for a large one.
	pieceSize = 4 << 10
	// keptPieces and keptSize bound what is kept for later: 4 MiB.
	keptPieces = 1024
	keptSize   = 4 * pieceSize

	// eventsPerWait is how many sockets one system call reports: it divides the call's cost.
	eventsPerWait = 512
)
