package edge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// socket is one client connection after its handshake. Its engine calls it as a peer, the server writes to it, the wheel
// asks it for its deadlines. docs/connection.md draws its states.
//
// There is one for each idle connection, so what only some need is behind a pointer, times are Unix nanoseconds, and
// small fields stand together: 192 bytes. With its gateway.Connection (160) and its texts (32), the link (48) and the
// places in hub and journal an idle connection holds about 500 bytes (TestSizes).
type socket struct {
	server *Server
	link   link // set before the socket is reachable

	// What the connection is: never changes.
	conn   *gateway.Connection
	prefix prefix

	// Times in Unix nanoseconds.
	heard   atomic.Int64 // last bytes from the client
	active  atomic.Int64 // last message in either direction or client ping: the idle limit counts from here
	message atomic.Int64 // last message in either direction

	// Read side: touched by receive alone.
	frames frameReader

	timer timer // guarded by the wheel

	mu sync.Mutex // guards everything below

	out       *outgoing // what waits to be written; nil while nothing does
	grant     *grant    // what the client may do beyond what everybody may
	fullSince int64     // when a push was refused first; 0 while there is room
	pingedAt  int64     // when our unanswered ping went out; 0 without one
	closeBy   int64     // when we stop waiting for the client's close frame

	inFlight int32      // messages that wait for their replies
	paused   bool       // receive said stop
	deaf     bool       // a leaving client is not read until its messages are answered
	round    uint8      // of leaving, from 1 on; 0 while nobody wants it to leave
	judging  bool       // a message is handled beside the reader
	window   windowBits // of compressed messages; 0 when that was not negotiated. Never changes
	state    socketState
	after    afterClose // what follows our close frame
	peerDone bool       // the client's close frame came
}

// outgoing is what the link has not taken yet.
type outgoing struct {
	queue    []*buffer // queue[0] may be under way
	bytes    int       // in queue
	flushing bool      // the link is emptying the queue
}

// waits reports whether something waits to be written.
func (o *outgoing) waits() bool { return o != nil && (len(o.queue) > 0 || o.flushing) }

// counted is how many of the bytes that wait count against bound. A message that is larger than the bound by itself does
// not while it is written: else nothing could follow it until a slow client has most of it.
func (o *outgoing) counted(bound int) int {
	switch {
	case o == nil || len(o.queue) == 0:
		return 0
	case len(o.queue[0].b) > bound:
		return o.bytes - len(o.queue[0].rest())
	}
	return o.bytes
}

// socketState is how far a socket's life has got.
type socketState uint8

const (
	socketOpen    socketState = iota
	socketClosing             // out of the hub, $disconnect under way; the close handshake may still run
	socketClosed              // the link is closed
)

func (s *Server) newSocket(c *gateway.Connection, p prefix) *socket {
	k := &socket{server: s, conn: c, prefix: p}
	k.timer.owner = k
	at := c.ConnectedAt.UnixNano()
	k.heard.Store(at)
	k.active.Store(at)
	k.message.Store(at)
	return k
}

// status is what GET @connections and listings show: not what the client showed at the door.
func (k *socket) status() gateway.ConnectionStatus {
	c := *k.conn
	c.Handshake = nil
	if c.Caller != nil {
		caller := *c.Caller
		caller.APIKey = ""
		c.Caller = &caller
	}
	return gateway.ConnectionStatus{Connection: c, LastActiveAt: time.Unix(0, k.message.Load()).UTC()}
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
	if k.fullSince != 0 {
		at := time.Unix(0, k.fullSince).Add(slow)
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
		k.pingedAt = 0
		return earlier(next, now.Add(interval)), nil
	case k.pingedAt != 0 && heard.Before(time.Unix(0, k.pingedAt)):
		if pong <= 0 {
			return earlier(next, now.Add(interval)), nil
		}
		at := time.Unix(0, k.pingedAt).Add(pong)
		if !now.Before(at) {
			e := endLost(reasonNoPong)
			return next, &e
		}
		return earlier(next, at), nil
	}
	k.pingedAt = 0
	if at := heard.Add(interval); now.Before(at) {
		return earlier(next, at), nil
	}
	k.pingedAt = now.UnixNano()
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
	if k.state != socketClosing {
		return time.Time{}
	}
	closeBy := time.Unix(0, k.closeBy)
	if now.Before(closeBy) {
		return closeBy
	}
	k.cutLocked()
	return time.Time{}
}

// earlier returns the earlier of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
