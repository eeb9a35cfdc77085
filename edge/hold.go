package edge

import (
	"sync"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// holding is the callbacks to connections whose $connect is under way, for APIs with postDuringConnect: hold. Amazon's
// service answers them with 410 (contract/websocket-api.md §9.2), so a backend there can't greet its client.
type holding struct {
	mu    sync.Mutex // guards everything below it, the heldPushes included
	under map[gateway.ConnectionID]*heldPushes
}

// heldPushes are the messages for one connection. Together they are at most as large as its send queue.
type heldPushes struct {
	ref    gateway.ConnectionRef
	limits gateway.Limits
	bytes  int
	pushes []gateway.Push
}

// heldOverhead is about what a held message takes beside its bytes, so that empty ones are bounded too.
const heldOverhead = 64

func newHolding() *holding { return &holding{under: make(map[gateway.ConnectionID]*heldPushes)} }

// hold begins to hold callbacks for the connection of a handshake, where its API wants that.
func (s *Server) hold(h *handshake) {
	if h.program.PostDuringConnect() != gateway.PostHold {
		return
	}
	h.held = &heldPushes{
		ref: gateway.ConnectionRef{API: h.conn.API, Stage: h.conn.Stage, ID: h.conn.ID}, limits: h.program.Limits(),
	}
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	s.held.under[h.conn.ID] = h.held
}

// add holds a push, if its connection is one for which pushes are held: then it returns which. Otherwise ok is false.
func (h *holding) add(ref gateway.ConnectionRef, p gateway.Push) (at gateway.ConnectionRef, ok bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.under[ref.ID]
	if held == nil || ref.API != "" && ref.API != held.ref.API || ref.Stage != "" && ref.Stage != held.ref.Stage {
		return gateway.ConnectionRef{}, false, nil
	}
	if err := checkPush(p, held.limits); err != nil {
		return held.ref, true, err
	}
	size := len(p.Body) + heldOverhead
	if held.bytes > 0 && held.bytes+size > held.limits.SendQueueBytes {
		return held.ref, true, gateway.Errorf(gateway.CodeSlowClient, "too much waits for the connection to open")
	}
	held.bytes += size
	held.pushes = append(held.pushes, gateway.Push{Body: append([]byte(nil), p.Body...), Binary: p.Binary})
	return held.ref, true, nil
}

// drop ends the holding; what was held is lost with the refused handshake. A nil held is none.
func (h *holding) drop(held *heldPushes) []gateway.Push {
	if held == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.under, held.ref.ID)
	pushes := held.pushes
	held.pushes = nil
	return pushes
}

// dropHeld forgets what was held for a connection that does not come to be.
func (s *Server) dropHeld(h *handshake) {
	s.metrics.held(h.conn.API, h.conn.Stage, len(s.held.drop(h.held)), gateway.CodeGone)
}

// deliverHeldLocked sends what was held, right behind the 101. k is reachable already, so nothing can be held any more that
// is not found here, and k.mu is held, so nothing overtakes it.
func (s *Server) deliverHeldLocked(h *handshake, k *socket) {
	pushes := s.held.drop(h.held)
	s.metrics.held(h.conn.API, h.conn.Stage, len(pushes), "")
	for _, p := range pushes {
		op := ws.OpText
		if p.Binary {
			op = ws.OpBinary
		}
		buf := s.buffers.get()
		buf.b = appendMessage(buf.b, op, p.Body, h.held.limits.MaxFrameBytes)
		k.sendLocked(buf)
	}
}
