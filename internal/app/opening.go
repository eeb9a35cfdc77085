package app

import (
	"context"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/connstore/journal"
)

// openings are the parts of a start that wait for JetStream. They know nothing of each other, so they wait side by side, and
// beside the definitions' compiler; the steps that need one wait for it.
type openings struct {
	store   *opening[*journal.Store]
	keys    *opening[*accesskeys.Store]
	keySets *opening[*bus.Bucket]
	catalog *opening[stores]
}

// opening is a part that is being opened.
type opening[T any] struct {
	done  chan struct{} // closed when the fields below are there
	value T
	err   error
}

// open opens a part on a goroutine of its own.
func open[T any](ctx context.Context, p *process, do func(context.Context) (T, error)) *opening[T] {
	o := &opening[T]{done: make(chan struct{})}
	p.routine.Go(func() {
		defer close(o.done)
		o.value, o.err = do(ctx)
	})
	return o
}

// wait returns the part, or why there is none.
func (o *opening[T]) wait() (T, error) {
	<-o.done
	return o.value, o.err
}

// startOpening begins to open what waits for JetStream. The stops are in the order in which the parts are used, and close what
// was opened although a step before its use failed.
func (p *process) startOpening(ctx context.Context, _ context.CancelCauseFunc) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	p.opening = openings{
		store: open(ctx, p, p.openStore), keys: open(ctx, p, p.openKeys), keySets: open(ctx, p, p.openKeySetBucket),
	}
	if p.config.Mode == ModeServe {
		p.opening.catalog = open(ctx, p, p.openCatalog)
	}
	p.life.onStop("connection store", func(context.Context) error {
		store, err := p.opening.store.wait()
		if err != nil {
			return nil // start has told
		}
		return store.Close()
	})
	p.life.onStop("access keys", func(context.Context) error {
		if keys, err := p.opening.keys.wait(); err == nil {
			keys.Close()
		}
		return nil
	})
	p.life.onStop("opening of what is stored", func(context.Context) error { cancel(); return nil })
	return nil
}
