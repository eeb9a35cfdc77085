package edge

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// tallies are the counts of one counter for all its labels. The message path adds to them by itself, and they are read when
// somebody collects: adding to an instrument of OpenTelemetry looks its attributes up each time.
type tallies struct {
	options func(labels) options

	mu sync.RWMutex // guards of
	of map[labels]*tally
}

// tally is the count for one set of labels.
type tally struct {
	n       atomic.Int64
	observe []metric.ObserveOption
}

func newTallies(o func(labels) options) *tallies {
	return &tallies{options: o, of: make(map[labels]*tally)}
}

// get returns the count for l, which is kept for good: what was deployed bounds the number of labels.
func (t *tallies) get(l labels) *tally {
	t.mu.RLock()
	one := t.of[l]
	t.mu.RUnlock()
	if one != nil {
		return one
	}
	made := &tally{observe: t.options(l).observe}
	t.mu.Lock()
	defer t.mu.Unlock()
	if one = t.of[l]; one == nil {
		one = made
		t.of[l] = one
	}
	return one
}

// read tells the counts to who collects. What has not been counted yet is no series.
func (t *tallies) read(_ context.Context, o metric.Int64Observer) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, one := range t.of {
		if n := one.n.Load(); n != 0 {
			o.Observe(n, one.observe...)
		}
	}
	return nil
}

// routeTallies are what a message on one route counts, so that it looks for no labels.
type routeTallies struct {
	in, out  *tally
	answered options // of an answer without error
}

// programTallies are what a push to a connection of one program counts.
type programTallies struct{ posts, out *tally }

// route returns the tallies for messages on r; nil on nil.
func (m *metrics) route(p *router.Program, r *router.Route) *routeTallies {
	if m == nil {
		return nil
	}
	return m.routes.get(r, func() *routeTallies {
		l := labels{api: p.API(), stage: p.Stage(), route: r.Key()}
		t := &routeTallies{answered: m.with(answeredLabels(l, r.Native()))}
		l.family, l.which = familyMessage, string(directionIn)
		t.in = m.messages.get(l)
		l.which = string(directionOut)
		t.out = m.messages.get(l)
		return t
	})
}

// pushed counts a push that was taken.
func (m *metrics) pushed(p *router.Program) {
	if m == nil {
		return
	}
	t := m.programs.get(p, func() *programTallies {
		l := labels{api: p.API(), stage: p.Stage(), family: familyCallback, which: callbackPost}
		t := &programTallies{posts: m.callbacks.get(l)}
		l.family, l.which = familyMessage, string(directionOut)
		t.out = m.messages.get(l)
		return t
	})
	t.posts.n.Add(1)
	t.out.n.Add(1)
}

// answeredLabels are those of an event's end, but for its error.
func answeredLabels(l labels, native bool) labels {
	if native {
		l.family, l.which = familyNative, string(gateway.IntegrationNATS)
	}
	return l
}

// maxResolved bounds what is kept for programs and routes: more than a large node has. What comes beyond is looked up each time.
const maxResolved = 4096

// resolved keeps what was looked up for a key that never changes. Reading takes no lock.
type resolved[K comparable, V any] struct {
	known atomic.Pointer[map[K]*V]
	mu    sync.Mutex // of those who add
}

func (r *resolved[K, V]) get(key K, look func() *V) *V {
	if known := r.known.Load(); known != nil {
		if v := (*known)[key]; v != nil {
			return v
		}
	}
	v := look()
	r.mu.Lock()
	defer r.mu.Unlock()
	grown := make(map[K]*V)
	if known := r.known.Load(); known != nil {
		if len(*known) >= maxResolved {
			return v
		}
		maps.Copy(grown, *known)
	}
	grown[key] = v
	r.known.Store(&grown)
	return v
}

// forget lets go of all keys.
func (r *resolved[K, V]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Store(nil)
}

// follow lets go of the programs and routes of a table that was replaced.
func (m *metrics) follow() {
	if m != nil {
		m.routes.forget()
		m.programs.forget()
	}
}
