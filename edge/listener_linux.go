package edge

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepAliveSeconds is how long a silent connection goes without a probe of the kernel, and between probes; after
// keepAliveProbes without an answer it is gone. It finds dead clients of APIs that send no pings.
const (
	keepAliveSeconds = 60
	keepAliveProbes  = 3
)

// listenConfig sets on the listener what its connections inherit, instead of on each of them: four calls of the system
// less for a handshake.
func listenConfig() *net.ListenConfig {
	return &net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		var refused error
		if err := raw.Control(func(fd uintptr) { refused = tuneListener(int(fd)) }); err != nil { //nolint:gosec // a descriptor
			return err
		}
		return refused
	}}
}

func tuneListener(fd int) error {
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_SNDBUF, sendBufferBytes},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveSeconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveSeconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return fmt.Errorf("socket option %d: %w", option.name, err)
		}
	}
	return nil
}
