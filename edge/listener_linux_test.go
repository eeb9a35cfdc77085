package edge

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What is set on the listener is in force on its connections.
func TestConnectionsInheritTheListenersOptions(t *testing.T) {
	ln, err := listenConfig().Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const doubled = 2 // by Linux, for its own needs
	if err := raw.Control(func(fd uintptr) {
		for _, option := range []struct{ level, name, want int }{
			{unix.SOL_SOCKET, unix.SO_SNDBUF, doubled * sendBufferBytes}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveSeconds}, {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		} {
			if got, err := unix.GetsockoptInt(int(fd), option.level, option.name); err != nil || got != option.want {
				t.Errorf("option %d is %d, want %d (%v)", option.name, got, option.want, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}
