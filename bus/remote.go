package bus

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// remoteTimeout bounds a command to another edge that never answers; the caller's context may be shorter.
	remoteTimeout = 5 * time.Second
	// gatherQuiet ends the round call for edges when no further one answers, gatherMost in any case. Edges answer in
	// less than a millisecond, across regions in some hundred.
	gatherQuiet = 500 * time.Millisecond
	gatherMost  = 3 * time.Second
)

// RemoteConfig configures access to the connections of other edges.
type RemoteConfig struct {
	Conn     *Conn
	Subjects Subjects
	// Lease reports whether an edge that does not answer still has its lease: then it may come back, and the error is
	// CodeUnavailable in place of CodeGone (nats-facts §5.8). nil is taken as "no lease".
	Lease func(context.Context, gateway.EdgeID) (bool, error)
	// Edges gives the edges that have a lease; a listing reports those that do not answer. nil lists whoever answers.
	Edges func(context.Context) ([]gateway.EdgeID, error)
	// TracerProvider makes the producer spans; nil makes none.
	TracerProvider trace.TracerProvider
	// Traceparent puts the trace on the commands.
	Traceparent bool
	Logger      *slog.Logger
}

// Connections reaches the connections of any edge by NATS: the id says which edge is asked. It is a
// gateway.Connections and may be used concurrently.
type Connections struct {
	conn     *Conn
	subjects Subjects
	lease    func(context.Context, gateway.EdgeID) (bool, error)
	edges    func(context.Context) ([]gateway.EdgeID, error)
	exchange *exchange
	trace    tracing
	once     sync.Once
}

var _ gateway.Connections = (*Connections)(nil)

// NewConnections subscribes to the answers. Close it before its connection.
func NewConnections(c RemoteConfig) (*Connections, error) {
	if c.Conn == nil {
		return nil, errors.New("bus.NewConnections: Conn is missing")
	}
	if err := c.Subjects.Validate(); err != nil {
		return nil, err
	}
	// A name of its own for the answers: an event client of the same process has the edge's.
	x, err := newExchange(c.Conn, c.Subjects, gateway.NewEdgeID(), orDiscard(c.Logger))
	if err != nil {
		return nil, err
	}
	return &Connections{
		conn: c.Conn, subjects: c.Subjects, lease: c.Lease, edges: c.Edges, exchange: x,
		trace: newTracing(c.TracerProvider, c.Traceparent),
	}, nil
}

// Post implements gateway.Connections.
func (c *Connections) Post(ctx context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
	if limit := c.conn.PayloadCap(); len(p.Body) > limit {
		return gateway.Errorf(gateway.CodeTooLarge, "the message has %d bytes, at most %d can be sent", len(p.Body), limit)
	}
	h := nats.Header{}
	if p.Binary {
		h[HeaderOpcode] = []string{OpcodeBinary}
	}
	_, err := c.command(ctx, ref, VerbPost, h, p.Body)
	return err
}

// Get implements gateway.Connections.
func (c *Connections) Get(ctx context.Context, ref gateway.ConnectionRef) (gateway.ConnectionStatus, error) {
	var status gateway.ConnectionStatus
	reply, err := c.command(ctx, ref, VerbStatus, nats.Header{}, nil)
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal(reply.Body, &status); err != nil {
		return status, gateway.Errorf(gateway.CodeInternal, "the edge answered with no connection").Because(err)
	}
	return status, nil
}

// Delete implements gateway.Connections.
func (c *Connections) Delete(ctx context.Context, ref gateway.ConnectionRef, frame gateway.Close) error {
	h := nats.Header{}
	if frame.Code != 0 {
		h[HeaderCloseCode] = []string{strconv.Itoa(frame.Code)}
	}
	if frame.Reason != "" {
		h[HeaderCloseReason] = []string{frame.Reason}
	}
	_, err := c.command(ctx, ref, VerbDelete, h, nil)
	return err
}

// command asks the owner of ref and waits for its answer. A malformed id is CodeBadRequest and goes nowhere.
func (c *Connections) command(ctx context.Context, ref gateway.ConnectionRef, verb Verb, h nats.Header, body []byte) (*gateway.Reply, error) {
	if _, err := gateway.ParseConnectionID(string(ref.ID)); err != nil {
		return nil, errInvalidID(ref.ID)
	}
	subject := c.subjects.Connection(ref, verb)
	span := c.trace.send(ctx, c.trace.command(c.subjects, subject, verb), h)
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	reply, err := c.roundTrip(ctx, subject, h, body)
	if err != nil {
		err = c.explain(ctx, ref.ID.Edge(), err)
	}
	finish(span, err)
	return reply, err
}

func (c *Connections) roundTrip(ctx context.Context, subject string, h nats.Header, body []byte) (*gateway.Reply, error) {
	type result struct {
		reply *gateway.Reply
		err   error
	}
	answered := make(chan result, 1) // never blocks: the exchange answers once
	token, reply, ok := c.exchange.open(0, nil, func(r *gateway.Reply, err error) { answered <- result{r, err} })
	if !ok {
		return nil, errClosed()
	}
	if err := checkLength(subject, reply); err != nil {
		c.exchange.fail(token, err)
	} else if err := c.conn.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Header: h, Data: body}); err != nil {
		c.exchange.fail(token, publishError(err))
	}
	select {
	case r := <-answered:
		return r.reply, r.err
	case <-ctx.Done():
		c.exchange.fail(token, errEnded(ctx.Err()))
	}
	r := <-answered
	return r.reply, r.err
}

// explain turns "nobody answers" and "no answer in time" into what they mean for a connection.
func (c *Connections) explain(ctx context.Context, edge gateway.EdgeID, err error) error {
	switch {
	case errors.Is(err, ErrNoResponders):
		return c.absent(ctx, edge)
	case gateway.ErrorCode(err) == gateway.CodeTimeout:
		return gateway.Errorf(gateway.CodeUnavailable, "the connection's edge does not answer").Because(err)
	}
	return err
}

// absent decides between gone and away: NATS knows nobody of that name, but its lease may still be there.
func (c *Connections) absent(ctx context.Context, edge gateway.EdgeID) error {
	if c.lease == nil {
		return errGone().Because(ErrNoResponders)
	}
	held, err := c.lease(ctx, edge)
	switch {
	case err != nil:
		return gateway.Errorf(gateway.CodeUnavailable, "the connection's edge can't be reached").Because(err)
	case held:
		return gateway.Errorf(gateway.CodeUnavailable, "the connection's edge is away")
	}
	return errGone().Because(ErrNoResponders)
}

func errGone() *gateway.Error {
	return gateway.Errorf(gateway.CodeGone, "the connection does not exist, or no longer")
}

// List yields the connections of all edges, one edge after the other, in no order. An edge that can't be asked yields
// an error in place of its connections, and the listing goes on with the next.
func (c *Connections) List(ctx context.Context, f ListFilter) iter.Seq2[gateway.ConnectionStatus, error] {
	return func(yield func(gateway.ConnectionStatus, error) bool) {
		edges, err := c.discover(ctx, f)
		if err != nil && !yield(gateway.ConnectionStatus{}, err) {
			return
		}
		count := 0
		one := func(s gateway.ConnectionStatus) bool {
			count++
			return yield(s, nil) && count != f.Limit
		}
		for _, edge := range edges {
			more, err := c.readPages(ctx, edge, f, one)
			switch {
			case err != nil:
				if !yield(gateway.ConnectionStatus{}, err) || ctx.Err() != nil {
					return
				}
			case !more:
				return
			}
		}
	}
}

// discover calls all edges and adds those that have a lease but did not answer.
func (c *Connections) discover(ctx context.Context, f ListFilter) ([]gateway.EdgeID, error) {
	if f.Edge != "" {
		return []gateway.EdgeID{f.Edge}, nil
	}
	expected := map[gateway.EdgeID]bool{} // false: did not answer yet
	if c.edges != nil {
		leased, err := c.edges(ctx)
		if err != nil {
			return nil, err
		}
		for _, edge := range leased {
			expected[edge] = false
		}
	}
	missing := len(expected)
	nc := c.conn.nc
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, publishError(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails when the connection is closed, which does the same
	if err := nc.PublishRequest(c.subjects.EdgesPing(), inbox, nil); err != nil {
		return nil, publishError(err)
	}
	// With leases to compare with, the call ends as soon as all of them have answered.
	for most := time.Now().Add(gatherMost); (c.edges == nil || missing > 0) && time.Now().Before(most); {
		wait, cancel := context.WithTimeout(ctx, gatherQuiet)
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if err != nil {
			break // quiet, or nobody at all
		}
		edge := gateway.EdgeID(m.Data)
		if !edge.Valid() {
			continue
		}
		if answered, leased := expected[edge]; leased && !answered {
			missing--
		}
		expected[edge] = true
	}
	edges := make([]gateway.EdgeID, 0, len(expected))
	for edge := range expected {
		edges = append(edges, edge)
	}
	return edges, ctx.Err()
}

// Close ends pending commands with CodeUnavailable. It may be called more than once.
func (c *Connections) Close() { c.once.Do(c.exchange.close) }
