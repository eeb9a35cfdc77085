package edge

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// front accepts connections and reads the first request head of each, to learn what the client wants (DESIGN §3.12).
// Upgrades keep the bare connection; everything else goes to net/http.
type front struct {
	server *Server
	ln     net.Listener
	plain  *handoffs
	heads  chan struct{} // a slot for each head that is being read
	pool   headPool
	wg     sync.WaitGroup // counts visitors

	mu       sync.Mutex // guards the fields below
	visitors list.List  // of *visitor, the oldest first
	closed   bool
}

// visitor is a connection whose first head is being read. It either passes, and is somebody else's from then on, or it
// is cut: whichever comes first.
type visitor struct {
	nc       net.Conn
	came     time.Time
	deadline time.Time // of the head
	timer    timer
	decided  atomic.Bool
}

// due cuts a visitor that did not send its head in time.
func (v *visitor) due(now time.Time) time.Time {
	if now.Before(v.deadline) {
		return v.deadline
	}
	v.cut()
	return time.Time{}
}

// cut ends the read that waits, unless the visitor has passed.
func (v *visitor) cut() {
	if !v.decided.Swap(true) {
		_ = v.nc.Close() // nobody is left to hear of an error
	}
}

// pass reports whether the visitor was not cut before.
func (v *visitor) pass() bool { return !v.decided.Swap(true) }

func newFront(s *Server, ln net.Listener) *front {
	return &front{
		server: s, ln: ln, plain: newHandoffs(ln.Addr()), heads: make(chan struct{}, maxHeads),
	}
}

// accept takes connections until the listener closes or ctx ends. Without a free descriptor it waits and tries again: one
// is freed sooner or later.
func (f *front) accept(ctx context.Context) error {
	pause := time.Duration(0)
	for {
		if !f.slot(ctx) {
			return nil
		}
		nc, err := f.ln.Accept()
		switch {
		case err == nil:
			pause = 0
			f.welcome(nc)
			continue
		case errors.Is(err, net.ErrClosed):
			return nil
		case !passing(err):
			return err
		}
		<-f.heads
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		f.server.log.Warn("accept failed, trying again", "error", err, "pause", pause)
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil
		}
	}
}

// slot takes a place in heads, or reports that ctx has ended. While none is free, slow visitors make room: else a few
// thousand of them would keep everybody out for as long as they like.
func (f *front) slot(ctx context.Context) bool {
	select {
	case f.heads <- struct{}{}:
		return true
	default:
	}
	for {
		wait := time.NewTimer(f.makeRoom(f.server.now()))
		select {
		case f.heads <- struct{}{}:
			wait.Stop()
			return true
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return false
		}
	}
}

// makeRoom cuts the oldest visitor if it had its time, and returns when to look again.
func (f *front) makeRoom(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	for e := f.visitors.Front(); e != nil; e = e.Next() {
		v, ok := e.Value.(*visitor)
		switch left := crowdedHeadTimeout - now.Sub(v.came); {
		case !ok, v.decided.Load(): // it is leaving already
		case left > 0:
			return left
		default:
			v.cut()
			return minAcceptPause
		}
	}
	return minAcceptPause
}

// passing reports accept errors that go away: no descriptors or memory left, and clients that left before they were
// accepted.
func passing(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// welcome starts to read a visitor's head. The slot in heads is taken already.
func (f *front) welcome(nc net.Conn) {
	now := f.server.now()
	v := &visitor{nc: f.server.secure(nc), came: now, deadline: now.Add(f.server.cfg.HandshakeTimeout)}
	v.timer.owner = v
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		<-f.heads
		_ = nc.Close()
		return
	}
	place := f.visitors.PushBack(v)
	f.wg.Go(func() {
		f.serve(v)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.visitors.Remove(place)
	})
}

// serve reads the head of v and gives the connection to whom it is for.
func (f *front) serve(v *visitor) {
	f.server.wheel.arm(&v.timer, v.deadline)
	err := shakeHands(v.nc)
	buf := f.pool.get() // not before: a TLS handshake that stalls holds buffers of its own
	n, size := 0, 0
	if err == nil {
		n, size, err = f.readHead(v.nc, buf)
	}
	f.server.wheel.disarm(&v.timer)
	var head requestHead
	upgrade := err == nil && asksUpgrade(buf[:size])
	if upgrade {
		head, err = parseHead(buf[:size])
	}
	if err != nil {
		f.pool.put(buf)
		f.refuse(v.nc, err) // the slot is kept meanwhile
		<-f.heads
		return
	}
	<-f.heads
	if !v.pass() {
		f.pool.put(buf)
		return
	}
	if upgrade {
		early := bytes.Clone(buf[size:n])
		f.pool.put(buf)
		f.server.upgrade(newHandshake(v.nc, early, head))
		return
	}
	f.plain.give(&replayed{Conn: v.nc, pool: &f.pool, buf: buf, rest: buf[:n]})
}

// errHeadTooLong says that no end of the head is in the first maxHeadBytes.
var errHeadTooLong = errors.New("request head too long")

// readHead reads until the head is complete. It returns how many bytes it read and how long the head is.
func (f *front) readHead(nc net.Conn, buf *headBuffer) (n, size int, err error) {
	for n < len(buf) {
		got, err := nc.Read(buf[n:])
		from := max(0, n-len("\n\r")) // the empty line may have begun before
		n += got
		if !plausible(buf[:n]) {
			return n, 0, errHead
		}
		if size := headEnd(buf[from:n]); size > 0 {
			return n, from + size, nil
		}
		if err != nil {
			return n, 0, err
		}
	}
	return n, 0, errHeadTooLong
}

// refuse answers a visitor that will be neither socket nor net/http's, and closes it. A client that was silent, or is
// gone, gets no answer.
func (f *front) refuse(nc net.Conn, err error) {
	f.server.log.Debug("a connection was closed before its request", "client", nc.RemoteAddr(), "error", err)
	switch {
	case refuseUnsecured(err):
	case errors.Is(err, errHead):
		writeRefusal(nc, refusalBadRequest())
	case errors.Is(err, errHeadTooLong):
		writeRefusal(nc, refusalHeadTooLong())
	}
	_ = nc.Close()
}

// stop ends accept. Visitors may finish.
func (f *front) stop() {
	_ = f.ln.Close() // a second close says so; there is nothing to do about it
}

// close cuts the visitors, and returns when none is left. accept has returned.
func (f *front) close() {
	f.stop()
	_ = f.plain.Close()
	f.mu.Lock()
	f.closed = true
	for e := f.visitors.Front(); e != nil; e = e.Next() {
		if v, ok := e.Value.(*visitor); ok {
			v.cut()
		}
	}
	f.mu.Unlock()
	f.wg.Wait()
	_ = f.plain.Close() // a visitor may have been given just before
}
