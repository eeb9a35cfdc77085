package edge

import (
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// opcodeOf chooses the frame of a reply: text wherever the bytes are text, since that is all that Amazon's clients know
// (contract/websocket-api.md §6.5), unless the backend asked for binary.
func opcodeOf(r *gateway.Reply) ws.OpCode {
	if r.Binary || !utf8.Valid(r.Body) {
		return ws.OpBinary
	}
	return ws.OpText
}

// publicMessage returns what anybody may read of err.
func publicMessage(err error) string {
	if err == nil {
		return ""
	}
	var e *gateway.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "Internal server error"
}

// replyStatus is a reply's status, 0 without a reply.
func replyStatus(r *gateway.Reply) int {
	if r == nil {
		return 0
	}
	return r.Status
}
