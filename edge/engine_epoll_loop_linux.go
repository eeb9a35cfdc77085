package edge

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// loopEvents is how many events one look takes: enough that a busy loop looks seldom, few enough that none waits long.
	loopEvents = 256
	// loopReads is how many buffers one connection may send in a row before the others have their turn.
	loopReads = 4
	// loopWrites is the same for a queue that is being emptied.
	loopWrites = 16

	// The descriptors of a loop's connections find their links through chunks, which are made as they are needed.
	chunkLinks     = 1024
	maxChunks      = 4096
	maxDescriptors = chunkLinks * maxChunks // about four million: more than a process gets
)

// linkEvents: edge-triggered, so that a connection is registered once and never changed: its reader reads until there is
// nothing, its writer writes until the socket is full.
const linkEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

type linkChunk [chunkLinks]*epollLink

// epollLoop is one goroutine that reads for all its connections and flushes those that wait. While nothing happens it is
// parked in the runtime's own poller, which watches the epoll descriptor: it never holds a thread.
type epollLoop struct {
	engine *epollEngine
	fd     int // of the epoll instance
	file   *os.File
	raw    syscall.RawConn
	wakes  int // an eventfd, through which posts end the parking

	events [loopEvents]unix.EpollEvent
	found  int
	look   func(uintptr) bool // bound once
	buf    [readBufferBytes]byte
	chunks [maxChunks]*linkChunk // by descriptor
	ahead  []*epollLink          // have more to read than their turn took

	mu      sync.Mutex // guards the fields below
	posted  []*epollLink
	spare   []*epollLink // the list that the loop has emptied
	stopped bool
	over    bool        // the loop has ended
	awake   atomic.Bool // the loop is not parked, or somebody has woken it
}

func newEpollLoop(e *epollEngine) (*epollLoop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os would not give it to the runtime's poller
		_ = unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	l := &epollLoop{engine: e, fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	l.look = l.poll
	if l.raw, err = l.file.SyscallConn(); err == nil {
		l.wakes, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err != nil {
		_ = l.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := l.register(int32(l.wakes), unix.EPOLLIN|unix.EPOLLET); err != nil {
		l.discard()
		return nil, err
	}
	return l, nil
}

// discard gives back what the loop holds.
func (l *epollLoop) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	_ = l.file.Close()
	_ = unix.Close(l.wakes)
}

func (l *epollLoop) register(fd int32, events uint32) error {
	if err := unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: events, Fd: fd}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// post brings a link to the loop.
func (l *epollLoop) post(k *epollLink) {
	l.mu.Lock()
	l.posted = append(l.posted, k)
	l.mu.Unlock()
	l.wake()
}

func (l *epollLoop) wake() {
	if l.awake.Swap(true) {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over { // else the descriptor may be another's already
		_, _ = unix.Write(l.wakes, one[:]) // can fail only when it is woken already
	}
}

// stop ends the loop, which has no links left.
func (l *epollLoop) stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.wake()
}

func (l *epollLoop) run() {
	defer l.discard()
	for {
		if err := l.raw.Read(l.look); err != nil {
			panic(fmt.Sprintf("edge: the runtime's poller lost an epoll descriptor: %v", err)) // nobody else closes it
		}
		for i := range l.events[:l.found] {
			l.happened(&l.events[i])
		}
		if !l.takePosts() {
			return
		}
		l.readAhead()
		// Goroutines that were made ready meanwhile, such as those of NATS, wait on this processor.
		runtime.Gosched()
	}
}

// poll looks once; false parks the loop until there is something.
func (l *epollLoop) poll(uintptr) bool {
	for {
		n, err := unix.EpollWait(l.fd, l.events[:], 0)
		if err == unix.EINTR { //nolint:errorlint // an errno
			continue
		}
		l.found = max(n, 0)
		if l.found > 0 || len(l.ahead) > 0 || l.rests() {
			l.awake.Store(true)
			return true
		}
		return false
	}
}

// rests says that the loop is about to park, unless there are posts; one that comes from now on writes to the eventfd.
func (l *epollLoop) rests() (posts bool) {
	l.awake.Store(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.posted) > 0 || l.stopped
}

func (l *epollLoop) happened(ev *unix.EpollEvent) {
	if int(ev.Fd) == l.wakes {
		var count [8]byte
		_, _ = unix.Read(l.wakes, count[:]) // takePosts follows
		return
	}
	k := l.link(ev.Fd)
	if k == nil {
		return
	}
	const over = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	if ev.Events&over != 0 {
		k.hungUp = true
	}
	if ev.Events&unix.EPOLLOUT != 0 && k.flushing {
		l.flush(k)
	}
	if ev.Events&(unix.EPOLLIN|over) != 0 {
		l.read(k)
	}
}

// read takes what the client sent, until there is nothing, which it reports, or its turn is over.
func (l *epollLoop) read(k *epollLink) (empty bool) {
	for range loopReads {
		switch {
		case k.ended, k.ahead:
			return false
		case k.closed.Load():
			l.end(k, net.ErrClosed)
			return false
		case k.rest != nil:
			return false
		}
		n, again, err := readDescriptor(k.descriptor(), l.buf[:])
		switch {
		case again:
			return true
		case err != nil:
			l.end(k, err)
			return false
		case n == 0:
			l.end(k, io.EOF)
			return false
		}
		// A short read has emptied the socket, unless its end is in it.
		if k.deliver(l.buf[:n]) && n < len(l.buf) && !k.hungUp {
			return true
		}
	}
	l.later(k)
	return false
}

// settle reads all that has arrived and tells the peer so. What takes longer than a turn goes on after the others; a peer
// that has stopped reading asks again when it resumes.
func (l *epollLoop) settle(k *epollLink) {
	switch {
	case l.link(k.fd) != k: // not begun
	case l.read(k):
		k.peer.settled()
	case k.ahead:
		k.ask(wantSettle)
	}
}

// later gives a link that has more to read its next turn after the others.
func (l *epollLoop) later(k *epollLink) {
	if !k.ahead {
		k.ahead = true
		l.ahead = append(l.ahead, k)
	}
}

func (l *epollLoop) readAhead() {
	turn := l.ahead
	l.ahead = nil
	for _, k := range turn {
		k.ahead = false
		if k.rest != nil && !k.ended {
			k.deliverRest() // its turn had ended in the middle of what was read
		}
		l.read(k)
	}
	if l.ahead == nil {
		clear(turn)
		l.ahead = turn[:0]
	}
}

// takePosts does what others wanted. It returns false when the loop is to end.
func (l *epollLoop) takePosts() bool {
	l.mu.Lock()
	list, stopped := l.posted, l.stopped
	l.posted = l.spare[:0]
	l.mu.Unlock()
	for _, k := range list {
		l.serve(k, k.wanted.Swap(0))
	}
	clear(list)
	l.spare = list
	return !stopped
}

func (l *epollLoop) serve(k *epollLink, want uint32) {
	if k.ended {
		return
	}
	if want&wantStart != 0 {
		l.begin(k)
	}
	if want&wantFlush != 0 && !k.ended {
		l.flush(k)
	}
	switch {
	case k.ended:
	case want&wantEnd != 0:
		l.end(k, net.ErrClosed)
	case want&wantResume != 0 && k.rest != nil:
		l.resume(k)
	}
	if want&wantSettle != 0 && !k.ended {
		l.settle(k)
	}
}

// begin gives the peer what came before, and registers the connection. What came since is its first event.
func (l *epollLoop) begin(k *epollLink) {
	l.setLink(k.fd, k)
	if err := l.register(k.fd, linkEvents); err != nil {
		l.end(k, err)
		return
	}
	k.deliverRest()
}

// resume delivers what was left, and what came meanwhile.
func (l *epollLoop) resume(k *epollLink) {
	k.deliverRest()
	l.read(k)
}

// flush writes what waits until nothing does or the socket is full; then its next event goes on.
func (l *epollLoop) flush(k *epollLink) {
	k.flushing = true
	for range loopWrites {
		b := k.peer.pending()
		if len(b) == 0 {
			k.flushing = false
			return
		}
		n, err := writeDescriptor(k.descriptor(), b)
		if n == 0 && err == nil {
			return
		}
		if !k.peer.written(n, err) {
			k.flushing = false
			return
		}
	}
	k.ask(wantFlush) // the others have their turn
}

// end is the last of a link.
func (l *epollLoop) end(k *epollLink, err error) {
	k.ended = true
	k.peer.gone(err)
	l.setLink(k.fd, nil)
	_ = unix.Close(int(k.fd)) // also takes it out of the epoll set
	l.engine.links.Done()
}

func (l *epollLoop) link(fd int32) *epollLink {
	if c := l.chunks[fd/chunkLinks]; c != nil {
		return c[fd%chunkLinks]
	}
	return nil
}

func (l *epollLoop) setLink(fd int32, k *epollLink) {
	c := &l.chunks[fd/chunkLinks]
	if *c == nil {
		*c = new(linkChunk)
	}
	(*c)[fd%chunkLinks] = k
}
