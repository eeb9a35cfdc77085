package edge

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// disconnects publishes the $disconnect events of closed connections (contract/websocket-api.md §4.7). An event that
// finds nobody is repeated with growing pauses for disconnectRetry. When it is settled, one way or the other, the
// connection's owner is told.
type disconnects struct {
	server *Server
	wake   chan struct{} // capacity 1: the repeat loop looks again

	ended chan struct{} // closed by stop: nothing is repeated any more

	mu      sync.Mutex // guards the fields below
	waiting farewells  // for their next attempt, earliest first
	count   int        // under way or waiting
	idle    chan struct{}
	stopped bool
}

// goodbye is one closed connection on its way out.
type goodbye struct {
	conn  gateway.Connection
	close gateway.Close
	owner owner
	last  *router.Program // of the last attempt, should the API go meanwhile
	first time.Time       // of the first attempt
	pause time.Duration
	next  time.Time
}

// owner has the connection whose $disconnect is told, and hears when that is settled.
type owner interface {
	owns() claim
	settled(gateway.ConnectionID)
}

// claim is whether a connection's end is still its owner's to tell.
type claim uint8

const (
	claimHeld     claim = iota
	claimDoubtful       // it may be in other hands; held again, or lost, before long
	claimGone           // another may tell it, for good
)

// ownJournal owns this incarnation's connections.
type ownJournal struct{ journal connstore.Journal }

func (o ownJournal) owns() claim {
	if o.journal.Held() {
		return claimHeld
	}
	return claimDoubtful
}

func (o ownJournal) settled(id gateway.ConnectionID) { o.journal.Closed(id) }

func newDisconnects(s *Server) *disconnects {
	return &disconnects{server: s, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// add tells the backend that an own connection is closed and the journal when that is settled. It never blocks.
func (d *disconnects) add(c gateway.Connection, how gateway.Close) {
	d.begin(c, how, ownJournal{d.server.cfg.Journal})
}

func (d *disconnects) begin(c gateway.Connection, how gateway.Close, of owner) {
	now := d.server.now()
	g := &goodbye{conn: c, close: how, owner: of, first: now, pause: firstDisconnectPause}
	d.mu.Lock()
	d.count++
	d.mu.Unlock()
	d.attempt(g)
}

// attempt publishes once. The route is looked up each time: a deployment may have changed it.
func (d *disconnects) attempt(g *goodbye) {
	switch g.owner.owns() {
	case claimHeld:
	case claimDoubtful:
		d.await(g)
		return
	case claimGone:
		d.leave() // unsettled: whoever has it tells of it
		return
	}
	p := d.server.lastProgram(g.conn.API, g.conn.Stage)
	if p == nil {
		p = g.last
	}
	if p == nil || p.Disconnect() == nil {
		d.server.logDisconnect(p, g, 0, nil)
		d.settle(g)
		return
	}
	g.last = p
	start := d.server.now()
	route := p.Disconnect()
	ev := disconnectEvent(p, route, g, start)
	sent, err := encodeForRoute(route, ev)
	if err != nil {
		d.finish(g, ev, start, err)
		return
	}
	ctx, end := d.server.tracing.disconnect(p, route, g.conn.ID)
	d.server.cfg.Sender.Send(ctx, sent, func(_ *gateway.Reply, err error) {
		// A native backend need not answer; that it was silent means that somebody has the event.
		if route.Native() && gateway.ErrorCode(err) == gateway.CodeTimeout {
			err = nil
		}
		end(err)
		d.finish(g, ev, start, err)
	})
}

// disconnectEvent builds the event. Its request id follows from the connection's, so that a backend can tell a repeat:
// after a crash another edge may publish it again.
func disconnectEvent(p *router.Program, route *router.Route, g *goodbye, now time.Time) *gateway.Event {
	request := disconnectRequestID(g.conn.ID)
	b := event.AppendConnection(nil, &g.conn)
	b = append(b, route.Context()...)
	b = event.AppendMessage(b, event.MessageInfo{
		Kind: gateway.EventDisconnect, Request: request, Time: now, Disconnect: &g.close,
	})
	ev := &gateway.Event{
		Kind: gateway.EventDisconnect, API: p.API(), Stage: p.Stage(), Route: route.Key(), Subject: route.Subject(),
		Expect: gateway.ExpectAck, Timeout: route.Timeout(), Connection: g.conn.ID, Request: request, Context: b,
		// contract/websocket-api.md §6.3: these four and no others.
		Header: gateway.Header{"Host": {g.conn.DomainName}, "x-api-key": {""}, "X-Forwarded-For": {""}, "x-restapi": {""}},
	}
	if route.Native() {
		ev.Expect, ev.Timeout = gateway.ExpectReply, disconnectSettle
	}
	return ev
}

// disconnectRequestID derives the request id of a connection's $disconnect.
func disconnectRequestID(id gateway.ConnectionID) gateway.RequestID {
	const idBytes = 11 // as in every id, contract/websocket-api.md §4.3
	sum := sha256.Sum256([]byte("$disconnect " + string(id)))
	return gateway.RequestID(base64.URLEncoding.EncodeToString(sum[:idBytes]))
}

// finish repeats an event that found nobody, and settles any other.
func (d *disconnects) finish(g *goodbye, ev *gateway.Event, start time.Time, err error) {
	if gateway.ErrorCode(err) == gateway.CodeUnavailable && d.repeat(g) {
		return
	}
	s := d.server
	if err != nil {
		s.log.Warn("$disconnect failed", "api", g.conn.API, "stage", g.conn.Stage, "connection", g.conn.ID, "error", err)
	}
	s.metrics.answered(ev, eventEnd{took: s.now().Sub(start), err: err})
	s.logDisconnect(g.last, g, s.now().Sub(start), err)
	if s.observing() {
		s.observe(event.Record{
			Time: start, API: ev.API, Stage: ev.Stage, Route: ev.Route, Kind: event.KindDisconnect,
			Connection: ev.Connection, Request: ev.Request, Status: g.close.Code, Code: gateway.ErrorCode(err),
			Error: publicMessage(err), Latency: s.now().Sub(start),
		})
	}
	d.settle(g)
}

// repeat queues g for another attempt, unless its time is over or too many wait.
func (d *disconnects) repeat(g *goodbye) bool {
	if !d.server.cfg.Journal.Healthy() {
		d.await(g)
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return true // left to a take-over, so never settled
	}
	if d.count > maxDisconnects || d.server.now().Add(g.pause).Sub(g.first) > disconnectRetry {
		return false
	}
	d.queueLocked(g)
	return true
}

// await queues g for when NATS, or the lease, is back. Its time does not pass until then, and how many wait is bounded by
// the connections there were: the journal lets none in.
func (d *disconnects) await(g *goodbye) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return // as in repeat
	}
	g.first = d.server.now()
	g.pause = min(g.pause, awayDisconnectPause)
	d.queueLocked(g)
}

func (d *disconnects) queueLocked(g *goodbye) {
	g.next = d.server.now().Add(g.pause)
	g.pause *= 2
	heap.Push(&d.waiting, g)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *disconnects) settle(g *goodbye) {
	g.owner.settled(g.conn.ID)
	d.leave()
}

// leave counts one out.
func (d *disconnects) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count--
	if d.count == 0 && d.idle != nil {
		close(d.idle)
		d.idle = nil
	}
}

// run repeats what waits until ctx ends.
func (d *disconnects) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			d.stop()
			return
		case <-d.wake:
		case <-timer.C:
		}
		ready, next := d.ready(d.server.now())
		for _, g := range ready {
			d.attempt(g)
		}
		if !next.IsZero() {
			timer.Reset(next.Sub(d.server.now()))
		}
	}
}

// ready takes out what is due and returns the time of the next.
func (d *disconnects) ready(now time.Time) ([]*goodbye, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*goodbye
	for len(d.waiting) > 0 && !d.waiting[0].next.After(now) {
		out = append(out, heap.Pop(&d.waiting).(*goodbye)) //nolint:forcetypeassert // it holds nothing else
	}
	if len(d.waiting) == 0 {
		return out, time.Time{}
	}
	return out, d.waiting[0].next
}

// stop ends the repeating. What is unsettled then stays in the journal for whoever takes this incarnation over.
func (d *disconnects) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	d.stopped = true
	d.waiting = nil
	close(d.ended)
}

// left is how many are not settled.
func (d *disconnects) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// wait returns when everything is settled, or with ctx's error and how many are not.
func (d *disconnects) wait(ctx context.Context) (int, error) {
	d.mu.Lock()
	if d.count == 0 {
		d.mu.Unlock()
		return 0, nil
	}
	if d.idle == nil {
		d.idle = make(chan struct{})
	}
	idle := d.idle
	d.mu.Unlock()
	var err error
	select {
	case <-idle:
		return 0, nil
	case <-d.ended:
		err = errStopped
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count, err
}

// farewells is a heap.Interface over the waiting, earliest first.
type farewells []*goodbye

func (f farewells) Len() int           { return len(f) }
func (f farewells) Less(i, j int) bool { return f[i].next.Before(f[j].next) }
func (f farewells) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *farewells) Push(x any)        { *f = append(*f, x.(*goodbye)) } //nolint:forcetypeassert // repeat's own
func (f *farewells) Pop() any {
	last := len(*f) - 1
	g := (*f)[last]
	(*f)[last] = nil
	*f = (*f)[:last]
	return g
}
