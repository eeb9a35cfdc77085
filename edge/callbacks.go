package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// callbacksConfig is what the @connections endpoint needs. Live, Edge, Local, Remote and Lease are required.
type callbacksConfig struct {
	Live *router.Live
	// Edge is this incarnation: ids that begin with it are Local, all others Remote.
	Edge   gateway.EdgeID
	Local  gateway.Connections
	Remote gateway.Connections
	// Lease reports whether an edge's lease is there: it decides whether an edge that doesn't answer is gone (410) or only
	// away (503), DESIGN §3.4.
	Lease  func(context.Context, gateway.EdgeID) (bool, error)
	Policy CallbackPolicy
	// Verifier is there exactly if Policy is CallbacksSigned.
	Verifier *sigv4.Verifier

	// Observe is told, while Observing says so, of the callbacks that reached no owner; the owner tells of the others.
	// nil means nobody looks; a nil Observing means always.
	Observe   func(event.Record)
	Observing func() bool

	TracerProvider trace.TracerProvider // nil: no spans
	Metrics        callbackMetrics
	Logger         *slog.Logger     // nil: nothing is logged
	Now            func() time.Time // nil: time.Now
}

// callbackMetrics are the functions that count callbacks; nil ones count nothing. They may be called concurrently.
type callbackMetrics struct {
	// Unowned is called for each callback that reached no owner; the owner counts the others.
	Unowned func(context.Context, event.Record)
}

const (
	// callbackTimeout bounds a callback to another edge: below the time-outs of the AWS SDKs, which would otherwise hang
	// and retry although the message may have been delivered (contract/websocket-api.md §17, item 8).
	callbackTimeout = 5 * time.Second
	// leaseTimeout bounds the look at a silent edge's lease, which is asked for after callbackTimeout may have run out.
	leaseTimeout = 2 * time.Second
	// callbacksRefusedText tells a refused caller which way is open.
	callbacksRefusedText = "This gateway takes no @connections calls over HTTP. Publish to the NATS subject " +
		"{prefix}.{api}.{stage}.@connections.{connectionId} instead; {prefix} is sallyport unless it was configured."
	// callbackRoute is the http.route of all callbacks in traces.
	callbackRoute = "/@connections/{connectionId}"
)

// The parameters that do for DELETE what headers do, which are those of NATS callers (DESIGN §3.4, bus.HeaderCloseCode); unlike
// headers they are always part of a signature.
const (
	queryCloseCode   = "code"
	queryCloseReason = "reason"
)

// callbacks serves the @connections API over HTTP (contract/websocket-api.md §9). It is safe for concurrent use.
type callbacks struct {
	cfg    callbacksConfig
	tracer trace.Tracer // nil: no spans
}

// newCallbacks returns the handler for the paths that router.IsCallback knows; others get 404.
func newCallbacks(c callbacksConfig) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &callbacks{cfg: c}
	if c.TracerProvider != nil {
		h.tracer = c.TracerProvider.Tracer(scope)
	}
	return h
}

// callbackExchange is one callback on its way; one goroutine owns it.
type callbackExchange struct {
	ctx    context.Context //nolint:containedctx // the exchange lives as long as the call that has the context
	span   trace.Span
	record event.Record
	ref    gateway.ConnectionRef
	// owned says that the connection's owner took the call, well or not.
	owned bool
}

// ServeHTTP answers one callback.
func (h *callbacks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.begin(r)
	answer, err := h.serve(w, r, x)
	if err != nil {
		answer = h.refusal(r, x, err)
	}
	x.record.Status, x.record.BytesOut = answer.status, len(answer.body)
	answer.write(w, r)
	h.finish(x)
}

func (h *callbacks) begin(r *http.Request) *callbackExchange {
	x := &callbackExchange{record: event.Record{
		Time: h.cfg.Now(), Kind: event.KindCallback, Request: gateway.NewRequestID(), Method: r.Method, Path: r.URL.EscapedPath(),
	}}
	x.ctx, x.span = startServerSpan(r, h.tracer)
	return x
}

// serve is the way of a callback: policy → signature → address → permission → owner. What the address is worth is told to
// nobody before the signature is verified.
func (h *callbacks) serve(w http.ResponseWriter, r *http.Request, x *callbackExchange) (callbackAnswer, error) {
	table := h.cfg.Live.Load()
	ref, unknown := table.Callback(r.Host, x.record.Path)
	limit := maxPush(table, ref)
	switch h.cfg.Policy {
	case CallbacksOpen:
		if unknown != nil {
			return callbackAnswer{}, unknown
		}
		return h.reach(r, x, ref, func() ([]byte, error) { return readBody(w, r, limit) })
	case CallbacksSigned:
		key, body, err := h.admit(w, r, x, limit)
		if err == nil {
			err = unknown
		}
		if err == nil {
			err = authorize(&key, &ref, r.Method)
		}
		if err != nil {
			return callbackAnswer{}, err
		}
		return h.reach(r, x, ref, func() ([]byte, error) { return body, nil })
	}
	return callbackAnswer{}, gateway.Errorf(gateway.CodeForbidden, callbacksRefusedText)
}

// reach does what the caller asks of the connection; body is called by those who need one.
func (h *callbacks) reach(r *http.Request, x *callbackExchange, ref gateway.ConnectionRef, body func() ([]byte, error)) (callbackAnswer, error) {
	x.ref = ref
	x.record.API, x.record.Stage, x.record.Connection = ref.API, ref.Stage, ref.ID
	switch r.Method {
	case http.MethodPost:
		return h.post(r, x, body)
	case http.MethodGet:
		return h.get(x)
	case http.MethodDelete:
		return h.delete(r, x)
	}
	return callbackAnswer{}, gateway.Errorf(gateway.CodeForbidden, "Forbidden")
}

// maxPush is the most that is read of a message. The owner has the last word where the address does not name the API.
func maxPush(table *router.Table, ref gateway.ConnectionRef) int {
	if p := table.Program(ref.API, ref.Stage); p != nil {
		return p.Limits().MaxMessageBytes
	}
	return gateway.MaxMessageCeiling
}

func (h *callbacks) finish(x *callbackExchange) {
	x.record.Latency = h.cfg.Now().Sub(x.record.Time)
	endServerSpan(x.span, &x.record)
	if x.owned {
		return
	}
	if h.cfg.Metrics.Unowned != nil {
		h.cfg.Metrics.Unowned(x.ctx, x.record)
	}
	if h.cfg.Observe != nil && (h.cfg.Observing == nil || h.cfg.Observing()) {
		h.cfg.Observe(x.record)
	}
}

// call reaches the owner of the connection: this edge, or another one within callbackTimeout.
func (h *callbacks) call(x *callbackExchange, do func(context.Context, gateway.Connections) error) error {
	owner := x.ref.ID.Edge()
	if owner == h.cfg.Edge {
		x.owned = true
		return do(x.ctx, h.cfg.Local)
	}
	ctx, cancel := context.WithTimeout(x.ctx, callbackTimeout)
	defer cancel()
	err := do(ctx, h.cfg.Remote)
	switch code := gateway.ErrorCode(err); {
	case code == gateway.CodeUnavailable:
		return h.silent(x.ctx, owner, err)
	case code == gateway.CodeGone && errors.Is(err, bus.ErrNoResponders): // so says no owner, but that there is none
		return err
	case code == gateway.CodeTimeout: // it may have got the call or not: no proof of anything (DESIGN §3.6)
		return err
	}
	x.owned = true
	return err
}

// silent decides what the silence of an edge means: gone for good without a lease, a retry's worth with one.
func (h *callbacks) silent(ctx context.Context, owner gateway.EdgeID, silence error) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	leased, err := h.cfg.Lease(ctx, owner)
	switch {
	case err != nil:
		return gateway.Errorf(gateway.CodeUnavailable, "Service Unavailable").Because(errors.Join(silence, err))
	case leased:
		return silence
	}
	return gateway.Errorf(gateway.CodeGone, "the connection is gone").Because(silence)
}
