package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// netTransport reads each connection in a goroutine and hands what it read to the loop, which waits for nothing else.
// Writes happen in the loop, and may block until writeTimeout.
type netTransport struct {
	loop   *Loop
	ctx    context.Context
	cancel context.CancelFunc
	happen chan netEvent
	waking chan struct{}
	conns  map[*Conn]struct{}
	// goroutines counts those that dial and read.
	goroutines sync.WaitGroup
}

// netEvent is what a goroutine tells the loop: a new socket, bytes, or the end.
type netEvent struct {
	conn *Conn
	nc   net.Conn
	data []byte
	err  error
}

// queuedEvents bounds what goroutines read ahead of the loop: 4 MiB of buffers.
const queuedEvents = 1024

func newNetTransport(l *Loop) *netTransport {
	ctx, cancel := context.WithCancel(context.Background())
	return &netTransport{loop: l, ctx: ctx, cancel: cancel, happen: make(chan netEvent, queuedEvents), waking: make(chan struct{}, 1), conns: map[*Conn]struct{}{}}
}

func (t *netTransport) dial(c *Conn) error {
	t.conns[c] = struct{}{}
	t.goroutines.Go(func() {
		nc, err := t.connect(c.target, c.source.IsValid(), net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.source, 0)))
		if !t.tell(netEvent{conn: c, nc: nc, err: err}) && nc != nil {
			_ = nc.Close()
		}
	})
	return nil
}

func (t *netTransport) connect(target *Target, bound bool, source *net.TCPAddr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, HandshakeTimeout)
	defer cancel()
	var d net.Dialer
	if bound {
		d.LocalAddr = source
	}
	nc, err := d.DialContext(ctx, "tcp", target.Address.String())
	if err != nil || target.TLS == nil {
		return nc, err
	}
	secure := tls.Client(nc, target.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return secure, nil
}

// tell gives an event to the loop, unless that has stopped.
func (t *netTransport) tell(e netEvent) bool {
	select {
	case t.happen <- e:
		return true
	case <-t.ctx.Done():
		return false
	}
}

func (t *netTransport) read(c *Conn, nc net.Conn) {
	for {
		buffer := make([]byte, pieceSize)
		n, err := nc.Read(buffer)
		if n > 0 && !t.tell(netEvent{conn: c, data: buffer[:n]}) {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return // deaf
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			t.tell(netEvent{conn: c, err: err})
			return
		}
	}
}

func (t *netTransport) write(c *Conn, p []byte) (int, error) {
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.nc.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, errPending
	}
	return n, err
}

func (t *netTransport) drop(c *Conn, hard bool) {
	delete(t.conns, c)
	if c.nc == nil {
		return
	}
	if tcp, ok := c.nc.(*net.TCPConn); ok && hard {
		_ = tcp.SetLinger(0)
	}
	_ = c.nc.Close()
}

func (t *netTransport) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case e := <-t.happen:
		t.handle(e)
	case <-t.waking:
	case <-timer.C:
	}
	for range eventsPerWait {
		select {
		case e := <-t.happen:
			t.handle(e)
		default:
			return nil
		}
	}
	return nil
}

func (t *netTransport) handle(e netEvent) {
	c := e.conn
	switch {
	case c.state == closed:
		if e.nc != nil {
			_ = e.nc.Close()
		}
	case e.nc != nil:
		c.nc = e.nc
		t.loop.connected(c)
		if c.state != closed {
			t.goroutines.Go(func() { t.read(c, e.nc) })
		}
	case e.data != nil:
		t.loop.readable(c, e.data)
	default:
		t.loop.fail(c, e.err)
	}
}

// deafen ends the goroutine that reads. Nobody sees the connection's end then, but a write that fails.
func (t *netTransport) deafen(c *Conn) { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) }

func (t *netTransport) all() []*Conn { return slices.Collect(maps.Keys(t.conns)) }

func (t *netTransport) wake() {
	select {
	case t.waking <- struct{}{}:
	default:
	}
}

func (t *netTransport) close() {
	t.cancel()
	t.goroutines.Wait()
	for {
		select {
		case e := <-t.happen:
			if e.nc != nil {
				_ = e.nc.Close()
			}
		default:
			return
		}
	}
}
