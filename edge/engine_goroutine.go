package edge

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// goroutineEngine reads each connection with a goroutine of its own and writes to a slow client with another one for as
// long as something waits for it. On Unix sockets a parked reader holds no buffer, elsewhere and with TLS a small one.
type goroutineEngine struct {
	wg    sync.WaitGroup // counts reading and flushing goroutines
	reads sync.Pool      // of *readBuffer
}

type readBuffer [readBufferBytes]byte

type firstBuffer [firstBufferBytes]byte

func newGoroutineEngine() *goroutineEngine { return &goroutineEngine{} }

func (e *goroutineEngine) wait() { e.wg.Wait() }

func (e *goroutineEngine) getBuffer() *readBuffer {
	if b, ok := e.reads.Get().(*readBuffer); ok {
		return b
	}
	return new(readBuffer)
}

func (e *goroutineEngine) open(nc net.Conn, p peer) link {
	l := &goroutineLink{engine: e, nc: nc, peer: p, resumed: make(chan struct{}, 1)}
	if l.raw = rawConn(nc); l.raw != nil {
		l.readable, l.writable = l.tryRead, l.tryWrite
	} else {
		l.first = new(firstBuffer)
	}
	return l
}

// goroutineLink is a connection of the goroutineEngine.
type goroutineLink struct {
	engine  *goroutineEngine
	nc      net.Conn
	peer    peer
	raw     syscall.RawConn // nil when the connection has no descriptor that we can use
	resumed chan struct{}   // capacity 1: a resume that comes before the wait is not lost
	closed  atomic.Bool

	asked     sync.Mutex // guards the field below, and the read deadline together with it
	settleAsk bool

	// Read side: the reading goroutine.
	readable func(uintptr) bool // tryRead, bound once
	buf      *readBuffer
	first    *firstBuffer // where raw is nil
	filled   bool         // by the last read, so there may be more at once
	readN    int
	readErr  error
	settling bool // the read deadline is that of a settle

	// Write side: whoever holds the socket's lock.
	writable func(uintptr) bool // tryWrite, bound once
	out      []byte
	outN     int
	outErr   error
}

func (l *goroutineLink) start(early []byte) {
	l.engine.wg.Go(func() {
		l.peer.gone(l.readAll(early))
		l.close()
	})
}

// readAll reads until the connection ends and returns why it did.
func (l *goroutineLink) readAll(early []byte) error {
	if !l.deliver(early) {
		return net.ErrClosed
	}
	for {
		l.beginSettle()
		b, err := l.read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
			l.endSettle()
		}
		more := true
		if len(b) > 0 {
			more = l.deliver(b)
		}
		if l.buf != nil {
			l.engine.reads.Put(l.buf)
			l.buf = nil
		}
		switch {
		case err != nil:
			return err
		case !more:
			return net.ErrClosed
		}
	}
}

// settle wakes the reader, which may wait for bytes that don't come.
func (l *goroutineLink) settle() {
	l.asked.Lock()
	defer l.asked.Unlock()
	l.settleAsk = true
	_ = l.nc.SetReadDeadline(time.Unix(0, 1)) // a closed connection ends the read as well
}

// beginSettle bounds the next read when somebody has asked, or when the last one found something.
func (l *goroutineLink) beginSettle() {
	l.asked.Lock()
	defer l.asked.Unlock()
	if l.settleAsk || l.settling {
		l.settleAsk, l.settling = false, true
		_ = l.nc.SetReadDeadline(time.Now().Add(settlePause))
	}
}

// endSettle tells the peer that a bounded read found nothing. One that was cut short by another ask says nothing.
func (l *goroutineLink) endSettle() {
	l.asked.Lock()
	over := l.settling && !l.settleAsk
	if over || !l.settling {
		_ = l.nc.SetReadDeadline(time.Time{})
	}
	l.settling = l.settling && !over
	l.asked.Unlock()
	if over {
		l.peer.settled()
	}
}

// read waits for bytes. Where it can it takes l.buf only once there are some.
func (l *goroutineLink) read() ([]byte, error) {
	if l.raw == nil {
		return l.readHeld()
	}
	l.readN, l.readErr = 0, nil
	if err := l.raw.Read(l.readable); err != nil {
		return nil, err
	}
	if l.readN == 0 {
		if l.readErr == nil {
			l.readErr = io.EOF
		}
		return nil, l.readErr
	}
	return l.buf[:l.readN], l.readErr
}

// readHeld holds a buffer while it waits: a small one, unless the last read filled it.
func (l *goroutineLink) readHeld() ([]byte, error) {
	b := l.first[:]
	if l.filled {
		l.buf = l.engine.getBuffer()
		b = l.buf[:]
	}
	n, err := l.nc.Read(b)
	l.filled = n == len(b)
	return b[:n], err
}

// tryRead is called when the descriptor may have bytes; false waits until it does.
func (l *goroutineLink) tryRead(fd uintptr) bool {
	buf := l.engine.getBuffer()
	n, again, err := readDescriptor(fd, buf[:])
	if again || n <= 0 {
		l.engine.reads.Put(buf)
	} else {
		l.buf, l.readN = buf, n
	}
	l.readErr = err
	return !again
}

// deliver gives b to the peer, waiting for resume when it wants to stop, and reports whether to read on.
func (l *goroutineLink) deliver(b []byte) bool {
	for {
		n, more := l.peer.receive(b)
		b = b[n:]
		if more && len(b) == 0 {
			return true
		}
		if !more {
			<-l.resumed
		}
		if l.closed.Load() {
			return false
		}
	}
}

func (l *goroutineLink) write(b []byte) (int, error) {
	if l.raw == nil {
		return 0, nil
	}
	l.out, l.outN, l.outErr = b, 0, nil
	err := l.raw.Write(l.writable)
	l.out = nil
	if err != nil {
		return 0, err
	}
	return l.outN, l.outErr
}

// tryWrite never asks to wait: what the socket does not take goes to the flush.
func (l *goroutineLink) tryWrite(fd uintptr) bool {
	l.outN, l.outErr = writeDescriptor(fd, l.out)
	return true
}

func (l *goroutineLink) flush() {
	l.engine.wg.Go(func() {
		for {
			b := l.peer.pending()
			if len(b) == 0 {
				return
			}
			n, err := l.nc.Write(b)
			if !l.peer.written(n, err) {
				return
			}
		}
	})
}

func (l *goroutineLink) resume() {
	select {
	case l.resumed <- struct{}{}:
	default: // one is enough
	}
}

func (l *goroutineLink) shutdown() {
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the client is told all it will be told; an error shows when reading
	}
}

func (l *goroutineLink) close() {
	if l.closed.Swap(true) {
		return
	}
	_ = l.nc.Close() // nobody is left to hear of an error
	l.resume()
}
