package bus

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// maxContext bounds the context header before it is parsed; ours are under 16 KiB.
const maxContext = 256 << 10

// route returns the route of a message, or nil.
func (s *Server) route(m *nats.Msg) *ServedRoute { return (*s.routes.Load())[m.Subject] }

// run is what the pool does with a message.
func (s *Server) run(ctx context.Context, m *nats.Msg) {
	route := s.route(m)
	if route == nil {
		s.answer(m, errorMessage(m.Reply, gateway.Errorf(gateway.CodeUnavailable, "nobody serves this route")))
		return
	}
	s.serve(ctx, m, route)
}

// serve is the life of one event at a worker: rebuild it, call the handler, answer.
func (s *Server) serve(ctx context.Context, m *nats.Msg, route *ServedRoute) {
	ctx, span := s.trace.receive(ctx, destination{subject: route.Subject, group: QueueGroup}, m.Header)
	ev, err := readEvent(m, route)
	var reply *gateway.Reply
	if err == nil {
		reply, err = s.invoke(ctx, ev)
	}
	finish(span, err)
	if out := s.outcome(m.Reply, ev.Expect, reply, err); out != nil {
		s.answer(m, out)
	}
}

// readEvent rebuilds the event from a message.
func readEvent(m *nats.Msg, route *ServedRoute) (*gateway.Event, error) {
	c, rest := readHeader(m.Header)
	ev := &gateway.Event{
		Kind: route.Kind, API: route.API, Stage: route.Stage, Route: route.Route, Subject: m.Subject,
		Expect: route.expect(c.ack), Header: rest, Body: m.Data, Binary: c.binary,
	}
	if c.context == "" {
		return ev, nil // published by hand; the handler decides whether it needs a context
	}
	if len(c.context) > maxContext {
		return ev, errContext()
	}
	ids, ok := readContext(c.context)
	if !ok {
		return ev, errContext()
	}
	ev.Context, ev.Connection, ev.Request = bytesOf(c.context), gateway.ConnectionID(ids.connection), gateway.RequestID(ids.request)
	return ev, nil
}

func errContext() *gateway.Error {
	return gateway.Errorf(gateway.CodeBadRequest, "%s is no JSON object of at most %d bytes", HeaderContext, maxContext)
}

// invoke calls the handler; a panic is a failure of that event alone.
func (s *Server) invoke(ctx context.Context, ev *gateway.Event) (reply *gateway.Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("panic in an integration", slog.Any("panic", p), slog.String("api", string(ev.API)),
				slog.String("stage", string(ev.Stage)), slog.String("route", string(ev.Route)),
				slog.String("stack", string(debug.Stack())))
			reply, err = nil, gateway.Errorf(gateway.CodeInternal, "Internal server error")
		}
	}()
	return s.handler.Invoke(ctx, ev)
}

// outcome builds the answer, or nil when the sender wants none: one-way events tell of failures only.
func (s *Server) outcome(subject string, want gateway.Expect, reply *gateway.Reply, err error) *nats.Msg {
	switch {
	case err != nil:
		return errorMessage(subject, err)
	case want == gateway.ExpectNothing:
		return nil
	case reply == nil:
		return replyMessage(subject, &gateway.Reply{})
	case want == gateway.ExpectAck:
		return replyMessage(subject, &gateway.Reply{Status: reply.Status})
	case len(reply.Body) > s.conn.PayloadCap():
		return errorMessage(subject, errAnswerTooLarge())
	}
	return plainReply(subject, reply)
}

func errAnswerTooLarge() *gateway.Error {
	return gateway.Errorf(gateway.CodeIntegration, "the backend's answer is too large")
}

// answer publishes out, unless nobody asked for it.
func (s *Server) answer(m, out *nats.Msg) {
	if m.Reply == "" {
		return
	}
	err := checkLength(out.Subject, "")
	if err == nil {
		err = s.conn.nc.PublishMsg(out)
	}
	if errors.Is(err, nats.ErrMaxPayload) { // its headers made it so
		err = s.conn.nc.PublishMsg(errorMessage(m.Reply, errAnswerTooLarge()))
	}
	if err != nil {
		s.logger.Warn("an answer could not be sent; its sender will time out", slog.String("subject", m.Subject), slog.Any("error", err))
	}
}
