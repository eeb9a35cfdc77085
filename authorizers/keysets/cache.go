package keysets

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// RetryAfter is the least time between two questions about one issuer: tokens with invented key ids must not make us
	// hammer it (contract/http-api.md §12.4).
	RetryAfter = 5 * time.Second
	// AskTimeout bounds one question: two requests to the issuer, and the way to a worker.
	AskTimeout = 5 * time.Second
	// maxIssuers bounds a cache; issuers come from definitions, so that only many reloads get there.
	maxIssuers = 1000
)

// Query asks for the keys of an issuer, because of a key id.
type Query struct{ Issuer, KeyID string }

// Source finds a newer Set than the asker has.
type Source func(ctx context.Context, q Query) (*Set, error)

// CacheConfig describes a Cache. Source is required.
type CacheConfig struct {
	Source Source
	// RefreshAfter is how long keys are used without asking again; 0 means FetchAfter.
	RefreshAfter time.Duration
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// Logger is told when old keys are used for want of new ones; nil is no log.
	Logger *slog.Logger
}

// errClosed is what a Cache that is closed says instead of asking.
var errClosed = errors.New("keysets: the cache is closed")

// Cache keeps the keys of issuers in memory. It may be used concurrently.
type Cache struct {
	source  Source
	refresh time.Duration
	now     func() time.Time
	logger  *slog.Logger

	life   context.Context //nolint:containedctx // ends with Close, and questions with it
	cancel context.CancelFunc
	asking sync.WaitGroup // the questions' goroutines

	mu      sync.Mutex // guards the fields below, and those of entries
	issuers map[string]*entry
	closed  bool
}

// entry is what the cache knows of one issuer.
type entry struct {
	question *question // the one under way, or nil
	set      *Set
	from     time.Time // when the set came
	asked    time.Time // when the last question began
	fault    error     // what came of it
}

// question is one question about an issuer, for all who want to know.
type question struct {
	done chan struct{} // closed when the fields below are there
	set  *Set
	err  error
}

// NewCache returns an empty Cache. Its Close is the caller's.
func NewCache(c CacheConfig) (*Cache, error) {
	if c.Source == nil {
		return nil, errors.New("keysets: Source is missing")
	}
	if c.RefreshAfter == 0 {
		c.RefreshAfter = FetchAfter
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	life, cancel := context.WithCancel(context.Background())
	return &Cache{
		source: c.Source, refresh: c.RefreshAfter, now: c.Now, logger: c.Logger, life: life, cancel: cancel, issuers: map[string]*entry{},
	}, nil
}

// Keys returns the keys of the issuer. They need not hold the key of the query: then the issuer was asked a moment ago and
// did not have it. Concurrent callers wait for one question, each until its ctx ends: the question goes on without them,
// so that a client that goes away does not use up the issuer's turn. An error means that there are no keys that may be used.
func (c *Cache) Keys(ctx context.Context, q Query) (*Set, error) {
	asked, set, err := c.look(ctx, q)
	if asked == nil {
		return set, err
	}
	select {
	case <-asked.done:
		return asked.set, asked.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the questions under way and returns when they have. What is in memory still serves.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true // before Wait: no question begins any more
	c.mu.Unlock()
	c.cancel()
	c.asking.Wait()
}

// look answers from memory, where that is possible or where it is too early to ask again. Otherwise it returns the
// question to wait for.
func (c *Cache) look(ctx context.Context, q Query) (*question, *Set, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entryLocked(q.Issuer), c.now()
	usable, known := c.usable(e), false
	if usable {
		_, known = e.set.Key(q.KeyID)
	}
	early := !e.asked.IsZero() && now.Sub(e.asked) < RetryAfter
	switch {
	case known && now.Sub(e.from) < c.refresh:
		return nil, e.set, nil
	case known && e.question != nil: // old, but not too old
		return nil, e.set, nil
	case e.question != nil:
		return e.question, nil, nil
	case early && usable:
		return nil, e.set, nil
	case early && e.fault != nil:
		return nil, nil, e.fault
	case c.closed:
		return nil, nil, errClosed
	}
	asked := &question{done: make(chan struct{})}
	e.question, e.asked, e.fault = asked, now, nil
	ctx = context.WithoutCancel(ctx) // the trace alone is the asker's
	c.asking.Go(func() { c.ask(ctx, e, q) })
	return asked, nil, nil
}

// ask asks the question of an entry.
func (c *Cache) ask(ctx context.Context, e *entry, q Query) {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	stop := context.AfterFunc(c.life, cancel)
	defer stop()
	set, err := c.source(ctx, q)
	c.mu.Lock()
	defer c.mu.Unlock()
	e.fault = err
	switch {
	case err == nil:
		e.set, e.from = set, c.now()
	case c.usable(e):
		c.logger.Warn("an issuer's keys are old: there are no new ones", slog.String("issuer", q.Issuer), slog.Any("error", err))
		set, err = e.set, nil
	}
	asked := e.question
	e.question, asked.set, asked.err = nil, set, err
	close(asked.done)
}

func (c *Cache) entryLocked(issuer string) *entry {
	e := c.issuers[issuer]
	if e == nil {
		if len(c.issuers) >= maxIssuers {
			clear(c.issuers) // a question under way goes on for those who wait
		}
		e = &entry{}
		c.issuers[issuer] = e
	}
	return e
}

func (c *Cache) usable(e *entry) bool { return e.set != nil && c.now().Sub(e.set.FetchedAt) < MaxAge }
