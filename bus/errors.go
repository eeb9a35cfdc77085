package bus

import (
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// publishError says in our words why nats.go did not take a message.
func publishError(err error) *gateway.Error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return gateway.Errorf(gateway.CodeTooLarge, "the message is too large for NATS").Because(err)
	case errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrBadHeaderMsg):
		return gateway.Errorf(gateway.CodeInternal, "the message can't be sent on NATS").Because(err)
	}
	// Everything else is the connection: closed, draining, or away, where ReconnectBufSize(-1) makes publishes fail at
	// once as nats.ErrReconnectBufExceeded (nats-facts §4.6).
	return gateway.Errorf(gateway.CodeUnavailable, "NATS can't be reached").Because(err)
}

// publicError is the *gateway.Error of err's chain, or a bare CodeInternal: unknown errors show nothing of themselves.
func publicError(err error) *gateway.Error {
	var e *gateway.Error
	if errors.As(err, &e) {
		return e
	}
	return gateway.Errorf(gateway.CodeInternal, "Internal server error")
}
