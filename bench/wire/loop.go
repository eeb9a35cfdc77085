package wire

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Handler is told what happens. Its methods run inside Loop.Wait, and may call the loop.
type Handler interface {
	// Opened says that the handshake succeeded, or for HTTP that the connection stands.
	Opened(*Conn)
	// Message is one whole data message. payload is valid during the call.
	Message(c *Conn, payload []byte)
	// Answered is one whole HTTP answer.
	Answered(c *Conn, status int)
	// Pong answers a ping of Loop.Ping.
	Pong(*Conn)
	// Closed comes once for each connection that was dialled, with why: nil when the caller closed it.
	Closed(*Conn, error)
}

// transport moves bytes between sockets and the loop. Its methods run in the loop's goroutine, but for wake.
type transport interface {
	dial(*Conn) error
	// write takes what the socket takes now.
	write(*Conn, []byte) (int, error)
	// drop closes the socket; hard sends a reset, so that no port stays taken.
	drop(c *Conn, hard bool)
	// wait calls the loop's connected, readable, writable and fail for what happened, and returns after at most d.
	wait(d time.Duration) error
	// deafen stops reading.
	deafen(*Conn)
	wake()
	// all lists the connections that are not dropped.
	all() []*Conn
	close()
}

// LoopConfig configures a Loop.
type LoopConfig struct {
	Handler Handler
	// Goroutines uses a goroutine for each connection even where epoll is there. Targets with TLS need it.
	Goroutines bool
	// OnPing, when set, counts pings of servers; they are answered anyway.
	OnPing func(*Conn)
}

// Loop owns connections. One goroutine uses it; Wake alone is for all.
type Loop struct {
	handler   Handler
	onPing    func(*Conn)
	transport transport
	base      time.Time
	random    *rand.ChaCha8
	turns     int32
	live      int

	corked *Conn  // whose input is being handled: its output is joined to one write
	cork   []byte // that output
	frame  []byte // a frame being made
	free   [][]byte

	shaking timeouts
	closing timeouts

	stopMu  sync.Mutex
	stopped bool // by stopMu: the waker's descriptor is another's now
}

// NewLoop makes a loop without connections.
func NewLoop(config LoopConfig) (*Loop, error) {
	if config.Handler == nil {
		return nil, errors.New("wire: no Handler")
	}
	l := &Loop{
		handler: config.Handler, onPing: config.OnPing, base: time.Now(), random: newRandom(),
		shaking: timeouts{after: HandshakeTimeout, in: func(s state) bool { return s == dialing || s == shaking }},
		closing: timeouts{after: closeTimeout, in: func(s state) bool { return s == closing }},
	}
	var err error
	if config.Goroutines {
		l.transport = newNetTransport(l)
	} else {
		l.transport, err = newTransport(l)
	}
	return l, err
}

// Now is the loop's clock: monotonic, from the loop's beginning.
func (l *Loop) Now() time.Duration { return time.Since(l.base) }

// Since gives a time on the loop's clock.
func (l *Loop) Since(t time.Time) time.Duration { return t.Sub(l.base) }

// Polls reports whether Wait waits in the kernel: such a loop does better on a thread of its own, and the one that waits
// for goroutines worse.
func (l *Loop) Polls() bool {
	_, goroutines := l.transport.(*netTransport)
	return !goroutines
}

// Live counts the connections that are not closed, those being dialled included.
func (l *Loop) Live() int { return l.live }

// Dial begins to connect from source, or from any address when that is the zero value. An error means that nothing was
// begun, and that Closed will not be called.
func (l *Loop) Dial(t *Target, source netip.Addr, index int) (*Conn, error) {
	l.turns++
	c := &Conn{Index: index, target: t, source: source, turn: l.turns, fd: -1, Began: l.Now()}
	if t.Protocol == HTTP {
		c.http = &answer{}
	}
	if err := l.transport.dial(c); err != nil {
		return nil, err
	}
	l.live++
	l.shaking.add(c, c.Began)
	return c, nil
}

// Wait handles what happens until d has passed or, when something happened, until that is done.
func (l *Loop) Wait(d time.Duration) error {
	now := l.Now()
	for _, queue := range []*timeouts{&l.shaking, &l.closing} {
		for c := queue.due(now); c != nil; c = queue.due(now) {
			if c.state == closing {
				l.end(c, c.why, true)
			} else {
				l.end(c, ErrHandshake, true)
			}
		}
		if next, any := queue.next(); any {
			d = min(d, next-now)
		}
	}
	return l.transport.wait(max(d, 0))
}

// Wake makes Wait return. Any goroutine may call it, at any time.
func (l *Loop) Wake() {
	l.stopMu.Lock()
	defer l.stopMu.Unlock()
	if !l.stopped {
		l.transport.wake()
	}
}

// Stop closes what is left, with a reset, and frees the loop.
func (l *Loop) Stop() {
	for _, c := range l.transport.all() {
		l.end(c, ErrStopped, true)
	}
	l.stopMu.Lock()
	defer l.stopMu.Unlock()
	l.stopped = true
	l.transport.close()
}

// Deafen stops reading a connection: what the server sends piles up with it. Its end is still noticed.
func (l *Loop) Deafen(c *Conn) {
	c.deaf = true
	l.transport.deafen(c)
}

// Close ends a connection. A WebSocket gets a close frame and a second to answer it.
func (l *Loop) Close(c *Conn) {
	switch {
	case c.state == open && c.http == nil:
		l.sayClose(c, nil)
	case c.state != closing && c.state != closed:
		l.end(c, nil, true)
	}
}

// Abort ends a connection with a reset.
func (l *Loop) Abort(c *Conn) {
	if c.state != closed {
		l.end(c, nil, true)
	}
}

func (l *Loop) end(c *Conn, err error, hard bool) {
	if c.state == closed {
		return
	}
	c.state = closed
	l.live--
	l.transport.drop(c, hard)
	if c != l.corked { // else its input is being read
		l.release(c.in)
	}
	l.release(c.out)
	c.in, c.out, c.parts, c.key = nil, nil, nil, nil
	l.handler.Closed(c, err)
}

// The transport calls these four.

func (l *Loop) connected(c *Conn) {
	if c.http != nil {
		c.state = open
		l.handler.Opened(c)
		return
	}
	c.state = shaking
	l.frame = l.handshake(c, l.frame[:0])
	l.put(c, l.frame)
}

func (l *Loop) readable(c *Conn, data []byte) {
	if c.in != nil {
		c.in = append(c.in, data...)
		data = c.in
	}
	l.corked = c
	used, err := l.parse(c, data)
	l.corked = nil
	if cork := l.cork; len(cork) > 0 {
		l.cork = cork[:0]
		if c.state != closed {
			l.put(c, cork)
		}
	}
	switch rest := data[used:]; {
	case c.state == closed:
	case err != nil:
		l.end(c, err, true)
	case len(rest) == 0:
		l.release(c.in)
		c.in = nil
	case c.in != nil:
		c.in = c.in[:copy(c.in, rest)]
	default:
		c.in = append(l.piece(), rest...)
	}
}

func (l *Loop) parse(c *Conn, data []byte) (int, error) {
	switch {
	case c.http != nil:
		return l.parseAnswer(c, data)
	case c.state == shaking:
		used, err := l.parseHandshake(c, data)
		if err != nil || used == 0 {
			return used, err
		}
		more, err := l.parseFrames(c, data[used:])
		return used + more, err
	default:
		return l.parseFrames(c, data)
	}
}

func (l *Loop) writable(c *Conn) {
	if len(c.out) == 0 {
		return
	}
	out := c.out
	n, err := l.transport.write(c, out)
	switch {
	case err != nil:
		l.end(c, err, true)
	case n == len(out):
		l.release(out)
		c.out = nil
	default:
		c.out = out[:copy(out, out[n:])]
	}
}

// fail ends a connection whose socket failed, or ended in order when err is nil.
func (l *Loop) fail(c *Conn, err error) {
	if c.http != nil && err == nil && c.http.untilEnd {
		l.answered(c)
	}
	switch {
	case c.state == closing:
		l.end(c, c.why, false)
	case err == nil:
		l.end(c, ErrClosed, false)
	default:
		l.end(c, err, true)
	}
}

// put writes p, or joins it to what else c's input causes.
func (l *Loop) put(c *Conn, p []byte) {
	if l.corked == c {
		l.cork = append(l.cork, p...)
		return
	}
	n := 0
	if len(c.out) == 0 {
		var err error
		if n, err = l.transport.write(c, p); err != nil {
			l.end(c, err, true)
			return
		}
	}
	if n == len(p) {
		return
	}
	if len(c.out)+len(p)-n > maxPending {
		l.end(c, errPending, true)
		return
	}
	if c.out == nil {
		c.out = l.piece()
	}
	c.out = append(c.out, p[n:]...)
}

// piece and release share buffers among the connections that need one for a moment.
func (l *Loop) piece() []byte {
	if last := len(l.free) - 1; last >= 0 {
		b := l.free[last]
		l.free = l.free[:last]
		return b
	}
	return make([]byte, 0, pieceSize)
}

func (l *Loop) release(b []byte) {
	if b != nil && cap(b) <= keptSize && len(l.free) < keptPieces {
		l.free = append(l.free, b[:0])
	}
}
