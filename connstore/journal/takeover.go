package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

const (
	// provenDead is how many probes in a row must find nobody before an incarnation without a lease counts as dead
	// (DESIGN §3.6).
	provenDead = 3
	// silentTTLs is how many TTLs an incarnation without a lease may fail to answer, without proof of its death, until
	// that is proof enough (nats-facts §5.6).
	silentTTLs = 3
	// maxSuspects bounds the incarnations that one call of Abandoned probes. Those left out have the same chance next time.
	maxSuspects = 64
	// probesAtOnce bounds the probes on their way at one time.
	probesAtOnce = 16
)

// suspect is an incarnation that may be abandoned, and the edge that must be asked.
type suspect struct {
	edge   gateway.EdgeID
	ask    gateway.EdgeID // "" when there is nobody to ask
	leased bool           // by the node that asks, so one probe is enough
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
	slices.Sort(dead)
	return dead, nil
}

// suspects returns what Abandoned has to probe: leases of node that other processes hold, and journals without a lease.
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
		switch {
		case r.Node != node || r.Process == s.process:
		case r.TakeOver:
			out = append(out, suspect{edge: edge, ask: r.By, leased: true})
		default:
			out = append(out, suspect{edge: edge, ask: edge, leased: true})
		}
	}
	for subject := range info.State.Subjects {
		edge, ok := s.names.edge(subject)
		if _, leased := held[edge]; ok && !leased {
			out = append(out, suspect{edge: edge, ask: edge})
		}
	}
	if len(out) > maxSuspects {
		rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		out = out[:maxSuspects]
	}
	s.forgetSilent(out)
	return out, nil
}

// isDead probes p. Its error is that of ctx.
func (s *Store) isDead(ctx context.Context, p suspect) (bool, error) {
	if p.ask == "" {
		return true, nil
	}
	times := provenDead
	if p.leased {
		times = 1
	}
	unknown := false
	for i := range times {
		if i > 0 {
			if err := pause(ctx, s.timing.Probe); err != nil {
				return false, err
			}
		}
		alive, err := s.alive(ctx, p.ask)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if alive {
			s.heard(p.edge)
			return false, nil
		}
		unknown = unknown || err != nil
	}
	if !unknown {
		return true, nil
	}
	return !p.leased && s.silentTooLong(p.edge), nil
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
		if !slices.ContainsFunc(suspects, func(p suspect) bool { return p.edge == edge && !p.leased }) {
			delete(s.silent, edge)
		}
	}
}

// TakeOver implements connstore.Store.
func (s *Store) TakeOver(ctx context.Context, edge gateway.EdgeID, node string) (*connstore.Orphans, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if !edge.Valid() {
		return nil, connstore.ErrTaken
	}
	seen, err := s.leases.read(ctx, edge)
	if err != nil {
		return nil, s.failure(err)
	}
	if err := s.mayTake(ctx, edge, node, seen); err != nil {
		return nil, err
	}
	s.mu.Lock()
	var by gateway.EdgeID
	if len(s.edges) > 0 {
		by = s.edges[0]
	}
	s.mu.Unlock()
	value := s.leaseValue(leaseRecord{Node: node, TakeOver: true, By: by})
	since := time.Now()
	seq, err := s.leases.write(ctx, edge, value, seen.seq)
	if errors.Is(err, errMoved) {
		return nil, connstore.ErrTaken
	}
	if err != nil {
		return nil, s.failure(err) // if it was stored it runs out
	}
	t := &takeOver{store: s, edge: edge}
	var hold context.Context
	t.holder, hold = holdLease(s.ctx, s.leases, edge, value, seq, since, s.timing)
	s.running.Go(func() { t.holder.run(hold) })
	f, err := s.fenceAndFold(ctx, edge)
	if err != nil {
		t.holder.stop()
		_ = t.holder.drop(ctx) // so that it can be taken over again at once; else it runs out
		return nil, s.failure(err)
	}
	return connstore.NewOrphans(edge, f.open, f.skipped, t.done), nil
}

// mayTake returns ErrTaken unless the lease as seen allows node to take edge over.
func (s *Store) mayTake(ctx context.Context, edge gateway.EdgeID, node string, seen lease) error {
	p := suspect{edge: edge, ask: edge, leased: true}
	if seen.state == leaseLive {
		if seen.record.Node != node || seen.record.Process == s.process {
			return connstore.ErrTaken
		}
		if seen.record.TakeOver {
			p.ask = seen.record.By
		}
	} else if _, err := s.stream.GetLastMsgForSubject(ctx, s.names.journals+string(edge)); err != nil {
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return connstore.ErrTaken // somebody has ended it
		}
		return s.failure(err)
	}
	// The caller has found it dead; it may have come back since, or be known to the caller by hearsay alone.
	dead, err := s.stillDead(ctx, p, seen.state)
	if err != nil {
		return s.failure(err)
	}
	if !dead {
		return connstore.ErrTaken
	}
	return nil
}

// stillDead probes once. An error of the probe counts for death only where Abandoned has waited for long enough.
func (s *Store) stillDead(ctx context.Context, p suspect, state leaseState) (bool, error) {
	dead, err := s.isDead(ctx, p)
	if err != nil || dead || state == leaseLive {
		return dead, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	since, silent := s.silent[p.edge]
	return silent && s.now().Sub(since) >= silentTTLs*s.timing.LeaseTTL, nil
}

// fenceAndFold cuts the chain of edge's journal and reads what its connections come to. What its former owner publishes
// behind the fence names a sequence that is no longer the last, and is refused.
func (s *Store) fenceAndFold(ctx context.Context, edge gateway.EdgeID) (folded, error) {
	fence := &nats.Msg{
		Subject: s.names.journals + string(edge),
		// Not one of the owner's numbers, so that the owner never takes it for its own message.
		Data: appendHeader(nil, kindFence, rand.Uint64()|1<<63),
	}
	ack, err := s.publishFence(ctx, fence)
	if err != nil {
		return folded{}, err
	}
	return s.fold(ctx, edge, ack.Sequence)
}

func (s *Store) publishFence(ctx context.Context, fence *nats.Msg) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return s.js.PublishMsg(ctx, fence, jetstream.WithExpectStream(s.names.stream))
}

// takeOver is one that is not done yet.
type takeOver struct {
	store  *Store
	edge   gateway.EdgeID
	holder *holder

	mu       sync.Mutex
	finished bool
}

// done purges journal and lease, in this order: a lease without a journal is nothing, a journal without a lease is a
// take-over for somebody.
func (t *takeOver) done(ctx context.Context) error {
	ctx, leave, err := t.store.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return nil
	}
	switch err := t.holder.confirm(ctx); {
	case errors.Is(err, connstore.ErrLost):
		return connstore.ErrTaken
	case err != nil:
		return t.store.failure(err)
	}
	purge, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err := t.store.stream.Purge(purge, jetstream.WithPurgeSubject(t.store.names.journals+string(t.edge))); err != nil {
		return t.store.failure(err)
	}
	t.holder.stop()
	t.finished = true
	if err := t.holder.drop(ctx); err != nil {
		// The journal is gone and the lease is refreshed no more: nothing is left to do but to wait for its end.
		t.store.log.Info("the lease of a finished take-over runs out by itself", "edge", t.edge, "error", err)
	}
	return nil
}
