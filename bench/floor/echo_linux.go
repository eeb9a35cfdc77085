package floor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// kernelBuffer caps what the kernel holds for one connection and direction. Uncapped, a client that stops reading
	// costs up to 4 MB.
	kernelBuffer = 32 << 10
	// backlog is how many connects may wait for accept: a storm's worth.
	backlog = 4096
	// readSize is one read, and bounds a frame.
	readSize = 64 << 10
	// maxPending closes a client that does not read its echoes.
	maxPending = 256 << 10
	// eventsPerWait is how many sockets one system call reports.
	eventsPerWait = 512
)

// Echo serves until ctx ends. Every text or binary frame of a client is sent back to it.
func Echo(ctx context.Context, config Config) error {
	count := max(config.Loops, 1)
	if count > MaxLoops {
		return fmt.Errorf("%d loops: at most %d", count, MaxLoops)
	}
	group, ctx := errgroup.WithContext(ctx)
	address := config.Listen
	var loops []*echo
	var opening error
	for range count {
		e, err := newEcho(address)
		if err != nil {
			opening = err
			break
		}
		loops = append(loops, e)
		address = e.address // the port that the first one got, when it asked for any
	}
	if opening == nil {
		if config.Listening != nil {
			config.Listening(address)
		}
		for _, e := range loops {
			group.Go(func() error { return e.run(ctx) })
			// The loops wait in the kernel, where a context is not heard.
			defer context.AfterFunc(ctx, e.stop)()
		}
		opening = group.Wait()
	}
	for _, e := range loops {
		e.close()
	}
	return opening
}

// echo is one event loop. Its listener shares the port with those of the other loops.
type echo struct {
	address  netip.AddrPort
	listener int
	fd       int
	waker    int
	events   [eventsPerWait]unix.EpollEvent
	read     []byte
	write    []byte
	clients  []*client // by descriptor
}

// client is one connection. An idle one costs this and no buffer.
type client struct {
	open bool   // the handshake is done
	in   []byte // an incomplete frame or handshake
	out  []byte // what the socket did not take
}

func newEcho(address netip.AddrPort) (*echo, error) {
	e := &echo{listener: -1, fd: -1, waker: -1, read: make([]byte, readSize)}
	if err := e.listen(address); err != nil {
		e.close()
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return e, nil
}

func (e *echo) listen(address netip.AddrPort) error {
	family := unix.AF_INET
	if address.Addr().Is6() {
		family = unix.AF_INET6
	}
	var err error
	if e.listener, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	for _, o := range []struct{ level, option, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
		// Accepted sockets inherit these.
		{unix.SOL_SOCKET, unix.SO_SNDBUF, kernelBuffer}, {unix.SOL_SOCKET, unix.SO_RCVBUF, kernelBuffer}, {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	} {
		if err := unix.SetsockoptInt(e.listener, o.level, o.option, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(e.listener, sockaddr(address)); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(e.listener, backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	bound, err := unix.Getsockname(e.listener)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	switch a := bound.(type) {
	case *unix.SockaddrInet4:
		e.address = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		e.address = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	if e.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if e.waker, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return errors.Join(e.watch(e.listener, unix.EPOLLIN), e.watch(e.waker, unix.EPOLLIN))
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func (e *echo) watch(fd int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

func (e *echo) stop() { _, _ = unix.Write(e.waker, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (e *echo) close() {
	for fd, c := range e.clients {
		if c != nil {
			_ = unix.Close(fd)
		}
	}
	for _, fd := range []int{e.listener, e.waker, e.fd} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// run serves until ctx ends.
func (e *echo) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for ctx.Err() == nil {
		n, err := unix.EpollWait(e.fd, e.events[:], -1)
		if err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return os.NewSyscallError("epoll_wait", err)
		}
		for i := range n {
			switch fd := int(e.events[i].Fd); fd {
			case e.waker:
			case e.listener:
				if err := e.accept(); err != nil {
					return err
				}
			default:
				// A descriptor has one event in a round, and only that event closes it: this is no newcomer's.
				if c := e.clients[fd]; c != nil {
					e.serve(fd, c, e.events[i].Events)
				}
			}
		}
	}
	return nil
}

// acceptsPerRound keeps a storm of connects from starving those that are connected.
const acceptsPerRound = 64

func (e *echo) accept() error {
	for range acceptsPerRound {
		fd, _, err := unix.Accept4(e.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		}
		if err := e.watch(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
			_ = unix.Close(fd)
			return err
		}
		for len(e.clients) <= fd {
			e.clients = append(e.clients, nil)
		}
		e.clients[fd] = &client{}
	}
	return nil
}

// serve writes what waits and reads what came.
func (e *echo) serve(fd int, c *client, events uint32) {
	if events&unix.EPOLLOUT != 0 && len(c.out) > 0 && !e.flush(fd, c) {
		e.drop(fd)
		return
	}
	end := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if events&unix.EPOLLIN == 0 && !end {
		return
	}
	for {
		n, err := unix.Read(fd, e.read)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil || n == 0 || !e.receive(fd, c, e.read[:n]):
			e.drop(fd)
			return
		case n < len(e.read) && !end:
			return // a short read leaves nothing behind
		}
	}
}

func (e *echo) drop(fd int) {
	e.clients[fd] = nil
	_ = unix.Close(fd)
}

// receive answers what data and what was left before hold. It reports whether the client stays.
func (e *echo) receive(fd int, c *client, data []byte) bool {
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	e.write = e.write[:0]
	used, stays := 0, true
	if !c.open {
		if used, stays = e.handshake(data); used > 0 {
			c.open = true
		}
	}
	if stays && c.open {
		var more int
		more, stays = e.frames(data[used:])
		used += more
	}
	if !e.send(fd, c) || !stays {
		return false
	}
	switch rest := data[used:]; {
	case len(rest) > readSize:
		return false
	case len(rest) == 0:
		c.in = nil
	default:
		c.in = append([]byte(nil), rest...)
	}
	return true
}

// send writes the answers, joined.
func (e *echo) send(fd int, c *client) bool {
	if len(e.write) == 0 {
		return true
	}
	if len(c.out) > 0 {
		c.out = append(c.out, e.write...)
		return len(c.out) <= maxPending
	}
	c.out = e.write
	ok := e.flush(fd, c)
	if len(c.out) > 0 {
		c.out = append([]byte(nil), c.out...) // the write buffer is the loop's
	}
	return ok
}

// flush writes c.out, and keeps what the socket does not take.
func (e *echo) flush(fd int, c *client) bool {
	for len(c.out) > 0 {
		n, err := unix.Write(fd, c.out)
		switch {
		case err == nil:
			c.out = c.out[n:]
		case errors.Is(err, unix.EAGAIN):
			return true
		case !errors.Is(err, unix.EINTR):
			return false
		}
	}
	c.out = nil
	return true
}
