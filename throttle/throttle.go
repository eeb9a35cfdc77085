// Package throttle holds the token buckets of stages, routes and API keys (contract/websocket-api.md §11).
//
// The edge asks it for every handshake and message of an API that is throttled. Buckets outlive a deployment, so that saving
// a definition does not fill them; a changed rate or burst takes effect on the bucket that is there. Those of what is no
// longer deployed are dropped.
//
// One path through it: Allow finds the bucket of a Key, or makes it full, and takes a token out of it. At a new deployment
// Keep drops the buckets that it has no use for.
package throttle

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport/gateway"
)

// Key names a bucket. A stage's own has neither Route nor APIKey.
type Key struct {
	API    gateway.APIID
	Stage  gateway.StageName
	Route  gateway.RouteKey
	APIKey string // the key's name
}

// Buckets are the buckets of one process. The zero value is ready; its methods may be called concurrently. Keys come from
// definitions, never from clients, so their number is that of what is deployed.
type Buckets struct {
	mu      sync.RWMutex // guards the map
	buckets map[Key]*bucket
}

// bucket is a bucket and the figures that it was set to.
type bucket struct {
	limiter *rate.Limiter

	mu  sync.Mutex // guards set
	set gateway.Throttle
}

// Allow takes a token out of the bucket of k and reports whether there was one. A nil t lets everything pass.
func (b *Buckets) Allow(k Key, t *gateway.Throttle, now time.Time) bool {
	if t == nil {
		return true
	}
	found := b.find(k, t)
	found.follow(t, now)
	return found.limiter.AllowN(now, 1)
}

// Keep drops the buckets that used says no to; used must not call the Buckets. A bucket that is asked for again is full.
func (b *Buckets) Keep(used func(Key) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.buckets, func(k Key, _ *bucket) bool { return !used(k) })
}

// Len returns how many buckets there are.
func (b *Buckets) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.buckets)
}

func (b *Buckets) find(k Key, t *gateway.Throttle) *bucket {
	b.mu.RLock()
	found := b.buckets[k]
	b.mu.RUnlock()
	if found != nil {
		return found
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buckets == nil {
		b.buckets = make(map[Key]*bucket)
	}
	if b.buckets[k] == nil {
		b.buckets[k] = &bucket{limiter: rate.NewLimiter(rate.Limit(t.RateLimit), t.BurstLimit), set: *t}
	}
	return b.buckets[k]
}

// follow brings the bucket to the figures of a new deployment.
func (b *bucket) follow(t *gateway.Throttle, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.set == *t {
		return
	}
	b.set = *t
	b.limiter.SetLimitAt(now, rate.Limit(t.RateLimit))
	b.limiter.SetBurstAt(now, t.BurstLimit)
}
