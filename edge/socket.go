package edge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// socket is one client connection after its handshake. Its engine calls it as a peer, the server writes to it, the wheel
// asks it for its deadlines. docs/connection.md draws its states.
type socket struct {
	server *Server
	link   link // set before the socket is reachable

	// What the connection is: never changes.
	conn    gateway.Connection
	context []byte     // event.AppendConnection's bytes
	window  windowBits // of compressed messages; 0 when that was not negotiated

	// Times in Unix nanoseconds.
	heard   atomic.Int64 // last bytes from the client
	active  atomic.Int64 // last message in either direction or client ping: the idle limit counts from here
	message atomic.Int64 // last message in either direction

	// Read side: touched by receive alone.
	frames frameReader

	timer timer // guarded by the wheel

	mu sync.Mutex // guards everything below

	// Write side.
	queue     []*buffer // what the link has not taken yet; queue[0] may be under way
	queued    int       // bytes in queue
	flushing  bool      // the link is emptying the queue
	fullSince time.Time // when a push was refused first; zero while there is room
	pingedAt  time.Time // when our unanswered ping went out; zero without one

	grant grant // what the client may do

	// Flow: how many messages wait for their replies, and whether receive said stop.
	inFlight int
	paused   bool

	// Close side: once, by end.
	state    socketState
	after    afterClose // what follows our close frame
	peerDone bool       // the client's close frame came
	closeBy  time.Time  // when we stop waiting for the client
}

// socketState is how far a socket's life has got.
type socketState uint8

const (
	socketOpen    socketState = iota
	socketClosing             // out of the hub, $disconnect under way; the close handshake may still run
	socketClosed              // the link is closed
)

func (s *Server) newSocket(c gateway.Connection, context []byte) *socket {
	k := &socket{server: s, conn: c, context: context}
	k.timer.owner = k
	at := c.ConnectedAt.UnixNano()
	k.heard.Store(at)
	k.active.Store(at)
	k.message.Store(at)
	return k
}

// status is what GET @connections shows.
func (k *socket) status() gateway.ConnectionStatus {
	return gateway.ConnectionStatus{Connection: k.conn, LastActiveAt: time.Unix(0, k.message.Load()).UTC()}
}

// touch notes a message in either direction.
func (k *socket) touch(now time.Time) {
	at := now.UnixNano()
	k.active.Store(at)
	k.message.Store(at)
}

// due does what the API's limits demand at now: closes the idle, the old, the slow and the silent, and sends pings. It
// returns the next time to look.
func (k *socket) due(now time.Time) time.Time {
	p := k.server.program(k.conn.API, k.conn.Stage)
	if p == nil {
		k.end(endGoingAway()) // the API is gone
		return k.closeDeadline(now)
	}
	limits := p.Limits()
	next, verdict := k.deadlines(now, limits.MaxConnection, limits.IdleTimeout, limits.SlowClient)
	if verdict == nil {
		next, verdict = k.heartbeat(now, limits.PingInterval, limits.PongTimeout, next)
	}
	if verdict != nil {
		k.end(*verdict)
		return k.closeDeadline(now)
	}
	return next
}

// deadlines looks at age, idleness and the full queue.
func (k *socket) deadlines(now time.Time, age, idle, slow time.Duration) (time.Time, *ending) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != socketOpen {
		return k.closeDeadlineLocked(now), nil
	}
	next := time.Time{}
	if age > 0 {
		at := k.conn.ConnectedAt.Add(age)
		if !now.Before(at) {
			e := endGoingAway()
			return next, &e
		}
		next = earlier(next, at)
	}
	if at := k.expireLocked(); !at.IsZero() {
		if !now.Before(at) {
			e := endExpired()
			return next, &e
		}
		next = earlier(next, at)
	}
	if !k.fullSince.IsZero() {
		at := k.fullSince.Add(slow)
		if !now.Before(at) {
			e := endTooSlow()
			return next, &e
		}
		next = earlier(next, at)
	}
	if idle > 0 && !k.paused {
		at := time.Unix(0, k.active.Load()).Add(idle)
		if !now.Before(at) {
			e := endGoingAway()
			return next, &e
		}
		next = earlier(next, at)
	} else if idle > 0 {
		next = earlier(next, now.Add(idle)) // stands still while we do not read
	}
	return next, nil
}

// heartbeat pings a client that has been silent for the interval, and gives it up when it stays silent.
func (k *socket) heartbeat(now time.Time, interval, pong time.Duration, next time.Time) (time.Time, *ending) {
	if interval <= 0 {
		return next, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != socketOpen {
		return next, nil
	}
	heard := time.Unix(0, k.heard.Load())
	switch {
	case k.paused: // we do not read, so silence says nothing
		k.pingedAt = time.Time{}
		return earlier(next, now.Add(interval)), nil
	case !k.pingedAt.IsZero() && heard.Before(k.pingedAt):
		if pong <= 0 {
			return earlier(next, now.Add(interval)), nil
		}
		at := k.pingedAt.Add(pong)
		if !now.Before(at) {
			e := endLost(reasonNoPong)
			return next, &e
		}
		return earlier(next, at), nil
	}
	k.pingedAt = time.Time{}
	if at := heard.Add(interval); now.Before(at) {
		return earlier(next, at), nil
	}
	k.pingedAt = now
	k.pingLocked()
	if pong <= 0 {
		return earlier(next, now.Add(interval)), nil
	}
	return earlier(next, now.Add(pong)), nil
}

// closeDeadline cuts a closing connection whose time is over and returns when to look again.
func (k *socket) closeDeadline(now time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closeDeadlineLocked(now)
}

func (k *socket) closeDeadlineLocked(now time.Time) time.Time {
	switch {
	case k.state == socketClosed:
		return time.Time{}
	case k.state == socketClosing && !now.Before(k.closeBy):
		k.cutLocked()
		return time.Time{}
	}
	return k.closeBy
}

// earlier returns the earlier of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
