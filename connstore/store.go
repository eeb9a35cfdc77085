// Package connstore remembers which client connection is where, so that a $disconnect event can be told even when the
// edge that held the connection has died.
//
// It is the contract alone; connstore/journal keeps it on JetStream, connstore/memory in one process, and
// connstore/connstoretest is the test that both pass. The edge writes through a Journal; internal/app claims that
// journal at start and takes over what dead incarnations left. Live questions (who is connected now, last activity) are
// asked of the edges and never of a store (DESIGN §3.5).
//
// One path through it: a process claims an incarnation (Store.Claim); the edge records each connection before the
// backend hears of it (Journal.Opened) and its end (Journal.Closed); the process is killed; it starts again, finds its
// former incarnation (Store.Abandoned), wins it (Store.TakeOver), publishes one $disconnect for each of
// Orphans.Connections and forgets them (Orphans.Done).
package connstore

import (
	"context"
	"errors"

	"github.com/sallyport/sallyport/gateway"
)

// The errors that callers tell apart with errors.Is. Failures of the place where a store keeps its records are
// *gateway.Error values with CodeUnavailable.
var (
	// ErrTaken: somebody else has the incarnation, be it its living owner or another process that takes it over.
	ErrTaken = errors.New("connection store: the incarnation belongs to somebody else")
	// ErrLost: the journal's lease is gone, its incarnation may be in other hands.
	ErrLost = errors.New("connection store: the lease of this incarnation is lost")
	// ErrClosed: the store was closed, or the journal released.
	ErrClosed = errors.New("connection store: closed")
)

// MaxRecordBytes bounds what one connection may take in a journal. An authorizer's context is the only part without a
// small bound of its own, and it has to fit in a NATS header as well.
const MaxRecordBytes = 64 << 10

// Alive asks an edge for a sign of life by a way that does not need the store, such as a core NATS request. false
// without an error is proof that nobody serves the incarnation; an error proves nothing, since a frozen process and a
// slow network answer alike (nats-facts §5.6).
type Alive func(ctx context.Context, edge gateway.EdgeID) (bool, error)

// Store is where incarnations of edges are claimed, listed and taken over. All methods may be called concurrently, from
// any number of processes that share the place where the records are kept. After Close they return ErrClosed.
type Store interface {
	// Claim takes a new incarnation for node: an EdgeID that no other has, with a lease that the store keeps alive until
	// the journal is released or lost. node is the configured name of the process; by it a restarted process knows what
	// it left behind. Claim waits for the place of the records until ctx ends; then CodeUnavailable.
	Claim(ctx context.Context, node string) (Journal, error)

	// Abandoned returns the incarnations, in ascending order, that nobody serves any more and that node may take over:
	// those whose lease names node, and those of any node that have a journal, no lease or one that was not refreshed for
	// longer than its holder may live on; all of them proven dead three times in a row.
	// Incarnations and take-overs of this very store are among them only once it has lost them. A call looks at a bounded
	// number of suspects and may take a few seconds; callers repeat it from time to time and after each of Suspicions.
	Abandoned(ctx context.Context, node string) ([]gateway.EdgeID, error)

	// Suspicions has a value when Abandoned may find something new. It has room for one, is never closed, and is read by one
	// goroutine.
	Suspicions() <-chan struct{}

	// TakeOver makes node the one that ends the incarnation: of all callers, exactly one wins, the others get ErrTaken.
	// So does whoever asks for an incarnation whose owner is alive or holds a lease under another node's name. From the
	// moment it returns, the former owner can record nothing more.
	TakeOver(ctx context.Context, edge gateway.EdgeID, node string) (*Orphans, error)

	// Edges returns the incarnations that hold a live lease, in ascending order. Those being taken over are not among
	// them.
	Edges(ctx context.Context) ([]gateway.EdgeID, error)

	// Leased reports whether edge is one of Edges. When it is not, its connections are gone for good; when it is, an edge
	// that can't be reached may come back (DESIGN §3.4: 410 against 503).
	Leased(ctx context.Context, edge gateway.EdgeID) (bool, error)

	// Close ends what the store runs, and waits for it. It releases nothing: journals that were not released and take-overs
	// that were not done are left as a killed process would leave them. Closing twice is fine.
	Close() error
}

// Journal is one incarnation's record of its connections, written by the edge that claimed it. All methods may be
// called concurrently.
type Journal interface {
	// Edge returns the incarnation: the first four characters of its connections' ids.
	Edge() gateway.EdgeID

	// Opened records c, whose id must belong to Edge, and returns when the record is durable. ConnectedAt is kept to the
	// millisecond. The journal keeps c until Closed: nobody may change it any more.
	//
	// Records are grouped, so many callers cost little more than one. While the place of the records is away Opened waits
	// up to ten seconds, in a bounded queue. Errors: CodeUnavailable (it stayed away, the queue is full, the journal is
	// lost or released), CodeTooLarge (over MaxRecordBytes), CodeInternal (an id of another edge), and ctx's error in an
	// *gateway.Error with CodeUnavailable. After an error the connection counts as never opened: where its record may
	// have got through, the journal itself writes the close. (Only on a lost journal it can't: a taker-over may then publish
	// a $disconnect for a connection that was never accepted.)
	Opened(ctx context.Context, c *gateway.Connection) error

	// Closed records the end of a connection. It never blocks: what is not yet written stays in memory, at most one entry
	// per connection. Ids that are not open are ignored. Callers call it after Opened has returned.
	Closed(id gateway.ConnectionID)

	// Lost is closed when the lease is lost, or could not be refreshed for so long that it may be. The edge must fence
	// itself: close its clients and publish no $disconnect, since whoever takes over does (DESIGN §3.6). Releasing the
	// journal or closing the store does not close it.
	Lost() <-chan struct{}

	// Held reports whether the incarnation is certainly this journal's now: that its lease was refreshed so lately that
	// nobody can have taken it. It is false a moment before Lost is closed, and at once in a process that was stopped
	// meanwhile; the edge then serves no message and publishes no $disconnect. It costs two atomic loads and a clock reading.
	Held() bool

	// Healthy reports whether lease and records are being written without trouble now: a part of readiness.
	Healthy() bool

	// Release gives the incarnation up: waiting opens fail, closes are written, and when no connection is left the journal
	// is purged. Then the lease is dropped. Connections that are still open stay recorded, for others to take over. The
	// error is ErrLost when the lease was lost before, ErrClosed after the store was closed, CodeUnavailable when ctx ended
	// first; whatever was not done is then left to a take-over. Releasing again returns the first result.
	Release(ctx context.Context) error
}
