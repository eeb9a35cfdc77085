package edge

import (
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// epollLink is a connection of an epollEngine: 48 bytes and a descriptor.
//
// Who touches what: the loop alone reads from the descriptor, and closes it, after peer.gone has returned. Writers hold
// the socket's lock, which gone takes; so nobody writes to a descriptor that may be another connection's already.
type epollLink struct {
	loop *epollLoop
	peer peer
	// rest is what receive left, or the bytes before start; nil while the connection is read. The loop's after start.
	rest *[]byte
	fd   int32

	closed atomic.Bool
	wanted atomic.Uint32 // of the loop: wantStart and the like

	// The loop's.
	flushing bool // pending has something that the socket did not take
	ended    bool
	ahead    bool // in the loop's list of those that have more to read
	hungUp   bool // the client sends no more; there may be bytes left
}

// What others want of the loop.
const (
	wantStart uint32 = 1 << iota
	wantResume
	wantFlush
	wantSettle
	wantEnd
)

func (k *epollLink) start(early []byte) {
	k.rest = &early
	k.ask(wantStart)
}

func (k *epollLink) descriptor() uintptr { return uintptr(k.fd) } //nolint:gosec // never negative

func (k *epollLink) write(b []byte) (int, error) {
	if k.closed.Load() {
		return 0, net.ErrClosed
	}
	return writeDescriptor(k.descriptor(), b)
}

func (k *epollLink) flush()  { k.ask(wantFlush) }
func (k *epollLink) resume() { k.ask(wantResume) }
func (k *epollLink) settle() { k.ask(wantSettle) }

// ask tells the loop, once until it has looked.
func (k *epollLink) ask(what uint32) {
	if k.wanted.Or(what) == 0 {
		k.loop.post(k)
	}
}

func (k *epollLink) shutdown() {
	_ = unix.Shutdown(int(k.fd), unix.SHUT_WR) // the client is told all it will be told; an error shows when reading
}

// close leaves it to the loop to close the descriptor, from which it may be reading.
func (k *epollLink) close() {
	if !k.closed.Swap(true) {
		k.ask(wantEnd)
	}
}

// deliverRest goes on where receive had said stop.
func (k *epollLink) deliverRest() {
	rest := *k.rest
	k.rest = nil
	if len(rest) > 0 {
		k.deliver(rest)
	}
}

// deliver gives b to the peer and reports whether to read on. What the peer leaves is kept until it resumes, or until the
// link's next turn.
func (k *epollLink) deliver(b []byte) bool {
	n, more := k.peer.receive(b)
	if more && n == len(b) {
		return !k.closed.Load()
	}
	left := append([]byte(nil), b[n:]...) // the loop's buffer serves others meanwhile
	k.rest = &left
	if more {
		k.loop.later(k)
	}
	return false
}
