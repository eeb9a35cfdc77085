package httpproxy

import (
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations/backend"
)

// reply turns the backend's answer into what is sent back. Only $connect and requests have a use for headers: a frame
// has none. The result of a one-way message or a $disconnect is discarded (contract/websocket-api.md §7.7).
func (p *proxy) reply(kind gateway.EventKind, answer *backend.Answer) *gateway.Reply {
	reply := &gateway.Reply{Status: answer.Status}
	if !p.route.Answers(kind) {
		return reply
	}
	reply.Body = answer.Body
	if kind == gateway.EventMessage {
		reply.Binary = binary(answer)
		return reply
	}
	reply.Header = answered(answer.Header)
	return reply
}

// binary asks for a binary frame when the backend says that its answer is one, and when it could be no text frame
// (RFC 6455 §5.6).
func binary(answer *backend.Answer) bool {
	mediaType, _, _ := mime.ParseMediaType(answer.Header.Get(headerContentType))
	return mediaType == typeBinary || !utf8.Valid(answer.Body)
}

// answered drops the headers that belong to the connection with the backend. The length is the front's to say.
func answered(from http.Header) gateway.Header {
	to := gateway.Header(from)
	for name := range connectionNames(to) {
		delete(to, name)
	}
	for name := range to {
		if backend.Reserved(name) {
			delete(to, name)
		}
	}
	return to
}
