package edge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// connect asks the $connect integration and waits for its word. nil means that the client may come in; without such a
// route it always may (contract/websocket-api.md §4.1).
func (s *Server) connect(h *handshake) error {
	route := h.program.Connect()
	if route == nil {
		return nil
	}
	ev := s.connectEvent(h, route)
	asked := s.now()
	reply, err := s.ask(within(s.ctx, h.span), route, ev)
	h.backendTook = s.now().Sub(asked)
	if !errors.Is(err, errStopped) {
		s.metrics.answered(ev, eventEnd{native: route.Native(), status: replyStatus(reply), took: h.backendTook, err: err})
	}
	if err != nil {
		return err
	}
	h.backendStatus = reply.Status
	if !accepted(reply.Status) {
		return refusalMirror(reply)
	}
	if protocol := reply.Header.Get("Sec-WebSocket-Protocol"); isFieldValue(protocol) {
		h.accept = protocol // sent as it is, offered or not (contract/websocket-api.md §2.1)
	}
	return nil
}

// accepted: any 2xx lets the client in (contract/websocket-api.md §4.2).
func accepted(status int) bool {
	return status >= http.StatusOK && status < http.StatusMultipleChoices
}

// ask sends ev and waits for its reply, at most a grace longer than its route has.
func (s *Server) ask(ctx context.Context, route *router.Route, ev *gateway.Event) (*gateway.Reply, error) {
	sent, err := encodeForRoute(route, ev)
	if err != nil {
		return nil, err
	}
	type answer struct {
		reply *gateway.Reply
		err   error
	}
	answers := make(chan answer, 1) // done must not block, also when nobody waits any more
	s.cfg.Sender.Send(ctx, sent, func(r *gateway.Reply, err error) { answers <- answer{r, err} })
	limit := time.NewTimer(route.Timeout() + connectGrace)
	defer limit.Stop()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, a.err
		}
		return decodeForRoute(route, ev, a.reply)
	case <-limit.C:
		return nil, gateway.Errorf(gateway.CodeTimeout, "the $connect integration did not answer in time")
	case <-s.ctx.Done():
		return nil, errStopped
	}
}

// connectEvent builds the $connect event (contract/websocket-api.md §6.1).
func (s *Server) connectEvent(h *handshake, route *router.Route) *gateway.Event {
	conn := *h.conn
	conn.Handshake = nil // the event has the query as its own
	b := event.AppendConnection(nil, &conn)
	b = append(b, route.Context()...)
	b = event.AppendMessage(b, event.MessageInfo{
		Kind: gateway.EventConnect, Request: h.request, Time: h.arrived, Query: &event.QueryInfo{Raw: h.eventQuery()},
	})
	return &gateway.Event{
		Kind: gateway.EventConnect, API: h.conn.API, Stage: h.conn.Stage, Route: route.Key(), Subject: route.Subject(),
		Expect: gateway.ExpectReply, Timeout: route.Timeout(), Connection: h.conn.ID, Request: h.request, Context: b,
		Header: h.connectHeader(),
	}
}

// eventQuery is the query that events tell: where it was a signature's too, the application's part of it alone.
func (h *handshake) eventQuery() string {
	if h.signed() {
		return sigv4.WithoutSignature(h.query)
	}
	return h.query
}

// signed reports whether the API asks clients to sign their handshakes.
func (h *handshake) signed() bool {
	a := h.program.Authorizer()
	return a != nil && a.Type() == gateway.AuthorizerTypeIAM
}

// connectHeader is the client's header in the client's case, less what ends at this hop and what is reserved, and with a
// trace id. A signature is not told either: whoever sees it could use it for minutes (contract/rest-api.md §8.1 for REST).
// The X-Forwarded-* headers are added where a proxy event is made of it (schemas/proxy).
func (h *handshake) connectHeader() gateway.Header {
	signed := h.signed()
	return h.header(func(name string) bool {
		return isHopHeader(name) || signed && isSignatureHeader(name)
	})
}

// authorizerHeader is what a REQUEST authorizer sees: the headers of this hop too (contract/websocket-api.md §10.1).
func (h *handshake) authorizerHeader() gateway.Header {
	return h.header(func(string) bool { return false })
}

// header is the client's header less what is reserved and what is left out, with the trace id.
func (h *handshake) header(leftOut func(name string) bool) gateway.Header {
	out := make(gateway.Header, len(h.head.header)+1)
	for name, values := range h.head.header {
		if !bus.Reserved(name) && !leftOut(name) {
			out[name] = values
		}
	}
	if out.Get(headerTraceID) == "" {
		out.Set(headerTraceID, h.trace)
	}
	return out
}

// headerTraceID is X-Ray's, which Amazon's gateway adds (contract/websocket-api.md §6.1).
const headerTraceID = "X-Amzn-Trace-Id"

// newTraceID makes the trace id of a handshake whose client has none.
func newTraceID(now time.Time) string {
	var b [12]byte
	_, _ = rand.Read(b[:])                                                             // never fails: crypto/rand ends the process instead
	return fmt.Sprintf("Root=1-%08x-%s", uint32(now.Unix()), hex.EncodeToString(b[:])) //nolint:gosec // 32 bits by X-Ray's format
}

func isHopHeader(name string) bool {
	return strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Upgrade") || strings.EqualFold(name, "Content-Length")
}

func isSignatureHeader(name string) bool {
	return strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "X-Amz-Security-Token")
}

// headerCarrier reads a trace that the client began.
type headerCarrier gateway.Header

// Get returns the first value of a header in any case.
func (c headerCarrier) Get(key string) string { return gateway.Header(c).Get(key) }

// Set does nothing: the client's header is only read.
func (c headerCarrier) Set(string, string) {}

// Keys returns the header's names.
func (c headerCarrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}
