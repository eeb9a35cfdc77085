package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the transport over raw, non-blocking sockets. It is edge-triggered: one registration serves connect, reads
// and writes for the connection's whole life.
type epoll struct {
	loop   *Loop
	fd     int
	waker  int // an eventfd
	events [eventsPerWait]unix.EpollEvent
	buffer []byte
	conns  []*Conn // by descriptor
	coarse bool    // the kernel (before 5.11) waits whole milliseconds only
}

func newTransport(l *Loop) (transport, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	waker, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	e := &epoll{loop: l, fd: fd, waker: waker, buffer: make([]byte, readSize)}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, waker, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(waker)}); err != nil {
		e.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return e, nil
}

func (e *epoll) dial(c *Conn) error {
	address := c.target.Address
	family := unix.AF_INET
	if address.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := e.connect(fd, c); err != nil {
		_ = unix.Close(fd)
		return err
	}
	for len(e.conns) <= fd {
		e.conns = append(e.conns, nil)
	}
	c.fd, e.conns[fd] = int32(fd), c
	return nil
}

func (e *epoll) connect(fd int, c *Conn) error {
	// A request leaves at once; failure to say so would only cost time.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if c.source.IsValid() {
		// The port is chosen at connect, so that each target has all ports of the source for itself.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(c.source, 0))); err != nil {
			return fmt.Errorf("source address %s: %w", c.source, err)
		}
	}
	err := unix.Connect(fd, sockaddr(c.target.Address))
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return os.NewSyscallError("connect", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd), Pad: c.turn}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, fd, &event))
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func (e *epoll) write(c *Conn, p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Write(int(c.fd), p[done:])
		switch {
		case err == nil:
			done += n
		case errors.Is(err, unix.EAGAIN):
			return done, nil
		case !errors.Is(err, unix.EINTR):
			return done, os.NewSyscallError("write", err)
		}
	}
	return done, nil
}

func (e *epoll) drop(c *Conn, hard bool) {
	if c.fd < 0 {
		return
	}
	if hard {
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	e.conns[c.fd] = nil
	_ = unix.Close(int(c.fd)) // takes it out of the epoll set too
	c.fd = -1
}

func (e *epoll) wait(d time.Duration) error {
	n, err := e.poll(d)
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return nil
		}
		return os.NewSyscallError("epoll_wait", err)
	}
	for i := range n {
		event := &e.events[i]
		if int(event.Fd) == e.waker {
			var counter [8]byte
			_, _ = unix.Read(e.waker, counter[:])
			continue
		}
		// A connection dialled in this round may have the descriptor of one that ended in it.
		if c := e.conns[event.Fd]; c != nil && c.turn == event.Pad {
			e.happened(c, event.Events)
		}
	}
	return nil
}

// poll waits to the microsecond: a schedule of 20,000 messages a second has 50 between two.
func (e *epoll) poll(d time.Duration) (int, error) {
	if e.coarse {
		return unix.EpollWait(e.fd, e.events[:], int((d+time.Millisecond-1)/time.Millisecond))
	}
	timeout := unix.NsecToTimespec(int64(d))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(e.fd), uintptr(unsafe.Pointer(&e.events[0])), eventsPerWait,
		uintptr(unsafe.Pointer(&timeout)), 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.ENOSYS:
		e.coarse = true
		return 0, nil
	default:
		return 0, errno
	}
}

func (e *epoll) happened(c *Conn, events uint32) {
	if c.state == dialing {
		if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
			return
		}
		if code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
			e.loop.fail(c, os.NewSyscallError("connect", syscall.Errno(code)))
			return
		}
		e.loop.connected(c)
	} else if events&unix.EPOLLOUT != 0 {
		e.loop.writable(c)
	}
	end := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	switch {
	case c.state == closed || events&^unix.EPOLLOUT == 0:
	case c.deaf && end:
		e.loop.fail(c, nil)
	case !c.deaf:
		e.read(c, end)
	}
}

// read reads until there is no more: a short read says so, unless the end has come.
func (e *epoll) read(c *Conn, end bool) {
	for c.state != closed {
		n, err := unix.Read(int(c.fd), e.buffer)
		switch {
		case n > 0:
			e.loop.readable(c, e.buffer[:n])
			if n < len(e.buffer) && !end || c.deaf {
				return
			}
		case err == nil:
			e.loop.fail(c, nil)
		case errors.Is(err, unix.EAGAIN):
			return
		case !errors.Is(err, unix.EINTR):
			e.loop.fail(c, os.NewSyscallError("read", err))
		}
	}
}

func (e *epoll) deafen(*Conn) {} // read leaves it alone

func (e *epoll) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(e.waker, one[:]) // a full counter wakes as well
}

func (e *epoll) all() []*Conn {
	var list []*Conn
	for _, c := range e.conns {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}

func (e *epoll) close() {
	_ = unix.Close(e.waker)
	_ = unix.Close(e.fd)
}
