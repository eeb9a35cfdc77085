package journal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

// Store is one process' connstore.Store on JetStream.
type Store struct {
	js      jetstream.JetStream
	stream  jetstream.Stream
	leases  *leases
	watch   *watch
	names   names
	max     int // bytes of records per message
	garbage int // bytes of garbage that call for a snapshot
	process string
	loss    LossPolicy
	alive   connstore.Alive
	now     func() time.Time
	timing  Timing
	log     *slog.Logger

	ctx     context.Context // ends with Close; the parent of all that runs
	cancel  context.CancelFunc
	running sync.WaitGroup // holders and writers, and calls that may start some

	mu     sync.Mutex
	closed bool
	edges  []gateway.EdgeID             // claimed here and not given up
	silent map[gateway.EdgeID]time.Time // suspects whose probes fail, since when
	proven map[gateway.EdgeID]bool      // what the last Abandoned returned
}

var _ connstore.Store = (*Store)(nil)

// Open prepares stream and bucket, creating what is missing, and returns a Store. It waits for JetStream until ctx ends.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	most, err := maxMessage(cfg.Conn.MaxPayload())
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.Conn)
	if cfg.Domain != "" {
		js, err = jetstream.NewWithDomain(cfg.Conn, cfg.Domain)
	}
	if err != nil {
		return nil, fmt.Errorf("connstore/journal: %w", err)
	}
	s := &Store{
		js: js, max: most, garbage: garbageBytes, process: rand.Text(), loss: cfg.Loss, alive: cfg.Alive, now: cfg.Now, timing: cfg.Timing, log: cfg.Logger,
		silent: make(map[gateway.EdgeID]time.Time), proven: make(map[gateway.EdgeID]bool),
	}
	for {
		err := s.prepare(ctx, &cfg)
		if err == nil {
			s.raiseReplicas(ctx, cfg.Replicas)
			break
		}
		if !transient(err) || pause(ctx, retryPause) != nil {
			return nil, fmt.Errorf("connstore/journal: prepare JetStream: %w", err)
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.watch = newWatch(s.leases, s.timing, s.process, s.log)
	s.running.Go(func() { s.watch.run(s.ctx) })
	return s, nil
}

// prepare makes sure of stream and bucket. What exists is taken as it is, if it can do what is needed.
func (s *Store) prepare(ctx context.Context, cfg *Config) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	account, err := s.js.AccountInfo(ctx)
	if err != nil {
		return err
	}
	s.names = namesFor(cfg.Prefix, account.Domain, cfg.Domain)
	s.stream, err = s.js.Stream(ctx, s.names.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.stream, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
			Name:        s.names.stream,
			Description: "Sallyport: journals of client connections, one subject per edge",
			Subjects:    []string{s.names.journals + "*"},
			Storage:     jetstream.FileStorage,
			Replicas:    cfg.Replicas,
			Discard:     jetstream.DiscardNew, // if ever a limit is set: refuse a record rather than forget one
			AllowRollup: true,                 // for snapshots (nats-facts §6.5)
		})
	}
	if err != nil {
		return err
	}
	if c := s.stream.CachedInfo().Config; !c.AllowRollup || !slices.Contains(c.Subjects, s.names.journals+"*") {
		return fmt.Errorf("the stream %s exists and is not made for journals: it needs allow_rollup and the subject %s*", s.names.stream, s.names.journals)
	}
	kv, err := s.js.KeyValue(ctx, s.names.bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:         s.names.bucket,
			Description:    "Sallyport: leases of edges",
			Storage:        jetstream.FileStorage,
			Replicas:       cfg.Replicas,
			MaxValueSize:   maxLeaseBytes,
			LimitMarkerTTL: markerTTL,
		})
	}
	if err != nil {
		return err
	}
	bucket, err := s.js.Stream(ctx, "KV_"+s.names.bucket)
	if err != nil {
		return err
	}
	if !bucket.CachedInfo().Config.AllowMsgTTL {
		return fmt.Errorf("the bucket %s exists and is not made for leases: it needs a limit marker TTL", s.names.bucket)
	}
	s.leases = &leases{js: s.js, kv: kv, stream: bucket, names: s.names, ttl: s.timing.LeaseTTL}
	return nil
}

// raiseReplicas makes sure that stream and bucket have so many replicas at least. What has fewer works too, so failing is
// only logged: the next start tries again.
func (s *Store) raiseReplicas(ctx context.Context, replicas int) {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	for _, stream := range []jetstream.Stream{s.stream, s.leases.stream} {
		config := stream.CachedInfo().Config
		if config.Replicas >= replicas {
			continue
		}
		config.Replicas = replicas
		if _, err := s.js.UpdateStream(ctx, config); err != nil {
			s.log.Warn("the replicas of a stream can't be raised now", slog.String("stream", config.Name), slog.Int("replicas", replicas), slog.Any("error", err))
		}
	}
}

// prepareTimeout bounds one attempt to prepare; creating a replicated stream takes up to a second (nats-facts §9.1).
const prepareTimeout = 5 * time.Second

// maxLeaseBytes bounds what may stand in a lease's key, headers included: a node's name is the only part of no fixed size.
const maxLeaseBytes = 4 << 10

// The codes of JetStream's API that decide whether an attempt to create is worth repeating.
const (
	// noPeers: fewer servers run than there shall be replicas.
	noPeers jetstream.ErrorCode = 10005
	// noReplicas: the server stands alone and will not have several.
	noReplicas jetstream.ErrorCode = 10074
)

// transient reports whether an attempt at err's call is worth repeating: JetStream is not there, or not ready. A server
// that will never have JetStream looks the same to a client.
func transient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode != noReplicas && (api.Code >= 500 || api.ErrorCode == noPeers)
	}
	for _, known := range []error{
		context.DeadlineExceeded, jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled,
		jetstream.ErrStreamNameAlreadyInUse, jetstream.ErrBucketExists, // created by another process meanwhile
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// enter begins a call; leave ends it. Close ends its context and waits for it.
func (s *Store) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, connstore.ErrClosed
	}
	s.running.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		s.running.Done()
	}, nil
}

// Claim implements connstore.Store.
func (s *Store) Claim(ctx context.Context, node string) (connstore.Journal, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	value := s.leaseValue(leaseRecord{Node: node})
	for {
		j, err := s.tryClaim(ctx, gateway.NewEdgeID(), value)
		switch {
		case err == nil:
			return j, nil
		case errors.Is(err, errMoved):
			continue // that id is in use
		case pause(ctx, retryPause) != nil:
			return nil, s.failure(err)
		}
	}
}

// tryClaim claims edge, or returns errMoved when it has a lease or a journal.
func (s *Store) tryClaim(ctx context.Context, edge gateway.EdgeID, value []byte) (*journal, error) {
	since := time.Now()
	seq, err := s.leases.write(ctx, edge, value, 0)
	if err != nil {
		return nil, err
	}
	j := &journal{store: s, edge: edge, queue: newQueue(), written: make(chan struct{})}
	j.writer = &writer{
		js: s.js, stream: s.stream, name: s.names.stream, subj: s.names.journals + string(edge), edge: edge,
		log: s.log, queue: j.queue, max: s.max, live: make(map[gateway.ConnectionID]*gateway.Connection), garbage: s.garbage,
	}
	if err := j.writer.begin(ctx); err != nil {
		// The id may have a journal that waits for its take-over; or this lease goes the way of every lease.
		_ = s.leases.remove(ctx, edge, seq)
		return nil, err
	}
	var hold context.Context
	j.holder, hold = holdLease(s.ctx, s.leases, edge, value, seq, since, s.timing)
	if s.loss == LossKeep {
		j.holder.keep, j.holder.reclaim = true, func(ctx context.Context) error { return s.whole(ctx, edge) }
	}
	s.mu.Lock()
	s.edges = append(s.edges, edge)
	s.mu.Unlock()
	j.start(s.ctx, hold)
	return j, nil
}

func (s *Store) leaseValue(r leaseRecord) []byte {
	r.Version, r.Process, r.StartedAt = 1, s.process, s.now().UTC()
	b, _ := json.Marshal(r) // a struct of strings, a time and a bool
	return b
}

// forgetEdge says that edge is no longer this process'.
func (s *Store) forgetEdge(edge gateway.EdgeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edges = slices.DeleteFunc(s.edges, func(e gateway.EdgeID) bool { return e == edge })
}

// whole returns ErrLost when the journal of edge has been read by a taker-over, who may have told of its connections
// although he has not ended the incarnation.
func (s *Store) whole(ctx context.Context, edge gateway.EdgeID) error {
	last, err := s.stream.GetLastMsgForSubject(ctx, s.names.journals+string(edge))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return connstore.ErrLost
	case err != nil:
		return err
	case isFence(last.Data):
		return connstore.ErrLost
	}
	return nil
}

// loseEdge says so of one whose lease was lost, and that this process may be the one to end it.
func (s *Store) loseEdge(edge gateway.EdgeID) {
	s.forgetEdge(edge)
	s.watch.lose(edge)
}

// Edges implements connstore.Store.
func (s *Store) Edges(ctx context.Context) ([]gateway.EdgeID, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	all, err := s.leases.all(ctx)
	if err != nil {
		return nil, s.failure(err)
	}
	var edges []gateway.EdgeID
	for edge, r := range all {
		if !r.TakeOver {
			edges = append(edges, edge)
		}
	}
	slices.Sort(edges)
	return edges, nil
}

// Leased implements connstore.Store.
func (s *Store) Leased(ctx context.Context, edge gateway.EdgeID) (bool, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	if !edge.Valid() { // it comes from a client's connection id
		return false, nil
	}
	l, err := s.leases.read(ctx, edge)
	if err != nil {
		return false, s.failure(err)
	}
	return l.state == leaseLive && !l.record.TakeOver, nil
}

// Close implements connstore.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
	return nil
}

func (s *Store) isClosed() bool { return s.ctx.Err() != nil }

// failure is the error that a method returns for a failed request to JetStream: ErrClosed once the store is closed.
func (s *Store) failure(err error) error {
	if s.isClosed() {
		return connstore.ErrClosed
	}
	return unavailable(err)
}

// unavailable gives err the code and the public message of a store that can't be reached.
func unavailable(err error) error {
	if gateway.ErrorCode(err) == gateway.CodeUnavailable {
		return err
	}
	return (&gateway.Error{Code: gateway.CodeUnavailable, Message: "connection store unavailable"}).Because(err)
}
