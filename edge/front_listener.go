package edge

import (
	"io"
	"net"
	"sync"
)

// handoffs is the listener from which net/http gets the connections whose first request is no upgrade.
type handoffs struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandoffs(addr net.Addr) *handoffs {
	return &handoffs{addr: addr, conns: make(chan net.Conn, httpHandoffs), done: make(chan struct{})}
}

// give hands nc over, or closes it when nobody takes it any more.
func (h *handoffs) give(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.done:
		_ = nc.Close() // there is nobody left to tell
	}
}

// Accept returns the next connection that was given.
func (h *handoffs) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections that were given and not taken are closed.
func (h *handoffs) Close() error {
	h.once.Do(func() { close(h.done) })
	for {
		select {
		case nc := <-h.conns:
			_ = nc.Close()
		default:
			return nil
		}
	}
}

// Addr returns the front's address.
func (h *handoffs) Addr() net.Addr { return h.addr }

// headBuffer takes a connection's first bytes.
type headBuffer [maxHeadBytes]byte

// headPool keeps head buffers between connections.
type headPool struct{ pool sync.Pool }

func (p *headPool) get() *headBuffer {
	if b, ok := p.pool.Get().(*headBuffer); ok {
		return b
	}
	return new(headBuffer)
}

func (p *headPool) put(b *headBuffer) { p.pool.Put(b) }

// replayed is a connection with the bytes put back that the front has read. net/http reads from one goroutine at a time.
type replayed struct {
	net.Conn
	pool *headPool
	buf  *headBuffer // until rest is used up
	rest []byte
}

// Read returns the put-back bytes before those of the connection.
func (r *replayed) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		r.pool.put(r.buf)
		r.buf, r.rest = nil, nil
	}
	return n, nil
}

// CloseWrite ends the outgoing direction, which net/http does before it closes, so that a client reads its answer.
func (r *replayed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return io.ErrClosedPipe
}

// bare returns the connection itself once the put-back bytes are used up.
func (r *replayed) bare() net.Conn {
	if len(r.rest) > 0 {
		return r
	}
	return r.Conn
}
