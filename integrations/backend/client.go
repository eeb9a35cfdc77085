package backend

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

// Config says what a Client works with.
type Config struct {
	// Transport makes the calls; nil makes one (NewTransport).
	Transport http.RoundTripper
	// TracerProvider makes a client span of each call, whose context is sent to the backend as traceparent
	// (W3C Trace Context). nil: no spans, nothing sent.
	TracerProvider trace.TracerProvider
}

// Client calls HTTP backends over one pool of connections; a process needs only one. It may be used concurrently.
type Client struct {
	transport http.RoundTripper
	tracer    trace.Tracer // nil: no spans, no trace context sent
}

// New returns a Client. Close it when its last call has ended.
func New(c Config) *Client {
	client := &Client{transport: c.Transport}
	if client.transport == nil {
		client.transport = NewTransport()
	}
	if c.TracerProvider != nil {
		client.tracer = c.TracerProvider.Tracer(scope)
	}
	return client
}

// Close drops the connections that are kept for the next call. Calls under way are not cut.
func (c *Client) Close() {
	if pool, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		pool.CloseIdleConnections()
	}
}

const scope = "github.com/sallyport/sallyport/integrations"

// Answer is a backend's response, read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// DiscardAnswer as Do's limit says that only the answer's status matters. Body then holds what came of it within
// discardBytes.
const DiscardAnswer = -1

// discardBytes is how much of an unwanted answer is read so that its connection can be used again; past it dialling anew
// is cheaper.
const discardBytes = 64 << 10

// Do sends r with the given body and reads the answer, of which more than limit bytes are an error. Redirects are
// answers, not followed (contract/http-api.md §7.9). r must be fresh and without a body; it is changed. body is not
// used any more when Do returns.
//
// Errors are *gateway.Error: CodeTimeout when ctx ran out of time, CodeUnavailable when no connection to the backend
// came about or the caller left, CodeIntegration when the backend broke off, sent something that is no HTTP response,
// or answered with more than limit bytes. Too long an answer is not CodeTooLarge, which tells the client that its own
// message was: the client did nothing wrong.
func (c *Client) Do(ctx context.Context, r *http.Request, body []byte, limit int) (*Answer, error) {
	ctx, span := c.start(ctx, r)
	defer span.End()
	loan := &lent{body: body}
	defer loan.wait()
	loan.attach(r)
	reach := &reached{}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: reach.asked, GotConn: reach.got})
	answer, err := c.roundTrip(ctx, r.WithContext(ctx), limit)
	if err != nil {
		failure := classify(ctx, err, reach.connected.Load())
		finish(span, string(failure.Code))
		return nil, failure
	}
	if span.IsRecording() {
		span.SetAttributes(semconv.HTTPResponseStatusCode(answer.Status))
		if answer.Status >= http.StatusBadRequest {
			finish(span, strconv.Itoa(answer.Status))
		}
	}
	return answer, nil
}

func (c *Client) roundTrip(ctx context.Context, r *http.Request, limit int) (*Answer, error) {
	res, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // everything of interest was read, or the answer is refused
	answer := &Answer{Status: res.StatusCode, Header: res.Header}
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		return nil, errSwitched // its body would be the open connection
	case limit == DiscardAnswer:
		answer.Body, _ = io.ReadAll(io.LimitReader(res.Body, discardBytes)) // the status has come: nothing can fail now
		return answer, nil
	case res.ContentLength > int64(limit) && r.Method != http.MethodHead:
		return nil, errOversized
	}
	answer.Body, err = readAll(res, limit)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

var (
	errOversized = errors.New("the answer is longer than the route allows")
	errSwitched  = errors.New("the backend switched to another protocol")
)

func readAll(res *http.Response, limit int) ([]byte, error) {
	// A HEAD answer says a length and has no body.
	if n := res.ContentLength; n > 0 && res.Body != http.NoBody {
		body := make([]byte, n) // bounded: the caller compared n with the limit
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	if err == nil && len(body) > limit {
		err = errOversized
	}
	return body, err
}

// reached remembers whether the latest attempt had a connection: the transport may dial again after it lost an idle one.
type reached struct{ connected atomic.Bool }

func (r *reached) asked(string)                { r.connected.Store(false) }
func (r *reached) got(_ httptrace.GotConnInfo) { r.connected.Store(true) }

func (c *Client) start(ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	if c.tracer == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	ctx, span := c.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(callAttributes(r)...)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return ctx, span
}

// callAttributes follow the semantic conventions for HTTP clients. The URL goes without user and query: a query may
// hold a client's secret.
func callAttributes(r *http.Request) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(r.Method),
		semconv.URLFull(r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath()),
		semconv.ServerAddress(r.URL.Hostname()),
	}
	if port, err := strconv.Atoi(r.URL.Port()); err == nil {
		attributes = append(attributes, semconv.ServerPort(port))
	}
	return attributes
}

func finish(span trace.Span, errorType string) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
	span.SetStatus(codes.Error, "")
}

// The public messages say what happened and nothing of where: the cause goes to the log.
func classify(ctx context.Context, err error, connected bool) *gateway.Error {
	switch {
	case outOfTime(ctx):
		return gateway.Errorf(gateway.CodeTimeout, "the backend did not answer in time").Because(err)
	case ctx.Err() != nil:
		return gateway.Errorf(gateway.CodeUnavailable, "the call was given up").Because(err)
	case errors.Is(err, errOversized):
		return gateway.Errorf(gateway.CodeIntegration, "the backend's answer is too long").Because(err)
	case connected:
		return gateway.Errorf(gateway.CodeIntegration, "the backend broke off or sent no valid answer").Because(err)
	}
	return gateway.Errorf(gateway.CodeUnavailable, "the backend can't be reached").Because(err)
}

// outOfTime reads the clock too: a read that shares the context's deadline may fail just before its timer fires. The
// error itself is no proof, since a dial that took too long looks the same and means unreachable.
func outOfTime(ctx context.Context) bool {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return true
	}
	end, ok := ctx.Deadline()
	return ok && ctx.Err() == nil && !time.Now().Before(end)
}
