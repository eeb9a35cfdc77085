package connstore

import (
	"context"

	"github.com/sallyport/sallyport/gateway"
)

// Orphans are the connections that a dead incarnation left, in the hands of the one who took it over. Until Done the
// store keeps the take-over's lease alive; when the process dies half way the lease runs out and the incarnation may
// be taken over again, so a $disconnect may be published twice, with the same message id (DESIGN §3.6).
type Orphans struct {
	// Edge is the incarnation that was taken over.
	Edge gateway.EdgeID
	// Connections were open when it died, in ascending order of ConnectedAt.
	Connections []gateway.Connection
	// Skipped counts the records that could not be read. They are logged with their position and never stop a take-over.
	Skipped int

	claim Claim
}

// Claim is a take-over's hold on its incarnation, as an implementation of Store keeps it.
type Claim interface {
	// Held is Orphans.Held; it is cheap.
	Held() bool
	// Done is Orphans.Done: it purges journal and lease, and may be called more than once.
	Done(context.Context) error
}

// NewOrphans is for implementations of Store.
func NewOrphans(edge gateway.EdgeID, connections []gateway.Connection, skipped int, claim Claim) *Orphans {
	return &Orphans{Edge: edge, Connections: connections, Skipped: skipped, claim: claim}
}

// Held reports whether the incarnation is certainly still this take-over's. Once it is not it never is again: another
// may have taken it and tell of its connections, so no $disconnect of them is published here any more. It is for the
// time before Done, and may be called concurrently.
func (o *Orphans) Held() bool { return o.claim.Held() }

// Done says that every $disconnect was published: the journal and the lease are purged. The error is ErrTaken when the
// take-over's own lease was lost meanwhile, ErrClosed after the store was closed, and CodeUnavailable when the place of
// the records is away; calling Done again is then worth it.
func (o *Orphans) Done(ctx context.Context) error { return o.claim.Done(ctx) }
