package edge

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// receive takes what the client sent. It stops before the next frame while maxInFlight messages wait for their replies
// or the send queue is full, so that TCP pushes back (DESIGN §3.9).
func (k *socket) receive(b []byte) (int, bool) {
	k.heard.Store(k.server.now().UnixNano())
	taken, work := 0, 0
	for taken < len(b) {
		if work >= turnBytes {
			return taken, true
		}
		p, limits := k.inForce()
		switch k.mayRead(p, limits) {
		case readStop:
			return taken, false
		case readDiscard:
			return len(b), true
		}
		lim := frameLimits{frame: limits.MaxFrameBytes, message: limits.MaxMessageBytes, binary: limits.Binary}
		if k.window != 0 {
			lim.inflaters = &k.server.inflaters
		}
		n, in, fault := k.frames.next(b[taken:], lim, &k.server.assemblies)
		taken += n
		if fault.Code != 0 {
			k.fail(fault)
			return len(b), true
		}
		work += len(in.payload)
		k.take(p, in)
	}
	return taken, true
}

// inForce returns the program of now and its limits. A socket whose API is gone ends, and reads on to the client's close
// frame with the default limits; its program is nil.
func (k *socket) inForce() (*router.Program, gateway.Limits) {
	p := k.server.program(k.conn.API, k.conn.Stage)
	if p == nil {
		k.end(endGoingAway())
		return nil, gateway.Profile(gateway.ProfileDefault, gateway.ProtocolWebSocket)
	}
	return p, p.Limits()
}

// readVerdict says what to do with the client's next bytes.
type readVerdict uint8

const (
	readOn readVerdict = iota
	readStop
	readDiscard // after a broken rule: frames can't be told apart any more
)

func (k *socket) mayRead(p *router.Program, limits gateway.Limits) readVerdict {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.state != socketOpen && k.after == discardInput:
		return readDiscard
	case k.state != socketOpen:
		return readOn
	case k.deaf:
		k.paused = true
		return readStop
	case k.round > 0:
		k.link.settle() // when this is received too
	}
	switch {
	case k.judging, int(k.inFlight) >= p.MaxInFlight():
		k.paused = true
		return readStop
	case k.out.counted(limits.SendQueueBytes) >= limits.SendQueueBytes:
		k.paused = true
		k.fullLocked(limits.SlowClient)
		return readStop
	}
	return readOn
}

// take handles one message or control frame.
func (k *socket) take(p *router.Program, in inbound) {
	switch in.op {
	case ws.OpText, ws.OpBinary:
		if k.isOpen() {
			k.server.message(k, p, in)
		}
	case ws.OpPing:
		k.active.Store(k.heard.Load()) // client pings count as activity (contract/websocket-api.md §4.5)
		k.pong(in.payload)
	case ws.OpClose:
		k.peerClose(in.payload)
	}
	// A pong needs nothing: receive noted that the client was heard.
}

func (k *socket) isOpen() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state == socketOpen
}

// peerClose answers the client's close frame, or takes it as the answer to ours (RFC 6455 §5.5.1). What $disconnect says
// follows contract/websocket-api.md §4.6.
func (k *socket) peerClose(payload []byte) {
	const codeBytes = 2
	if k.peerClosed() {
		return
	}
	if len(payload) == 0 {
		k.end(endByClient(gateway.Close{}, gateway.Close{Code: int(ws.StatusNoStatusRcvd), Reason: reasonNoStatus}))
		return
	}
	if len(payload) < codeBytes {
		k.fail(gateway.Close{Code: int(ws.StatusProtocolError), Reason: reasonProtocol})
		return
	}
	c := gateway.Close{Code: int(binary.BigEndian.Uint16(payload)), Reason: string(payload[codeBytes:])}
	switch {
	case !validCloseCode(c.Code):
		k.fail(gateway.Close{Code: int(ws.StatusProtocolError), Reason: reasonProtocol})
	case !utf8.ValidString(c.Reason):
		k.fail(gateway.Close{Code: int(ws.StatusInvalidFramePayloadData), Reason: reasonUTF8})
	default:
		k.end(endByClient(c, c))
	}
}

// fail ends the connection because the client broke a rule; what it sends after that is not read as frames.
func (k *socket) fail(c gateway.Close) {
	k.end(endByFault(c))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.after = discardInput // also when we were closing already
	k.flushedLocked()
}

// gone is the engine's word that nothing more comes.
func (k *socket) gone(error) {
	k.end(endLost(reasonLost))
	k.cut()
	k.server.left(k)
}

// acquire counts a message that waits for its reply.
func (k *socket) acquire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.inFlight++
}

// release ends acquire and reads on when that was what stopped it.
func (k *socket) release() {
	k.mu.Lock()
	k.inFlight--
	k.resumeLocked()
	leaves := k.nextRoundLocked()
	k.mu.Unlock()
	if leaves {
		k.end(k.server.endDrained())
	}
}

// resumeLocked lets the engine ask receive again, which decides anew. The clocks that stood still start from here.
func (k *socket) resumeLocked() {
	if !k.paused {
		return
	}
	k.paused = false
	now := k.server.now().UnixNano()
	k.heard.Store(now)
	k.active.Store(now)
	k.link.resume()
}
