package edge

import (
	"bytes"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// arrival is a message that has come in.
type arrival struct {
	socket  *socket
	program *router.Program
	in      inbound
	start   time.Time
	request gateway.RequestID
	id      gateway.RequestID // of the message itself
	// beside says that a goroutine of the message's own handles it.
	beside bool
}

// beside goes on with a message on a goroutine of its own, for what may take long: a large message's models, a token
// whose keys have to be fetched. Its connection is not read meanwhile, so that messages stay in order and there is one
// such goroutine for each connection at most.
func (s *Server) beside(m arrival, then func(arrival)) {
	m.beside = true
	if !m.in.owned { // the engine reads others into its buffer
		m.in.payload, m.in.owned = bytes.Clone(m.in.payload), true
	}
	k := m.socket
	k.mu.Lock()
	k.judging = true
	k.mu.Unlock()
	s.besides.Go(func() {
		then(m)
		k.mu.Lock()
		k.judging = false
		k.resumeLocked()
		leaves := k.nextRoundLocked()
		k.mu.Unlock()
		if leaves {
			k.end(s.endDrained())
		}
	})
}
