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
		Header: connectHeader(h.head.header, h.arrived),
	}
}

// eventQuery is the query that events tell: where it was a signature's too, the application's part of it alone.
func (h *handshake) eventQuery() string {
	if a := h.program.Authorizer(); a != nil && a.Type() == gateway.AuthorizerType(gateway.AuthorizerIAM) {
		return sigv4.WithoutSignature(h.query)
	}
	return h.query
}

// connectHeader is the client's header in the client's case, less what ends at this hop and what is reserved, and with a
// trace id. The X-Forwarded-* headers are added where a proxy event is made of it (schemas/proxy).
func connectHeader(from gateway.Header, now time.Time) gateway.Header {
	const traceID = "X-Amzn-Trace-Id"
	h := make(gateway.Header, len(from)+1)
	for name, values := range from {
		switch {
		case strings.EqualFold(name, "Connection"), strings.EqualFold(name, "Upgrade"), strings.EqualFold(name, "Content-Length"):
		case bus.Reserved(name):
		default:
			h[name] = values
		}
	}
	if h.Get(traceID) == "" {
		var b [12]byte
		_, _ = rand.Read(b[:])                                                                      // never fails: crypto/rand ends the process instead
		h.Set(traceID, fmt.Sprintf("Root=1-%08x-%s", uint32(now.Unix()), hex.EncodeToString(b[:]))) //nolint:gosec // 32 bits by X-Ray's format
	}
	return h
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
