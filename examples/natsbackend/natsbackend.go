// Package natsbackend is all that the Go examples need to be backends of Sallyport: some 200 lines over nats.go, none of
// them Sallyport's own code, so that they can be copied into a program of yours.
//
// A backend subscribes to the subjects of the routes that it serves. One path through it: a client's frame arrives as a
// message on the route's subject with the client's bytes as payload and the Sallyport-Context header beside it; Run gives it to the
// route's Handler; the Handler calls Push for whoever should hear of it, which publishes on the connections' own
// subjects; the answers to those pushes come back to Run, which tells Config.Gone of connections that are no more.
//
// Everything runs in the goroutine that called Run: handlers, Gone and OnTick. State that only they touch needs no lock,
// and the events of one connection are handled in the order in which they came.
package natsbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxWaiting bounds the events and answers that wait for Run. When it is full, nats.go drops what comes and reports a slow
	// consumer; the gateway then answers the client that the route timed out.
	maxWaiting = 4096
	// reconnectWait is short because a gateway under development comes and goes.
	reconnectWait = 250 * time.Millisecond
	// flushLimit bounds the last flush, so that a NATS server that went away first can't hold up the end.
	flushLimit = 2 * time.Second
)

// Config says where the backend connects and whom it tells.
type Config struct {
	// URL of NATS; empty means nats.DefaultURL. The server need not be up yet.
	URL string
	// Prefix of the gateway's subjects; empty means "sallyport".
	Prefix string
	// API and Stage of the connections that Push sends to.
	API, Stage string
	// Queue is the queue group. Backends use one of their own name; Sallyport's workers are in "sallyport".
	Queue string
	// Gone is called for a connection that a push found closed. It may be nil.
	Gone func(connectionID string)
	// OnTick is called every Tick; no Tick, no call. Ticks that come while the last one is still at work are dropped.
	Tick   time.Duration
	OnTick func(now time.Time)
	// Logger gets connects, disconnects and failed pushes; nil means slog.Default.
	Logger *slog.Logger
}

// Context is what the examples use of the Sallyport-Context header.
type Context struct {
	ConnectionID     string            `json:"connectionId"`
	RouteKey         string            `json:"routeKey"`
	EventType        string            `json:"eventType"`
	DisconnectReason string            `json:"disconnectReason"`
	PathParameters   map[string]string `json:"pathParameters"`
}

// Event is one message, request, connect or disconnect.
type Event struct {
	Context Context
	Body    []byte
}

// Reply is the answer to an event. Only $connect, HTTP routes and routes with a route response read it.
type Reply struct {
	// Status is the HTTP status; 0 means 200. At $connect anything outside 200–299 refuses the client.
	Status int
	Header map[string]string
	Body   []byte
}

// Handler serves one route. nil says nothing to the gateway, as one-way routes and $disconnect may.
type Handler func(Event) *Reply

// Backend is a connection to the gateway's NATS. Its methods belong to the goroutine of Run, and before Run to whoever
// called Connect.
type Backend struct {
	cfg      Config
	nc       *nats.Conn
	handlers map[string]Handler
	messages chan *nats.Msg
	subs     []*nats.Subscription
	inbox    string // answers to pushes arrive at inbox + connection id
	closed   chan struct{}
}

// Connect prepares a backend. It does not wait for the server: until that is there, and whenever it is away, it is tried
// again and again.
func Connect(cfg Config) (*Backend, error) {
	if cfg.API == "" || cfg.Stage == "" || cfg.Queue == "" {
		return nil, errors.New("natsbackend: Config needs API, Stage and Queue")
	}
	if (cfg.Tick > 0) != (cfg.OnTick != nil) {
		return nil, errors.New("natsbackend: Config.Tick and OnTick go together")
	}
	if cfg.URL == "" {
		cfg.URL = nats.DefaultURL
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "sallyport"
	}
	if cfg.Gone == nil {
		cfg.Gone = func(string) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	b := &Backend{
		cfg:      cfg,
		handlers: make(map[string]Handler),
		messages: make(chan *nats.Msg, maxWaiting),
		inbox:    nats.NewInbox() + ".",
		closed:   make(chan struct{}),
	}
	log := cfg.Logger
	nc, err := nats.Connect(cfg.URL,
		nats.Name(cfg.Queue),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		// A push that waited for the server would arrive stale; better that Push fails and the client asks again.
		nats.ReconnectBufSize(-1),
		nats.ConnectHandler(func(*nats.Conn) { log.Info("connected to NATS") }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connected to NATS again") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost NATS", "error", err)
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS", "error", err) }),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	b.nc = nc
	sub, err := nc.ChanSubscribe(b.inbox+"*", b.messages)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("subscribe to the answers of pushes: %w", err)
	}
	b.subs = append(b.subs, sub)
	return b, nil
}

// Handle serves the route whose subject is the prefix and then route: chat.dev.ws.join for the route key join of the API chat on
// stage dev, web.dev.http.GET.{asset} for GET /{asset}. All routes share one channel, so that their order is kept.
func (b *Backend) Handle(route string, h Handler) error {
	subject := b.cfg.Prefix + "." + route
	if _, twice := b.handlers[subject]; twice {
		return fmt.Errorf("natsbackend: two handlers for %s", subject)
	}
	sub, err := b.nc.ChanQueueSubscribe(subject, b.cfg.Queue, b.messages)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	b.handlers[subject] = h
	b.subs = append(b.subs, sub)
	return nil
}

// Run handles events until ctx ends, then finishes those that have arrived and closes the connection. An error means that
// NATS refused the backend for good, or did not take the last answers.
func (b *Backend) Run(ctx context.Context) error {
	defer b.nc.Close()
	var ticks <-chan time.Time // nil, which never fires, without a tick
	if b.cfg.Tick > 0 {
		t := time.NewTicker(b.cfg.Tick)
		defer t.Stop()
		ticks = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return b.finish()
		case <-b.closed:
			return fmt.Errorf("NATS closed the connection: %w", b.nc.LastError())
		case m := <-b.messages:
			b.dispatch(m)
		case now := <-ticks:
			b.cfg.OnTick(now)
		}
	}
}

// finish leaves the queue group, so that nothing new comes, and handles what is already here.
func (b *Backend) finish() error {
	var err error
	for _, s := range b.subs {
		err = errors.Join(err, s.Unsubscribe())
	}
	for range len(b.messages) {
		b.dispatch(<-b.messages)
	}
	if b.nc.IsConnected() {
		err = errors.Join(err, b.nc.FlushTimeout(flushLimit))
	}
	if !b.nc.IsConnected() {
		return nil // the server went first, as it may when all end together, and what is unsent went with it
	}
	return err
}

func (b *Backend) dispatch(m *nats.Msg) {
	if id, ok := strings.CutPrefix(m.Subject, b.inbox); ok {
		b.answered(id, m)
		return
	}
	ev := Event{Body: m.Data}
	if err := json.Unmarshal([]byte(m.Header.Get("Sallyport-Context")), &ev.Context); err != nil {
		b.cfg.Logger.Warn("event without a readable Sallyport-Context", "subject", m.Subject, "error", err)
		return
	}
	reply := b.handlers[m.Subject](ev)
	if reply == nil || m.Reply == "" {
		return
	}
	out := nats.NewMsg(m.Reply)
	out.Data = reply.Body
	for k, v := range reply.Header {
		out.Header.Set(k, v)
	}
	status := reply.Status
	if status == 0 {
		status = 200
	}
	out.Header.Set("Sallyport-Status", strconv.Itoa(status))
	b.publish(out)
}

// Push sends one text message to a client. It returns at once; a connection that turns out to be gone is reported to
// Config.Gone.
func (b *Backend) Push(connectionID string, body []byte) {
	out := nats.NewMsg(b.cfg.Prefix + "." + b.cfg.API + "." + b.cfg.Stage + ".@connections." + connectionID)
	out.Reply = b.inbox + connectionID
	out.Data = body
	b.publish(out)
}

func (b *Backend) publish(m *nats.Msg) {
	if err := b.nc.PublishMsg(m); err != nil {
		b.cfg.Logger.Warn("not sent", "subject", m.Subject, "error", err)
	}
}

// answered reads what became of a push.
func (b *Backend) answered(id string, m *nats.Msg) {
	switch status := m.Header.Get("Sallyport-Status"); status {
	case "200":
	case "410":
		b.cfg.Gone(id)
	case "":
		// No responders: the client's edge is away for a moment, or it is gone, and then whoever takes over its connections tells
		// their $disconnect.
		b.cfg.Logger.Debug("nobody holds the connection at present", "connection", id)
	default: // 429: the client reads too slowly and this push is lost to it
		b.cfg.Logger.Info("push refused", "connection", id, "status", status)
	}
}
