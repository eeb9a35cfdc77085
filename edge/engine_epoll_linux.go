package edge

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// epollEngine serves TCP connections with a few event loops: an idle connection has no goroutine, no buffer and no timer
// of its own (DESIGN §3.12). Connections without a descriptor of their own, such as TLS, and those for which the system
// has no second descriptor go to the goroutine engine.
type epollEngine struct {
	others *goroutineEngine

	begin sync.Once
	loops []*epollLoop // nil when the system refused them
	err   error        // why

	links   sync.WaitGroup // open links of the loops
	running sync.WaitGroup // the loops
}

func newEngine() engine { return newEpollEngine() }

func newEpollEngine() *epollEngine { return &epollEngine{others: newGoroutineEngine()} }

// loopCount is fewer than the cores: a loop that is busy would keep the goroutines of NATS from running.
func loopCount() int {
	const share = 2
	return max(1, runtime.GOMAXPROCS(0)/share)
}

// ready starts the loops with the first connection, so that a server which never serves owns nothing.
func (e *epollEngine) ready() bool {
	e.begin.Do(func() {
		loops := make([]*epollLoop, 0, loopCount())
		for range cap(loops) {
			l, err := newEpollLoop(e)
			if err != nil {
				for _, made := range loops {
					made.discard()
				}
				e.err = err
				return
			}
			loops = append(loops, l)
		}
		e.loops = loops
		for _, l := range loops {
			e.running.Go(l.run)
		}
	})
	return e.err == nil
}

func (e *epollEngine) open(nc net.Conn, p peer) link {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || !e.ready() {
		return e.others.open(nc, p)
	}
	fd, err := takeDescriptor(tcp)
	if err != nil {
		return e.others.open(nc, p)
	}
	e.links.Add(1)
	return &epollLink{loop: e.loops[fd%len(e.loops)], fd: int32(fd), peer: p} //nolint:gosec // below maxDescriptors
}

// takeDescriptor takes the connection out of the runtime's poller: a second descriptor is ours, the first is closed.
func takeDescriptor(nc *net.TCPConn) (int, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := -1
	var refused error
	if err := raw.Control(func(first uintptr) {
		fd, refused = unix.FcntlInt(first, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return 0, err
	}
	if refused != nil {
		return 0, fmt.Errorf("second descriptor: %w", refused)
	}
	if fd >= maxDescriptors {
		_ = unix.Close(fd)
		return 0, errors.New("more descriptors than a loop has places for")
	}
	_ = nc.Close() // the connection lives on in ours
	return fd, nil
}

func (e *epollEngine) wait() {
	e.others.wait()
	e.links.Wait()
	for _, l := range e.loops {
		l.stop()
	}
	e.running.Wait()
}
