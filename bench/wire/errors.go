package wire

import (
	"errors"
	"fmt"
)

// Why a connection ended, besides errors of the system.
var (
	ErrClosed    = errors.New("the server closed the connection")
	ErrHandshake = errors.New("the handshake took too long")
	ErrStopped   = errors.New("stopped")

	errPending  = errors.New("the server does not read what it is sent")
	errNotHTTP  = errors.New("the server does not speak HTTP/1.1")
	errAccept   = errors.New("the answer to the handshake has a wrong Sec-WebSocket-Accept")
	errFrame    = errors.New("the server sent a malformed frame")
	errTooLarge = errors.New("the server sent a message of more than 16 MiB")
)

// StatusError is an answer to a handshake other than 101.
type StatusError struct {
	Status int
	Body   string // its first bytes
}

// Error names the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the handshake was answered with status %d", e.Status)
}

// CloseError is a close frame from the server.
type CloseError struct {
	Code   int // 1005 when the frame has none
	Reason string
}

// Error names the code.
func (e *CloseError) Error() string {
	return fmt.Sprintf("the server closed with code %d %s", e.Code, e.Reason)
}
