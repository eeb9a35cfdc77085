// Package memory keeps connections in this process: the twin of connstore/journal for tests and for whoever embeds the
// gateway without NATS.
//
// Stores opened on one Universe see each other as processes on one JetStream do. Leases never run out by themselves,
// since a process can't outlive its own memory; Universe.Expire ends one, as the death of its holder would.
package memory

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// probes is how often in a row an incarnation without a lease must be proven dead, as in connstore/journal.
const probes = 3

// Universe is what stores share: leases and records. It is safe for concurrent use.
type Universe struct {
	mu           sync.Mutex
	incarnations map[gateway.EdgeID]*incarnation
	stores       []*Store // those that are open
}

// suspectLocked tells all stores that there is something to look at.
func (u *Universe) suspectLocked() {
	for _, s := range u.stores {
		select {
		case s.suspicions <- struct{}{}:
		default:
		}
	}
}

// incarnation is one edge's lease and journal, guarded by Universe.mu.
type incarnation struct {
	lease *lease // nil once it ran out or was dropped
	// former is the lease that ran out, whose holder may live and not know it.
	former *lease
	open   map[gateway.ConnectionID]gateway.Connection
}

// lease is the claim of one holder. Who holds the incarnation is a comparison of pointers: the twin of compare-and-set.
type lease struct {
	store *Store
	node  string
	// takeover is set when the incarnation is held to be ended; by is then an edge of the process that does it, or "".
	takeover bool
	by       gateway.EdgeID
	lost     chan struct{} // closed when another takes the incarnation
}

// NewUniverse returns an empty Universe.
func NewUniverse() *Universe {
	return &Universe{incarnations: make(map[gateway.EdgeID]*incarnation)}
}

// Expire ends the lease of edge, if it has one, as though its holder had stopped refreshing it.
func (u *Universe) Expire(edge gateway.EdgeID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if in := u.incarnations[edge]; in != nil && in.lease != nil {
		in.lease, in.former = nil, in.lease
		u.suspectLocked()
	}
}

// Config is what a Store needs.
type Config struct {
	// Universe is shared with the stores of other processes; nil makes a new one.
	Universe *Universe
	// Alive probes edges; nil means that none answers.
	Alive connstore.Alive
}

// Store is one process' view of a Universe. It implements connstore.Store.
type Store struct {
	u          *Universe
	alive      connstore.Alive
	suspicions chan struct{} // capacity 1

	closed bool             // guarded by u.mu
	edges  []gateway.EdgeID // claimed here and not yet given up; guarded by u.mu
}

var _ connstore.Store = (*Store)(nil)

// Open returns a Store. It starts nothing.
func Open(cfg Config) *Store {
	s := &Store{u: cfg.Universe, alive: cfg.Alive, suspicions: make(chan struct{}, 1)}
	if s.u == nil {
		s.u = NewUniverse()
	}
	if s.alive == nil {
		s.alive = func(context.Context, gateway.EdgeID) (bool, error) { return false, nil }
	}
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	s.u.stores = append(s.u.stores, s)
	return s
}

// Claim implements connstore.Store.
func (s *Store) Claim(ctx context.Context, node string) (connstore.Journal, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable(err)
	}
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	if s.closed {
		return nil, connstore.ErrClosed
	}
	edge := gateway.NewEdgeID()
	for s.u.incarnations[edge] != nil {
		edge = gateway.NewEdgeID()
	}
	j := &journal{store: s, edge: edge, lease: &lease{store: s, node: node, lost: make(chan struct{})}}
	s.u.incarnations[edge] = &incarnation{lease: j.lease, open: make(map[gateway.ConnectionID]gateway.Connection)}
	s.edges = append(s.edges, edge)
	return j, nil
}

// Abandoned implements connstore.Store.
func (s *Store) Abandoned(ctx context.Context, node string) ([]gateway.EdgeID, error) {
	type suspect struct {
		edge  gateway.EdgeID
		ask   gateway.EdgeID
		times int
	}
	var suspects []suspect
	s.u.mu.Lock()
	closed := s.closed
	for edge, in := range s.u.incarnations {
		switch l := in.lease; {
		case l == nil:
			suspects = append(suspects, suspect{edge, edge, probes})
		case l.node != node || l.store == s:
		case l.takeover:
			suspects = append(suspects, suspect{edge, l.by, 1})
		default:
			suspects = append(suspects, suspect{edge, edge, 1})
		}
	}
	s.u.mu.Unlock()
	if closed {
		return nil, connstore.ErrClosed
	}
	var dead []gateway.EdgeID
	for _, p := range suspects {
		isDead, err := s.dead(ctx, p.ask, p.times)
		if err != nil {
			return nil, err
		}
		if isDead {
			dead = append(dead, p.edge)
		}
	}
	slices.Sort(dead)
	return dead, nil
}

// dead asks edge for a sign of life; errors of the probe prove nothing.
func (s *Store) dead(ctx context.Context, edge gateway.EdgeID, times int) (bool, error) {
	for range times {
		if edge == "" {
			return true, nil
		}
		alive, err := s.alive(ctx, edge)
		if ctx.Err() != nil {
			return false, unavailable(ctx.Err())
		}
		if alive || err != nil {
			return false, nil
		}
	}
	return true, nil
}

// Suspicions implements connstore.Store.
func (s *Store) Suspicions() <-chan struct{} { return s.suspicions }

// TakeOver implements connstore.Store.
func (s *Store) TakeOver(ctx context.Context, edge gateway.EdgeID, node string) (*connstore.Orphans, error) {
	seen, by, err := s.leaseToTake(edge, node)
	if err != nil {
		return nil, err
	}
	ask := edge
	if seen != nil && seen.takeover {
		ask = seen.by
	}
	if dead, err := s.dead(ctx, ask, 1); err != nil {
		return nil, err
	} else if !dead {
		return nil, connstore.ErrTaken
	}
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	in := s.u.incarnations[edge]
	if in == nil || in.lease != seen || s.closed {
		return nil, connstore.ErrTaken
	}
	for _, l := range []*lease{in.lease, in.former} {
		if l != nil {
			close(l.lost)
		}
	}
	mine := &lease{store: s, node: node, takeover: true, by: by, lost: make(chan struct{})}
	in.lease, in.former = mine, nil
	orphans := make([]gateway.Connection, 0, len(in.open))
	for _, c := range in.open {
		orphans = append(orphans, c)
	}
	slices.SortFunc(orphans, func(a, b gateway.Connection) int { return a.ConnectedAt.Compare(b.ConnectedAt) })
	return connstore.NewOrphans(edge, orphans, 0, &takeOver{store: s, edge: edge, lease: mine}), nil
}

// leaseToTake returns the lease of edge as it stands, nil for none, and an edge of this process to answer for it.
func (s *Store) leaseToTake(edge gateway.EdgeID, node string) (seen *lease, by gateway.EdgeID, err error) {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	if s.closed {
		return nil, "", connstore.ErrClosed
	}
	in := s.u.incarnations[edge]
	if in == nil || in.lease != nil && (in.lease.node != node || in.lease.store == s) {
		return nil, "", connstore.ErrTaken
	}
	if len(s.edges) > 0 {
		by = s.edges[0]
	}
	return in.lease, by, nil
}

// takeOver implements connstore.Claim.
type takeOver struct {
	store *Store
	edge  gateway.EdgeID
	lease *lease
}

// Held implements connstore.Claim.
func (t *takeOver) Held() bool {
	t.store.u.mu.Lock()
	defer t.store.u.mu.Unlock()
	in := t.store.u.incarnations[t.edge]
	return !t.store.closed && in != nil && in.lease == t.lease
}

// Done implements connstore.Claim.
func (t *takeOver) Done(context.Context) error {
	s, edge := t.store, t.edge
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	in := s.u.incarnations[edge]
	switch {
	case s.closed:
		return connstore.ErrClosed
	case in == nil:
		return nil // done before
	case in.lease != t.lease:
		return connstore.ErrTaken
	}
	delete(s.u.incarnations, edge)
	return nil
}

// Edges implements connstore.Store.
func (s *Store) Edges(context.Context) ([]gateway.EdgeID, error) {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	if s.closed {
		return nil, connstore.ErrClosed
	}
	var edges []gateway.EdgeID
	for edge, in := range s.u.incarnations {
		if in.lease != nil && !in.lease.takeover {
			edges = append(edges, edge)
		}
	}
	slices.Sort(edges)
	return edges, nil
}

// Leased implements connstore.Store.
func (s *Store) Leased(ctx context.Context, edge gateway.EdgeID) (bool, error) {
	edges, err := s.Edges(ctx)
	_, found := slices.BinarySearch(edges, edge)
	return found, err
}

// Close implements connstore.Store.
func (s *Store) Close() error {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	s.closed = true
	s.u.stores = slices.DeleteFunc(s.u.stores, func(other *Store) bool { return other == s })
	return nil
}

func unavailable(cause error) error {
	return (&gateway.Error{Code: gateway.CodeUnavailable, Message: "connection store unavailable"}).Because(cause)
}

// stored returns what the records of c would read back as.
func stored(c *gateway.Connection) gateway.Connection {
	out := *c
	out.ConnectedAt = time.UnixMilli(c.ConnectedAt.UnixMilli()).UTC()
	if len(c.Authorizer) == 0 {
		out.Authorizer = nil
	} else {
		out.Authorizer = json.RawMessage(slices.Clone(c.Authorizer))
	}
	return out
}
