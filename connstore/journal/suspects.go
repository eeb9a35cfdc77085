package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

const (
	// provenDead is how many probes in a row must find nobody before an incarnation that this process did not lose itself
	// counts as dead (DESIGN §3.6): one may meet an edge that is connecting to NATS anew, also one of the same node's name.
	provenDead = 3
	// silentTTLs is how many TTLs an incarnation without a lease may fail to answer, without proof of its death, until
	// that is proof enough (nats-facts §5.6).
	silentTTLs = 3
	// maxSuspects bounds the incarnations that one call of Abandoned probes. Those left out have the same chance next time.
	maxSuspects = 64
	// probesAtOnce bounds the probes on their way at one time.
	probesAtOnce = 16
)

// grounds is why an incarnation is suspect.
type grounds uint8

const (
	// groundsOwn: this process lost the lease, and so knows that nobody serves the incarnation. One probe is enough.
	groundsOwn grounds = iota
	// groundsFormer: another process holds the lease under this node's name: a former life of it, as a rule.
	groundsFormer
	// groundsSilent: the lease is live, and was not refreshed for so long that its holder has fenced itself, if it runs.
	groundsSilent
	// groundsUnleased: there is a journal and no lease.
	groundsUnleased
)

// suspect is an incarnation that may be abandoned, and the edge that must be asked.
type suspect struct {
	edge    gateway.EdgeID
	ask     gateway.EdgeID // "" when there is nobody to ask
	grounds grounds
}

// Abandoned implements connstore.Store.
func (s *Store) Abandoned(ctx context.Context, node string) ([]gateway.EdgeID, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	suspects, err := s.suspects(ctx, node)
	if err != nil {
		return nil, s.failure(err)
	}
	var (
		mu   sync.Mutex
		dead []gateway.EdgeID
	)
	group, probing := errgroup.WithContext(ctx)
	group.SetLimit(probesAtOnce)
	for _, p := range suspects {
		group.Go(func() error {
			isDead, err := s.isDead(probing, p)
			if isDead {
				mu.Lock()
				defer mu.Unlock()
				dead = append(dead, p.edge)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, s.failure(err)
	}
	s.provedDead(dead)
	slices.Sort(dead)
	return dead, nil
}

// Suspicions implements connstore.Store.
func (s *Store) Suspicions() <-chan struct{} { return s.watch.suspicions }

// suspects returns what Abandoned has to probe: leases of node that other processes hold and those that this process
// lost, leases that are silent, and journals without a lease.
func (s *Store) suspects(ctx context.Context, node string) ([]suspect, error) {
	// Journals first: one that is released in between has neither lease nor journal in the end, not a journal alone.
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(s.names.journals+"*"))
	if err != nil {
		return nil, err
	}
	held, err := s.leases.all(ctx)
	if err != nil {
		return nil, err
	}
	var out []suspect
	for edge, r := range held {
		if g, ok := s.suspectLease(edge, r, node); ok {
			out = append(out, suspect{edge: edge, ask: r.asks(edge), grounds: g})
		}
	}
	for subject := range info.State.Subjects {
		edge, ok := s.names.edge(subject)
		if _, leased := held[edge]; ok && !leased {
			out = append(out, suspect{edge: edge, ask: edge, grounds: groundsUnleased})
		}
	}
	if len(out) > maxSuspects {
		rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		out = out[:maxSuspects]
	}
	s.forgetSilent(out)
	return out, nil
}

// asks is the edge that answers for whoever holds the lease of edge.
func (r *leaseRecord) asks(edge gateway.EdgeID) gateway.EdgeID {
	if r.TakeOver {
		return r.By
	}
	return edge
}

// suspectLease says whether the live lease r of edge is suspect to node, and why.
func (s *Store) suspectLease(edge gateway.EdgeID, r leaseRecord, node string) (grounds, bool) {
	if r.Process == s.process {
		return groundsOwn, !r.TakeOver && s.watch.hasLost(edge)
	}
	if r.Node == node {
		return groundsFormer, true
	}
	silent, _ := s.watch.silence(edge)
	return groundsSilent, silent >= s.timing.Silence-s.watch.early()
}

// isDead probes p. Its error is that of ctx.
func (s *Store) isDead(ctx context.Context, p suspect) (bool, error) {
	times := provenDead
	if p.grounds == groundsOwn {
		times = 1
	}
	for i := range times {
		if i > 0 {
			if err := pause(ctx, s.timing.Probe); err != nil {
				return false, err
			}
		}
		if p.grounds == groundsSilent && i == times-1 {
			// The last probe counts only once its holder, if it runs, has fenced itself.
			silent, _ := s.watch.silence(p.edge)
			if silent == 0 {
				return false, nil // it was refreshed
			}
			if err := pause(ctx, s.timing.Silence-silent); err != nil {
				return false, err
			}
		}
		switch alive, err := s.probe(ctx, p.ask); {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case alive:
			s.heard(p.edge)
			return false, nil
		case err != nil:
			// No proof, however often it is repeated; the others need not wait for it.
			return p.grounds == groundsUnleased && s.silentTooLong(p.edge), nil
		}
	}
	return true, nil
}

// probe asks an edge once; nobody to ask is nobody alive.
func (s *Store) probe(ctx context.Context, edge gateway.EdgeID) (bool, error) {
	if edge == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return s.alive(ctx, edge)
}

func (s *Store) heard(edge gateway.EdgeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.silent, edge)
}

// silentTooLong notes that edge gave no answer and reports whether that has been so for long enough.
func (s *Store) silentTooLong(edge gateway.EdgeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, known := s.silent[edge]
	if !known {
		s.silent[edge] = s.now()
	}
	return known && s.now().Sub(since) >= silentTTLs*s.timing.LeaseTTL
}

// forgetSilent keeps the notes of suspects alone, and so bounds them.
func (s *Store) forgetSilent(suspects []suspect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for edge := range s.silent {
		if !slices.ContainsFunc(suspects, func(p suspect) bool { return p.edge == edge && p.grounds == groundsUnleased }) {
			delete(s.silent, edge)
		}
	}
}

// provedDead notes what the last search found, so that its take-overs need not prove it all again.
func (s *Store) provedDead(edges []gateway.EdgeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.proven)
	for _, edge := range edges {
		s.proven[edge] = true
	}
}

// mayTake returns ErrTaken unless the lease as seen allows node to take edge over.
func (s *Store) mayTake(ctx context.Context, edge gateway.EdgeID, node string, seen lease) error {
	p := suspect{edge: edge, ask: edge, grounds: groundsUnleased}
	if seen.state == leaseLive {
		var ok bool
		if p.grounds, ok = s.suspectLease(edge, seen.record, node); !ok {
			return connstore.ErrTaken
		}
		if silent, seq := s.watch.silence(edge); p.grounds == groundsSilent && (silent < s.timing.Silence || seq != seen.seq) {
			return connstore.ErrTaken // it was refreshed meanwhile, or may be yet
		}
		p.ask = seen.record.asks(edge)
	} else if _, err := s.stream.GetLastMsgForSubject(ctx, s.names.journals+string(edge)); err != nil {
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return connstore.ErrTaken // somebody has ended it
		}
		return s.failure(err)
	}
	// The caller has found it dead; it may have come back since, or be known to the caller by hearsay alone.
	s.mu.Lock()
	proven := s.proven[edge]
	since, silent := s.silent[edge]
	s.mu.Unlock()
	if proven {
		alive, err := s.probe(ctx, p.ask)
		switch {
		case ctx.Err() != nil:
			return s.failure(ctx.Err())
		case alive:
			return connstore.ErrTaken
		case err == nil:
			return nil
		case p.grounds == groundsUnleased && silent && s.now().Sub(since) >= silentTTLs*s.timing.LeaseTTL:
			return nil
		}
		return connstore.ErrTaken
	}
	dead, err := s.isDead(ctx, p)
	if err != nil {
		return s.failure(err)
	}
	if !dead {
		return connstore.ErrTaken
	}
	return nil
}
