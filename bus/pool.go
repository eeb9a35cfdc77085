package bus

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"
)

const (
	// backlogPerHandler: a burst may be this much longer than the pool is wide before events are refused. Waiting longer
	// than that, most would be answered after their time-out.
	backlogPerHandler = 4
	// backlogBytes bounds what the waiting events hold.
	backlogBytes = 256 << 20
	// idleHandlers stay for the next event, so that an ordinary load starts no goroutine per event.
	idleHandlers = 32
)

// pool runs messages on goroutines that it starts on demand, at most max. What finds none free waits in a bounded
// queue; what finds no place there is refused.
type pool struct {
	max    int
	work   func(context.Context, *nats.Msg)
	ctx    context.Context // of all handlers; canceled by close
	cancel context.CancelFunc

	mu      sync.Mutex
	more    *sync.Cond
	queue   []*nats.Msg // a ring of fixed size: all that may be inside
	head, n int
	bytes   int // of what is in the queue
	busy    int // goroutines that run a message now
	running int // goroutines, idle ones included
	idle    int // of them, waiting and not yet called by submit
	ending  bool
	ended   chan struct{} // closed when ending and no goroutine is left
}

func newPool(limit int, work func(context.Context, *nats.Msg)) *pool {
	p := &pool{
		max: limit, work: work, queue: make([]*nats.Msg, (1+backlogPerHandler)*limit), ended: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.more = sync.NewCond(&p.mu)
	return p
}

// submit takes m, or reports that there is no place for it. It never blocks.
func (p *pool) submit(m *nats.Msg) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	// What runs and what waits are counted together: a goroutine that was called, but has not taken its message yet, must
	// not make a burst look longer than it is. A single message over the byte bound still passes when nothing waits.
	if p.ending || p.busy+p.n == len(p.queue) || p.n > 0 && p.bytes+len(m.Data) > backlogBytes {
		return false
	}
	p.queue[(p.head+p.n)%len(p.queue)] = m
	p.n++
	p.bytes += len(m.Data)
	switch {
	case p.idle > 0:
		p.idle-- // on behalf of the goroutine that wakes, so that the next submit does not count on it as well
		p.more.Signal()
	case p.running < p.max:
		p.running++
		go p.loop()
	}
	return true
}

func (p *pool) popLocked() *nats.Msg {
	m := p.queue[p.head]
	p.queue[p.head] = nil
	p.head = (p.head + 1) % len(p.queue)
	p.n--
	p.bytes -= len(m.Data)
	return m
}

func (p *pool) loop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for p.n == 0 {
			if p.ending || p.idle >= idleHandlers {
				p.leaveLocked()
				return
			}
			p.idle++
			p.more.Wait()
		}
		m := p.popLocked()
		p.busy++
		p.mu.Unlock()
		p.work(p.ctx, m)
		p.mu.Lock()
		p.busy--
	}
}

func (p *pool) leaveLocked() {
	p.running--
	if p.ending && p.running == 0 {
		close(p.ended)
	}
}

func (p *pool) endLocked() {
	if p.ending {
		return
	}
	p.ending = true
	p.idle = 0 // all of them are called
	p.more.Broadcast()
	if p.running == 0 {
		close(p.ended)
	}
}

// drain takes no more and waits until everything has run or ctx ends.
func (p *pool) drain(ctx context.Context) error {
	p.mu.Lock()
	p.endLocked()
	p.mu.Unlock()
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close cancels what runs, waits for it and returns what had to wait. It takes as long as the slowest handler needs to
// notice that its context has ended, which gateway.Invoker requires of it.
func (p *pool) close() []*nats.Msg {
	p.mu.Lock()
	p.endLocked()
	left := make([]*nats.Msg, 0, p.n)
	for p.n > 0 {
		left = append(left, p.popLocked())
	}
	p.mu.Unlock()
	p.cancel()
	<-p.ended
	return left
}
