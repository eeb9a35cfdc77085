package bus

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
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
	// commandTimeout bounds one command at the edge; they answer in microseconds.
	commandTimeout = 5 * time.Second
	// commandBytes bounds the pushes that wait for the edge: more are dropped by nats.go and reported, and whoever asked
	// for an answer times out.
	commandBytes = 256 << 20
	// commandMessages goes with it: nats.go's own default.
	commandMessages = 500_000
)

// ConnectionsConfig configures the edge's side of connection commands.
type ConnectionsConfig struct {
	Conn     *Conn
	Subjects Subjects
	// Edge is the incarnation whose sockets these are.
	Edge gateway.EdgeID
	// Local runs the commands. For one connection its methods are called one after the other, in the order of arrival, so
	// that pushes keep their order; for different ones they may be called concurrently. They must not block.
	Local gateway.Connections
	// List yields the live connections of this edge; nil is none. It may be called concurrently.
	List iter.Seq[gateway.ConnectionStatus]
	// Look returns one of them as it is now, or false if it is gone: what a listing shows is no callback of anybody's, so
	// Local must not hear of it. It belongs to List, and may be called concurrently.
	Look func(gateway.ConnectionID) (gateway.ConnectionStatus, bool)
	// TracerProvider makes the spans of commands; nil makes none. A command that carries a traceparent continues its trace.
	TracerProvider trace.TracerProvider
	Logger         *slog.Logger
}

// ConnectionServer is an edge's ear for everybody who wants something of its connections: post, get and delete by
// subject, pings and listings.
type ConnectionServer struct {
	config ConnectionsConfig
	logger *slog.Logger
	trace  tracing
	subs   []*nats.Subscription
	ctx    context.Context // of running commands and listings; canceled by Close
	cancel context.CancelFunc
	lanes  []*lane
	seed   maphash.Seed // decides which connection is in which lane

	mu       sync.Mutex // guards listings and closed, and lists.Add against Close
	listings int
	closed   bool
	lists    sync.WaitGroup // the listings under way
}

// ServeConnections subscribes to the commands for c.Edge and returns when the server knows it. Close it before its
// connection.
func ServeConnections(c ConnectionsConfig) (*ConnectionServer, error) {
	switch {
	case c.Conn == nil:
		return nil, errors.New("bus.ServeConnections: Conn is missing")
	case c.Local == nil:
		return nil, errors.New("bus.ServeConnections: Local is missing")
	case c.List != nil && c.Look == nil:
		return nil, errors.New("bus.ServeConnections: Look is missing, which belongs to List")
	case !c.Edge.Valid():
		return nil, errors.New("bus.ServeConnections: Edge is missing or malformed")
	}
	if err := c.Subjects.Validate(); err != nil {
		return nil, err
	}
	s := &ConnectionServer{config: c, logger: orDiscard(c.Logger), trace: newTracing(c.TracerProvider, false)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.startLanes()
	if err := s.subscribe(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *ConnectionServer) subscribe() error {
	subjects, edge := s.config.Subjects, s.config.Edge
	before := s.config.Conn.nc.LastError()
	wanted := map[string]bool{}
	for _, one := range []struct {
		subject string
		handler nats.MsgHandler
	}{
		{subjects.EdgeConnections(edge), s.onCommand},
		{subjects.EdgePing(edge), s.onPing},
		{subjects.EdgesPing(), s.onPing},
		{subjects.EdgeList(edge), s.onList},
	} {
		sub, err := s.config.Conn.nc.Subscribe(one.subject, one.handler)
		if err != nil {
			return publishError(err)
		}
		s.subs = append(s.subs, sub)
		wanted[one.subject] = true
	}
	if err := s.subs[0].SetPendingLimits(commandMessages, commandBytes); err != nil {
		return publishError(err)
	}
	return s.config.Conn.subscribed(before, wanted)
}

// onCommand takes one post, get or delete.
func (s *ConnectionServer) onCommand(m *nats.Msg) {
	if !s.config.Subjects.answerable(m.Reply) {
		m.Reply = "" // run like one that wants no answer
	}
	ref, _, verb, err := s.config.Subjects.ParseConnection(m.Subject)
	if err == nil {
		err = s.checkID(ref.ID)
	} else {
		err = gateway.Errorf(gateway.CodeBadRequest, "not a connection command")
	}
	s.take(command{m, ref, verb, err})
}

// run runs a command.
func (s *ConnectionServer) run(c command) {
	m, ref, verb, err := c.message, c.ref, c.verb, c.err
	ctx := s.ctx
	if verb != VerbPost { // a push is taken or refused at once, and comes by the hundred thousand
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, commandTimeout)
		defer cancel()
	}
	ctx, span := s.trace.receive(ctx, s.trace.command(s.config.Subjects, m.Subject, verb), m.Header)
	var out *nats.Msg
	if err == nil {
		out, err = s.command(ctx, ref, verb, m)
	}
	finish(span, err)
	if m.Reply == "" {
		return
	}
	if err != nil {
		out = commandError(m.Reply, err)
	}
	s.respond(m, out)
}

// checkID refuses what is no connection of this edge by its form: the edge token of a subject is only the sender's word
// (nats-facts §2.3).
func (s *ConnectionServer) checkID(id gateway.ConnectionID) error {
	if _, err := gateway.ParseConnectionID(string(id)); err != nil || id.Edge() != s.config.Edge {
		return errInvalidID(id)
	}
	return nil
}

func errInvalidID(id gateway.ConnectionID) *gateway.Error {
	return gateway.Errorf(gateway.CodeBadRequest, "Invalid connectionId: %.64s", string(id)) // contract/websocket-api.md §9.2
}

// command calls the edge and builds the answer that the HTTP call would give (contract/websocket-api.md §9.2); nil where
// nobody wants one.
func (s *ConnectionServer) command(ctx context.Context, ref gateway.ConnectionRef, verb Verb, m *nats.Msg) (*nats.Msg, error) {
	ok := func(status int, body []byte) *nats.Msg {
		if m.Reply == "" {
			return nil
		}
		return replyMessage(m.Reply, &gateway.Reply{Status: status, Body: body})
	}
	switch verb {
	case VerbPost:
		c, _ := readHeader(m.Header)
		err := s.config.Local.Post(ctx, ref, gateway.Push{Body: m.Data, Binary: c.binary})
		return ok(200, nil), err
	case VerbDelete:
		c, _ := readHeader(m.Header)
		frame, err := readClose(c)
		if err != nil {
			return nil, err
		}
		return ok(204, nil), s.config.Local.Delete(ctx, ref, frame)
	}
	status, err := s.config.Local.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	body, err := statusBody(status, verb)
	if err != nil {
		return nil, err
	}
	return ok(200, body), nil
}

// maxCloseReason is what fits a close frame (RFC 6455 §5.5, §7.1.6).
const maxCloseReason = 123

// readClose reads the close frame that a delete asks for.
func readClose(c control) (gateway.Close, error) {
	frame := gateway.Close{Reason: c.closeReason}
	if c.closeCode != "" {
		code, err := strconv.Atoi(c.closeCode)
		if err != nil || code < 1000 || code > 4999 {
			return frame, gateway.Errorf(gateway.CodeBadRequest, "%s is no close code", HeaderCloseCode)
		}
		frame.Code = code
	}
	if len(frame.Reason) > maxCloseReason {
		return frame, gateway.Errorf(gateway.CodeBadRequest, "%s is longer than %d bytes", HeaderCloseReason, maxCloseReason)
	}
	return frame, nil
}

// connectionJSON is the body of a GET (contract/websocket-api.md §9.2).
type connectionJSON struct {
	ConnectedAt  string       `json:"connectedAt"`
	Identity     identityJSON `json:"identity"`
	LastActiveAt string       `json:"lastActiveAt"`
}

type identityJSON struct {
	SourceIP  string  `json:"sourceIp"`
	UserAgent *string `json:"userAgent"`
}

const isoMillis = "2006-01-02T15:04:05.000Z"

// StatusBody is the answer to a get command, over HTTP as over NATS (contract/websocket-api.md §9.2).
func StatusBody(c gateway.ConnectionStatus) ([]byte, error) {
	j := connectionJSON{
		ConnectedAt:  c.ConnectedAt.UTC().Format(isoMillis),
		Identity:     identityJSON{SourceIP: c.SourceIP},
		LastActiveAt: c.LastActiveAt.UTC().Format(isoMillis),
	}
	if c.UserAgent != "" {
		j.Identity.UserAgent = &c.UserAgent
	}
	return statusJSON(j)
}

// statusBody answers a get command, or one that wants all there is.
func statusBody(c gateway.ConnectionStatus, verb Verb) ([]byte, error) {
	if verb == VerbGet {
		return StatusBody(c)
	}
	return statusJSON(c)
}

func statusJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeInternal, "the connection's status can't be shown").Because(err)
	}
	return b, nil
}

// commandStatus is the HTTP status of a failed command (DESIGN §3.4).
func commandStatus(code gateway.Code) int {
	switch code {
	case gateway.CodeBadRequest:
		return 400
	case gateway.CodeForbidden:
		return 403
	case gateway.CodeGone, gateway.CodeNotFound:
		return 410
	case gateway.CodeTooLarge:
		return 413
	case gateway.CodeSlowClient:
		return 429
	case gateway.CodeUnavailable, gateway.CodeTimeout:
		return 503
	}
	return 500
}

// commandError answers with the code for gateways and the status for everybody else.
func commandError(subject string, err error) *nats.Msg {
	m := errorMessage(subject, err)
	m.Header[HeaderStatus] = []string{strconv.Itoa(commandStatus(gateway.ErrorCode(err)))}
	return m
}

// onPing says that this edge lives, and which one it is.
func (s *ConnectionServer) onPing(m *nats.Msg) {
	s.respond(m, replyMessage(m.Reply, &gateway.Reply{Status: 200, Body: []byte(s.config.Edge)}))
}

// respond answers if the sender asked for it.
func (s *ConnectionServer) respond(m, out *nats.Msg) {
	if m.Reply == "" {
		return
	}
	if err := s.config.Conn.nc.PublishMsg(out); err != nil {
		s.logger.Warn("an answer to a connection command could not be sent", slog.Any("error", err))
	}
}

// Close stops listening, so that NATS answers for this edge from now on, and waits for listings under way.
func (s *ConnectionServer) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, sub := range s.subs {
		_ = sub.Unsubscribe() // fails when the connection is closed, which does the same
	}
	s.cancel()
	s.lists.Wait()
	for _, l := range s.lanes {
		<-l.ended
	}
}
