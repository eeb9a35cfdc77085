//go:build unix

package edge

import (
	"errors"
	"net"
	"syscall"
)

// rawConn gives access to nc's descriptor, or nil when it has none.
func rawConn(nc net.Conn) syscall.RawConn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readDescriptor reads once without waiting; again says that there is nothing yet.
func readDescriptor(fd uintptr, b []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, true, nil
		}
		return max(n, 0), false, err
	}
}

// writeDescriptor writes what the descriptor takes without waiting.
func writeDescriptor(fd uintptr, b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := syscall.Write(int(fd), b[done:])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return done, nil
		case err != nil:
			return done, err
		}
		done += n
	}
	return done, nil
}
