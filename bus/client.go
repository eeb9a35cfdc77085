package bus

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

// refusalGrace is how long a blocking one-way send listens for "no responders" after its round trip to the server: the
// message is on its way from nats.go's reader to our callback by then.
const refusalGrace = 2 * time.Millisecond

// ClientConfig configures an event client.
type ClientConfig struct {
	// Conn publishes the events and receives the replies.
	Conn     *Conn
	Subjects Subjects
	// Edge names the client's reply subjects; no other client may use the same one. A worker's client takes any free id.
	Edge gateway.EdgeID
	// Failed learns what became of an event that was sent with ExpectNothing and failed. It may be called before Send
	// returns, from any goroutine, and must not block. nil drops the news.
	Failed func(gateway.ConnectionID, gateway.RequestID, error)
	// TracerProvider makes the producer spans; nil makes none.
	TracerProvider trace.TracerProvider
	// Traceparent puts the trace on the events. It is on only while a trace exporter is configured: a sampled traceparent
	// costs nats-server 1.5 µs a hop and more (nats-facts §3.5).
	Traceparent bool
	// Logger is told of misconfigurations; nil is no log.
	Logger *slog.Logger
}

// Client sends events and matches their replies: the sender's end of the hop. It is a gateway.Sender and a
// gateway.Invoker, and may be used concurrently.
//
// The Codes of its errors, beside those that the answering side reports: CodeUnavailable (nobody serves the subject, or
// NATS is away), CodeTimeout, CodeTooLarge (over the payload cap of this NATS), CodeIntegration (a reply with a junk
// status).
type Client struct {
	conn     *Conn
	subjects Subjects
	edge     gateway.EdgeID
	failed   func(gateway.ConnectionID, gateway.RequestID, error)
	exchange *exchange
	failures *nats.Subscription
	trace    tracing
	once     sync.Once

	envelopes envelopes
}

var (
	_ gateway.Sender  = (*Client)(nil)
	_ gateway.Invoker = (*Client)(nil)
)

// NewClient subscribes to the client's replies. Close it before its connection.
func NewClient(c ClientConfig) (*Client, error) {
	switch {
	case c.Conn == nil:
		return nil, errors.New("bus.NewClient: Conn is missing")
	case !c.Edge.Valid():
		return nil, errors.New("bus.NewClient: Edge is missing or malformed")
	}
	if err := c.Subjects.Validate(); err != nil {
		return nil, err
	}
	client := &Client{
		conn: c.Conn, subjects: c.Subjects, edge: c.Edge, failed: c.Failed,
		trace: newTracing(c.TracerProvider, c.Traceparent),
	}
	if client.failed == nil {
		client.failed = func(gateway.ConnectionID, gateway.RequestID, error) {}
	}
	x, err := newExchange(c.Conn, c.Subjects, c.Edge, orDiscard(c.Logger))
	if err != nil {
		return nil, err
	}
	client.exchange = x
	subject := c.Subjects.Failures(c.Edge)
	before := c.Conn.nc.LastError()
	if client.failures, err = c.Conn.nc.Subscribe(subject, client.onFailure); err == nil {
		err = c.Conn.subscribed(before, map[string]bool{subject: true})
	}
	if err != nil {
		x.close()
		return nil, err
	}
	return client, nil
}

// Send implements gateway.Sender. An ExpectAck event to which nobody answers ends with CodeTimeout.
func (c *Client) Send(ctx context.Context, ev *gateway.Event, done func(*gateway.Reply, error)) {
	if ev.Expect == gateway.ExpectStored {
		c.store(ctx, ev, done)
		return
	}
	if ev.Expect == gateway.ExpectNothing {
		if err := c.tell(ctx, ev); err != nil {
			c.failed(ev.Connection, ev.Request, err)
		}
		return
	}
	if _, err := c.ask(ctx, ev, done); err != nil {
		done(nil, err)
	}
}

// Invoke implements gateway.Invoker. For an event with ExpectNothing it returns a bare 200 as soon as the server has the
// message, or the error when nobody serves the subject or the failure came back at once.
func (c *Client) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	type result struct {
		reply *gateway.Reply
		err   error
	}
	if err := ctx.Err(); err != nil {
		return nil, errEnded(err)
	}
	answered := make(chan result, 1) // never blocks: the exchange answers once
	token, err := c.ask(ctx, ev, func(r *gateway.Reply, err error) { answered <- result{r, err} })
	if err != nil {
		return nil, err
	}
	var accepted <-chan time.Time
	if ev.Expect == gateway.ExpectNothing {
		if err := c.flush(ctx); err != nil {
			c.exchange.fail(token, err)
		}
		timer := time.NewTimer(refusalGrace)
		defer timer.Stop()
		accepted = timer.C
	}
	select {
	case r := <-answered:
		return r.reply, r.err
	case <-accepted:
		if _, span, ok := c.exchange.take(token); ok {
			finish(span, nil)
			return &gateway.Reply{Status: 200}, nil
		}
	case <-ctx.Done():
		c.exchange.fail(token, errEnded(ctx.Err()))
	}
	r := <-answered // answered in this moment, by fail or by the reply
	return r.reply, r.err
}

func errEnded(cause error) error {
	return gateway.Errorf(gateway.CodeTimeout, "the caller stopped waiting").Because(cause)
}

func (c *Client) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushWait)
	defer cancel()
	if err := c.conn.nc.FlushWithContext(ctx); err != nil {
		return publishError(err)
	}
	return nil
}

// ask publishes an event with a reply subject of its own and returns its token. When it returns an error, answer is not
// called.
func (c *Client) ask(ctx context.Context, ev *gateway.Event, answer answerFunc) (uint64, error) {
	if err := c.fits(ev); err != nil {
		return 0, err
	}
	v := c.envelopes.event(ev)
	defer c.envelopes.put(v)
	span := c.trace.send(ctx, destination{subject: ev.Subject}, v.header)
	token, reply, ok := c.exchange.open(ev.Timeout, span, answer)
	if !ok {
		finish(span, errClosed())
		return 0, errClosed()
	}
	err := c.publish(ev, reply, v)
	if err == nil {
		return token, nil
	}
	if _, _, mine := c.exchange.take(token); !mine {
		return token, nil // the sweeper or Close has told the sender already
	}
	finish(span, err)
	return 0, err
}

// tell publishes a one-way event. Its reply subject says by itself which message failed, so nothing stays pending.
func (c *Client) tell(ctx context.Context, ev *gateway.Event) error {
	if err := c.fits(ev); err != nil {
		return err
	}
	v := c.envelopes.event(ev)
	defer c.envelopes.put(v)
	span := c.trace.send(ctx, destination{subject: ev.Subject}, v.header)
	err := c.publish(ev, c.subjects.Failure(c.edge, ev.Connection, ev.Request), v)
	finish(span, err)
	return err
}

func (c *Client) publish(ev *gateway.Event, reply string, v *envelope) error {
	if err := checkLength(ev.Subject, reply); err != nil {
		return err
	}
	v.message = nats.Msg{Subject: ev.Subject, Reply: reply, Header: v.header, Data: ev.Body}
	if err := c.conn.nc.PublishMsg(&v.message); err != nil {
		return publishError(err)
	}
	return nil
}

func (c *Client) fits(ev *gateway.Event) error {
	if limit := c.conn.PayloadCap(); len(ev.Body) > limit {
		return gateway.Errorf(gateway.CodeTooLarge, "the message has %d bytes, at most %d can be sent", len(ev.Body), limit)
	}
	return nil
}

// onFailure hears of one-way events: "no responders", or what a worker reports. Any other answer is ignored
// (DESIGN §3.3).
func (c *Client) onFailure(m *nats.Msg) {
	connection, request, err := parseFailure(strings.TrimPrefix(m.Subject, c.subjects.failurePrefix(c.edge)))
	if err != nil {
		c.exchange.junk.Add(1)
		return
	}
	if noResponders(m) {
		c.failed(connection, request, errNobody())
		return
	}
	if control, _ := readHeader(m.Header); control.code != "" {
		e, from := readError(control.code, m.Data)
		if from == originJunk {
			c.exchange.junk.Add(1)
		}
		c.failed(connection, request, e)
	}
}

// ClientStats counts what went wrong with replies.
type ClientStats struct {
	// Late counts replies after the time-out, second answers and unknown tokens; they were dropped.
	Late uint64
	// Junk counts replies whose subject or Sallyport- headers mean nothing.
	Junk uint64
	// Dropped counts replies that nats.go dropped because too many were waiting.
	Dropped uint64
	// Pending is how many events wait for their reply now.
	Pending int
}

// Stats returns the counts since the client was made.
func (c *Client) Stats() ClientStats {
	s := ClientStats{
		Late: c.exchange.late.Load(), Junk: c.exchange.junk.Load(), Pending: c.exchange.pending(),
	}
	for _, sub := range []*nats.Subscription{c.exchange.sub, c.failures} {
		if n, err := sub.Dropped(); err == nil && n > 0 {
			s.Dropped += uint64(n)
		}
	}
	return s
}

// Close ends every pending event with CodeUnavailable and stops listening. Later Sends fail. It may be called more than
// once, and must not be called from a done function.
func (c *Client) Close() {
	c.once.Do(func() {
		c.exchange.close()
		_ = c.failures.Unsubscribe() // fails when the connection is closed, which does the same
	})
}
