package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// The headers of a dead letter beside those of the message.
const (
	// HeaderDeadCode is the gateway.Code of the last failure, HeaderDeadReason its public message.
	HeaderDeadCode   = "Sallyport-Dead-Code"
	HeaderDeadReason = "Sallyport-Dead-Reason"
	// HeaderDeadAttempts is how often the message was tried.
	HeaderDeadAttempts = "Sallyport-Dead-Attempts"
	// HeaderStoredAt is when it was stored at first, as RFC 3339 writes it in UTC.
	HeaderStoredAt = "Sallyport-Stored-At"
)

// run is one attempt with one stored message.
func (s *DurableServer) run(ctx context.Context, l *durableLoop, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		s.logger.Error("a stored message without JetStream's metadata", slog.Any("error", err))
		return
	}
	attempt := int(min(meta.NumDelivered, uint64(l.route.MaxAttempts)+1))
	ctx, span := s.trace.receive(ctx, destination{subject: m.Subject(), group: QueueGroup}, m.Headers())
	ev, err := readStoredEvent(m, &l.route, attempt)
	if err == nil {
		if attempt > l.route.MaxAttempts {
			err = gateway.Errorf(gateway.CodeInternal, "no worker came to an end with it")
			attempt = l.route.MaxAttempts
		} else {
			err = s.invoke(ctx, ev)
		}
	}
	finish(span, err)
	switch {
	case err == nil:
		s.settled(m, m.Ack())
	case ctx.Err() != nil: // we are closing: that is not the message's fault
		s.settled(m, m.Nak())
	case attempt >= l.route.MaxAttempts || final(gateway.ErrorCode(err)):
		s.bury(ctx, l, m, ev, buried{cause: err, attempts: attempt, storedAt: meta.Timestamp, sequence: meta.Sequence.Stream})
	default:
		s.settled(m, m.NakWithDelay(l.route.wait(attempt)))
	}
}

// final reports whether another attempt would end the same way: the fault lies in the message itself.
func final(code gateway.Code) bool {
	switch code {
	case gateway.CodeBadRequest, gateway.CodeForbidden, gateway.CodeNotFound, gateway.CodeTooLarge, gateway.CodeGone,
		gateway.CodeUnauthorized, gateway.CodeUnsupportedMedia:
		return true
	case gateway.CodeSlowClient, gateway.CodeTimeout, gateway.CodeUnavailable, gateway.CodeIntegration, gateway.CodeThrottled,
		gateway.CodeInternal:
	}
	return false
}

// readStoredEvent rebuilds the event of a stored message.
func readStoredEvent(m jetstream.Msg, r *DurableRoute, attempt int) (*gateway.Event, error) {
	route := ServedRoute{Subject: r.Subject, API: r.API, Stage: r.Stage, Route: r.Route, Kind: gateway.EventMessage, TwoWay: r.TwoWay}
	ev, err := readEvent(&nats.Msg{Subject: r.Subject, Header: m.Headers(), Data: m.Data()}, &route)
	ev.Expect = gateway.ExpectReply // whatever the client gets: the integration's outcome decides what becomes of it
	ev.Attempt = attempt
	if err == nil && len(ev.Context) > 0 {
		ev.Message = gateway.RequestID(gjson.GetBytes(ev.Context, "messageId").Str)
		ev.Context = event.WithAttempt(ev.Context, attempt)
	}
	return ev, err
}

// invoke calls the handler; a panic is a failure of that attempt alone.
func (s *DurableServer) invoke(ctx context.Context, ev *gateway.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("panic with a stored message", slog.Any("panic", p), slog.String("api", string(ev.API)),
				slog.String("route", string(ev.Route)), slog.String("stack", string(debug.Stack())))
			err = gateway.Errorf(gateway.CodeInternal, "Internal server error")
		}
	}()
	_, err = s.config.Handler.Invoke(ctx, ev)
	return err
}

// settled notes that the store was not told how an attempt ended: it will give the message out again.
func (s *DurableServer) settled(m jetstream.Msg, err error) {
	if err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		s.logger.Warn("the store was not told how an attempt ended, and will repeat it", slog.String("subject", m.Subject()), slog.Any("error", err))
	}
}

// buried is why and when a message is given up.
type buried struct {
	cause    error
	attempts int
	storedAt time.Time
	sequence uint64 // in the stream it comes from
}

// bury moves a message to the dead letters. It leaves the one store when the other has it; until then it is tried to bury it
// again and again.
func (s *DurableServer) bury(ctx context.Context, l *durableLoop, m jetstream.Msg, ev *gateway.Event, b buried) {
	r := &l.route
	subject := s.config.Store.config.Subjects.Dead(r.API, r.Stage, r.Route)
	letter := &nats.Msg{Subject: subject, Header: deadHeader(m.Headers(), b), Data: m.Data()}
	// Once, also where the first word of the store was lost.
	letter.Header[jetstream.MsgIDHeader] = []string{fmt.Sprintf("%s.%d", ev.Message, b.sequence)}
	publishing, cancel := context.WithTimeout(ctx, durableAttempt)
	defer cancel()
	if _, err := s.config.Store.js.PublishMsg(publishing, letter); err != nil {
		s.logger.Error("a message that is given up was not taken as a dead letter and stays stored", slog.String("subject", subject),
			slog.String("message", string(ev.Message)), slog.Any("error", err))
		s.settled(m, m.NakWithDelay(maxBackoff))
		return
	}
	s.settled(m, m.Ack())
	s.logger.Warn("a message was given up and is a dead letter now", slog.String("api", string(r.API)), slog.String("stage", string(r.Stage)),
		slog.String("route", string(r.Route)), slog.String("message", string(ev.Message)), slog.Int("attempts", b.attempts), slog.Any("error", b.cause))
	s.config.Buried(ctx, ev, b.cause)
}

// deadHeader is the message's header with the story of its end. What JetStream acted upon does not go on.
func deadHeader(h nats.Header, b buried) nats.Header {
	e := publicError(b.cause)
	out := withoutNATS(h)
	out[HeaderDeadCode] = []string{string(e.Code)}
	out[HeaderDeadReason] = []string{publicMessage([]byte(e.Message))}
	out[HeaderDeadAttempts] = []string{strconv.Itoa(b.attempts)}
	if out[HeaderStoredAt] == nil {
		out[HeaderStoredAt] = []string{b.storedAt.UTC().Format(time.RFC3339Nano)}
	}
	return out
}

// withoutNATS copies a header without NATS' own.
func withoutNATS(h nats.Header) nats.Header {
	out := make(nats.Header, len(h))
	for name, values := range h {
		if !hasPrefixFold(name, prefixNATS) {
			out[name] = values
		}
	}
	return out
}

// DurableFailure turns the result of an integration into the error that decides what becomes of a stored message; nil means
// that it is done. A backend's 5xx, and 408, 425 and 429, are worth another attempt; any other refusal is its last word: the
// answer where somebody gets it, else the reason of a dead letter.
func DurableFailure(status int, twoWay bool) error {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests,
		status >= http.StatusInternalServerError:
		return gateway.Errorf(gateway.CodeIntegration, "the backend answered with status %d", status)
	case status >= http.StatusBadRequest && !twoWay:
		return gateway.Errorf(gateway.CodeBadRequest, "the backend refused it with status %d", status)
	}
	return nil
}
