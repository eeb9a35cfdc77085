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

// Cache keeps the keys of issuers in memory. It may be used concurrently.
type Cache struct {
	source  Source
	refresh time.Duration
	now     func() time.Time
	logger  *slog.Logger

	mu      sync.Mutex
	issuers map[string]*entry
}

// entry is what the cache knows of one issuer. Whoever holds asking may ask and write; set and asked are under the cache's mu.
type entry struct {
	asking chan struct{}
	set    *Set
	asked  time.Time // when the last question began
	fault  error     // what came of it
	from   time.Time // when the set came
}

// NewCache returns an empty Cache.
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
	return &Cache{source: c.Source, refresh: c.RefreshAfter, now: c.Now, logger: c.Logger, issuers: map[string]*entry{}}, nil
}

// Keys returns the keys of the issuer. They need not hold the key of the query: then the issuer was asked a moment ago and
// did not have it. Concurrent callers wait for one question. An error means that there are no keys that may be used.
func (c *Cache) Keys(ctx context.Context, q Query) (*Set, error) {
	e := c.entry(q.Issuer)
	if set, ok, err := c.look(e, q); ok {
		return set, err
	}
	select {
	case e.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-e.asking }()
	if set, ok, err := c.look(e, q); ok { // whoever was before us may have brought it
		return set, err
	}
	c.mu.Lock()
	e.asked = c.now()
	c.mu.Unlock()
	// A client that goes away must not use up the issuer's turn.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), AskTimeout)
	set, err := c.source(asking, q)
	cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.fault = err
	if err == nil {
		e.set, e.from = set, c.now()
		return set, nil
	}
	if c.usable(e) {
		c.logger.Warn("an issuer's keys are old: there are no new ones", slog.String("issuer", q.Issuer), slog.Any("error", err))
		return e.set, nil
	}
	return nil, err
}

func (c *Cache) entry(issuer string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.issuers[issuer]
	if e == nil {
		if len(c.issuers) >= maxIssuers {
			clear(c.issuers)
		}
		e = &entry{asking: make(chan struct{}, 1)}
		c.issuers[issuer] = e
	}
	return e
}

// look answers from memory, where that is possible or where it is too early to ask again.
func (c *Cache) look(e *entry, q Query) (*Set, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, usable := c.now(), c.usable(e)
	if usable && now.Sub(e.from) < c.refresh {
		if _, ok := e.set.Key(q.KeyID); ok {
			return e.set, true, nil
		}
	}
	if e.asked.IsZero() || now.Sub(e.asked) >= RetryAfter {
		return nil, false, nil
	}
	switch {
	case usable:
		return e.set, true, nil
	case e.fault != nil:
		return nil, true, e.fault
	}
	return nil, false, nil // the question is still under way: wait for it
}

func (c *Cache) usable(e *entry) bool { return e.set != nil && c.now().Sub(e.set.FetchedAt) < MaxAge }
