//go:build !unix

package edge

import (
	"net"
	"syscall"
)

// rawConn returns nil: on this system connections are read with a buffer and written by the flush.
func rawConn(net.Conn) syscall.RawConn { return nil }

// readDescriptor is never called without a RawConn.
func readDescriptor(uintptr, []byte) (int, bool, error) { return 0, false, syscall.EINVAL }

// writeDescriptor is never called without a RawConn.
func writeDescriptor(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }
