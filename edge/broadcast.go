package edge

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// A broadcast gives the same messages to many sockets of this edge. Its frames are made once for each form in which
// clients want them (broadcast_frames.go), and a few goroutines, the passes, take part after part of the audience: each
// socket is written to at once, and what it does not take goes to its queue (socket_write.go).
//
// The policy is that of a push, for each client by itself: one whose queue has no room for the messages is skipped, gets
// none of them, and its time as a slow client runs. Nobody waits for it.
//
// Messages of one call reach a client in their order, in one write, and so do those of calls that follow each other. A
// caller whose messages come faster than it is done with them gives several at once: that is what makes a burst cheap.

const (
	// maxPasses is how many goroutines one broadcast uses: what the system calls of writing can be spread over, without
	// one broadcast taking a large machine for itself.
	maxPasses = 4
	// broadcastPart is how many listed connections a pass takes at a time: small enough that passes end together.
	broadcastPart = 64
)

// audience is whom a broadcast addresses: connections of one stage, so that one set of limits holds.
type audience struct {
	api   gateway.APIID
	stage gateway.StageName
	// ids are the connections. Ids that this edge does not know, or that are of another stage, count as gone. nil means
	// all of the stage, as they are now.
	ids []gateway.ConnectionID
}

// broadcastResult counts clients; those that left meanwhile are in neither.
type broadcastResult struct {
	took    int // were given the messages: written or queued
	skipped int // had no room for them
}

// broadcast sends messages to each client of an audience: all of them, or none. It returns when it has tried every client, and
// never waits for one. A client whose upgrade is under way gets nothing. The error is CodeGone, CodeTooLarge or
// CodeBadRequest, and nobody was given anything then.
func (s *Server) broadcast(to audience, messages ...gateway.Push) (broadcastResult, error) {
	program := s.program(to.api, to.stage)
	if program == nil {
		return broadcastResult{}, errGone()
	}
	limits := program.Limits()
	for _, m := range messages {
		if err := checkPush(m, limits); err != nil {
			return broadcastResult{}, err
		}
	}
	if len(messages) == 0 {
		return broadcastResult{}, nil
	}
	b := s.broadcasts.get()
	b.server, b.to, b.limits, b.now = s, to, limits, s.now()
	b.frames.prepare(messages, limits.MaxFrameBytes, &s.deflaters)
	result := b.run()
	s.broadcasts.put(b)
	s.metrics.sent(to.api, to.stage, result.took*len(messages))
	return result, nil
}

// broadcast is one broadcast under way.
type broadcast struct {
	server *Server
	to     audience
	limits gateway.Limits
	now    time.Time
	frames preparedFrames

	next   atomic.Int64 // the part that nobody has taken yet
	passes [maxPasses]pass
	wg     sync.WaitGroup
}

// pass is what one goroutine of a broadcast does.
type pass struct {
	sockets []*socket // of the part in hand
	result  broadcastResult
}

// parts is in how many pieces the audience is taken.
func (b *broadcast) parts() int {
	if b.to.ids == nil {
		return hubShards
	}
	return (len(b.to.ids) + broadcastPart - 1) / broadcastPart
}

// run makes the passes, one of them on the caller's goroutine.
func (b *broadcast) run() (total broadcastResult) {
	n := min(b.parts(), runtime.GOMAXPROCS(0), maxPasses)
	for i := 1; i < n; i++ {
		b.wg.Go(func() { b.pass(&b.passes[i]) })
	}
	b.pass(&b.passes[0])
	b.wg.Wait()
	for i := range b.passes {
		total.took += b.passes[i].result.took
		total.skipped += b.passes[i].result.skipped
	}
	return total
}

// pass takes parts until none is left.
func (b *broadcast) pass(p *pass) {
	parts := b.parts()
	for {
		i := int(b.next.Add(1)) - 1
		if i >= parts {
			return
		}
		p.sockets = b.part(p.sockets[:0], i)
		for _, k := range p.sockets {
			switch k.give(&b.frames, b.limits, b.now) {
			case givenAll:
				p.result.took++
			case givenNothing:
				p.result.skipped++
			case givenTooLate:
			}
		}
	}
}

// part appends the sockets of a part.
func (b *broadcast) part(dst []*socket, i int) []*socket {
	hub := b.server.hub
	if b.to.ids == nil {
		return hub.appendShard(dst, i, b.to.api, b.to.stage)
	}
	for _, id := range b.to.ids[i*broadcastPart : min((i+1)*broadcastPart, len(b.to.ids))] {
		if k := hub.get(id); k != nil && k.conn.API == b.to.api && k.conn.Stage == b.to.stage {
			dst = append(dst, k)
		}
	}
	return dst
}

// broadcastPool keeps broadcasts between calls, for their frames' memory and their lists.
type broadcastPool struct{ pool sync.Pool }

func (p *broadcastPool) get() *broadcast {
	if b, ok := p.pool.Get().(*broadcast); ok {
		return b
	}
	return new(broadcast)
}

// put takes b back: nothing of it refers to sockets or messages any more.
func (p *broadcastPool) put(b *broadcast) {
	b.frames.release()
	b.to = audience{}
	b.next.Store(0)
	for i := range b.passes {
		clear(b.passes[i].sockets[:cap(b.passes[i].sockets)])
		b.passes[i].result = broadcastResult{}
	}
	p.pool.Put(b)
}
