package edge

import (
	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// The reasons of contract/websocket-api.md §4.6, and ours where Amazon's are not known.
const (
	reasonGoingAway = "Going away"
	reasonRestart   = "Service restart"
	reasonNormal    = "Connection Closed Normally"
	reasonNoStatus  = "Client-side close frame status not set"
	reasonLost      = "Connection lost"
	reasonNodeLost  = "Gateway node lost"
	reasonNoPong    = "No pong in time"
	reasonSlow      = "Client reads too slowly"
	reasonFenced    = "Try again later"
)

// afterClose is what follows our close frame.
type afterClose uint8

const (
	awaitEcho    afterClose = iota // read on until the client's close frame
	discardInput                   // half-close, and read bytes until the client ends
	cutAtOnce                      // close the connection when the frame is out
)

// farewell says whether a close frame is sent.
type farewell uint8

const (
	sayNothing farewell = iota
	sayClose
	sayCloseFirst // before whatever waits in the queue, which is dropped
)

// notice says who tells the backend of the end.
type notice uint8

const (
	noticeDisconnect notice = iota // we publish $disconnect
	noticeTakeover                 // whoever takes this incarnation over does
)

// ending is how a connection ends: one row of contract/websocket-api.md §4.6.
type ending struct {
	farewell farewell
	frame    gateway.Close // to the client
	event    gateway.Close // in $disconnect
	after    afterClose
	notice   notice
	cause    closeCause
}

// endGoingAway is for idleness, age and removed APIs.
func endGoingAway() ending {
	c := gateway.Close{Code: int(ws.StatusGoingAway), Reason: reasonGoingAway}
	return ending{farewell: sayClose, frame: c, event: c, cause: causeGoingAway}
}

// endDrained is for an edge that stops. 1012 is for clients that take it as "come back", which some do with 1001 too.
func (s *Server) endDrained() ending {
	e := endGoingAway()
	if s.cfg.DrainCode == DrainServiceRestart {
		e.frame = gateway.Close{Code: int(DrainServiceRestart), Reason: reasonRestart}
		e.event = e.frame
	}
	return e
}

// endByCallback is DELETE @connections/{id}.
func endByCallback(c gateway.Close) ending {
	if c.Code == 0 {
		c.Code = int(ws.StatusNormalClosure)
	}
	e := ending{farewell: sayClose, frame: c, event: c, cause: causeCallback}
	if c.Code == int(ws.StatusNormalClosure) && c.Reason == "" {
		e.event.Reason = reasonNormal
	}
	return e
}

// endByClient answers the client's close frame with echo; the backend hears event.
func endByClient(echo, event gateway.Close) ending {
	return ending{farewell: sayClose, frame: echo, event: event, after: cutAtOnce, cause: causeClient}
}

// endByFault closes a client that broke the protocol or a limit.
func endByFault(c gateway.Close) ending {
	return ending{farewell: sayClose, frame: c, event: c, after: discardInput, cause: causeFault}
}

// endLost is for connections that can't be spoken to any more.
func endLost(reason string) ending {
	return ending{event: gateway.Close{Code: int(ws.StatusAbnormalClosure), Reason: reason}, cause: causeLost}
}

// endTooSlow is for clients whose queue stayed full.
func endTooSlow() ending {
	c := gateway.Close{Code: int(ws.StatusPolicyViolation), Reason: reasonSlow}
	return ending{farewell: sayCloseFirst, frame: c, event: c, cause: causeSlow}
}

// endExpired is for clients whose token has ended.
func endExpired() ending {
	c := gateway.Close{Code: codeExpired, Reason: reasonExpired}
	return ending{farewell: sayClose, frame: c, event: c, cause: causeExpired}
}

// codeExpired and reasonExpired close a client whose token has ended: Amazon's service never does (DESIGN §3.8).
const (
	codeExpired   = 4001
	reasonExpired = "Token expired"
)

// endFenced is for an edge that lost its lease (DESIGN §3.6).
func endFenced() ending {
	const tryAgainLater = 1013 // registered with IANA after RFC 6455
	c := gateway.Close{Code: tryAgainLater, Reason: reasonFenced}
	return ending{farewell: sayClose, frame: c, event: c, notice: noticeTakeover, cause: causeFenced}
}

// end begins the end of an open socket: it leaves the hub, its close frame goes out and its $disconnect is under way.
// Only the first call does anything.
func (k *socket) end(e ending) {
	if k.endNow(e) && e.notice == noticeDisconnect {
		k.server.disconnects.add(*k.conn, e.event)
	}
}

func (k *socket) endNow(e ending) bool {
	now := k.server.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != socketOpen {
		return false
	}
	k.state, k.after = socketClosing, e.after
	k.peerDone = e.after == cutAtOnce
	closeBy := now.Add(closeTimeout)
	k.closeBy = closeBy.UnixNano()
	// Out of the hub before the client can know: a callback that follows its close frame gets 410.
	k.server.forget(k)
	k.server.metrics.disconnected(k.conn.API, k.conn.Stage, e.cause)
	switch e.farewell {
	case sayNothing:
		k.cutLocked()
		return true
	case sayCloseFirst:
		k.dropQueueLocked()
	case sayClose:
	}
	buf := k.server.buffers.get()
	buf.b = appendClose(buf.b, e.frame)
	k.sendLocked(buf)
	k.flushedLocked()
	k.resumeLocked()
	if k.state != socketClosed {
		k.server.wheel.arm(&k.timer, closeBy)
	}
	return true
}

// peerClosed notes the client's close frame and reports whether it answers ours.
func (k *socket) peerClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == socketOpen {
		return false
	}
	k.peerDone = true
	k.flushedLocked()
	return true
}

// flushedLocked goes on with the close handshake when everything is written.
func (k *socket) flushedLocked() {
	if k.state != socketClosing || k.out.waits() {
		return
	}
	switch {
	case k.peerDone:
		k.cutLocked()
	case k.after == discardInput:
		k.link.shutdown()
	}
}

// dropQueueLocked keeps no more than the rest of the frame that is under way: the client must be able to read the close
// frame after it. A buffer may hold several frames, so all of the first one stays.
func (k *socket) dropQueueLocked() {
	if k.out == nil || len(k.out.queue) == 0 {
		return
	}
	rest := k.out.queue[1:]
	for _, buf := range rest {
		k.out.bytes -= len(buf.rest())
		k.server.buffers.put(buf)
	}
	clear(rest)
	k.out.queue = k.out.queue[:1]
}

func (k *socket) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cutLocked()
}

// cutLocked closes the connection itself.
func (k *socket) cutLocked() {
	if k.state == socketClosed {
		return
	}
	k.state = socketClosed
	k.link.close()
	k.server.wheel.disarm(&k.timer)
}
