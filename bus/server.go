package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// DefaultMaxConcurrent is how many events a worker runs at the same time: handlers mostly wait for backends, and
	// each costs a goroutine and a socket.
	DefaultMaxConcurrent = 512
	// arrivals is the channel between nats.go's reader and the dispatcher, which never blocks; a few thousand ride out
	// a pause of the scheduler. What does not fit is dropped by nats.go and reported, and the sender times out.
	arrivals = 4096
	// promptArrivals may wait behind a prompt handler. When there are more, one goroutine is not enough for them.
	promptArrivals = arrivals / 4
)

// ServerConfig configures the worker's end of the hop.
type ServerConfig struct {
	// Conn receives the events and carries the replies.
	Conn *Conn
	// Handler runs the events. It may be called concurrently; its panics are caught.
	Handler gateway.Invoker
	// MaxConcurrent bounds the running handlers; 0 means DefaultMaxConcurrent. Four times as many events wait for a free
	// one, further ones are refused with CodeUnavailable.
	MaxConcurrent int
	// TracerProvider makes the consumer spans; nil makes none.
	TracerProvider trace.TracerProvider
	// Logger is told of panics, refusals and lost replies; nil is no log.
	Logger *slog.Logger
}

// ServedRoute is one route that a worker runs.
type ServedRoute struct {
	// Subject is the route's own (Subjects.Event).
	Subject string
	API     gateway.APIID
	Stage   gateway.StageName
	Route   gateway.RouteKey
	// Kind is what the route's events are; required.
	Kind gateway.EventKind
	// TwoWay says that the client gets the integration's result: the senders of such events wait for it. $connect and
	// requests always are.
	TwoWay bool
	// Prompt says that the handler answers such events within microseconds and waits for nothing. They are run where they
	// arrive, since to wake a goroutine takes longer than they do.
	Prompt bool
}

// expect is what the sender of an event wants to hear.
func (r *ServedRoute) expect(ack bool) gateway.Expect {
	switch {
	case r.TwoWay, r.Kind == gateway.EventConnect, r.Kind == gateway.EventRequest:
		return gateway.ExpectReply
	case ack:
		return gateway.ExpectAck
	}
	return gateway.ExpectNothing
}

// Server receives the events of a set of routes in the queue group of our workers, runs them by its handler and
// answers. All methods may be called concurrently.
type Server struct {
	conn    *Conn
	handler gateway.Invoker
	pool    *pool
	trace   tracing
	logger  *slog.Logger
	routes  atomic.Pointer[map[string]*ServedRoute]

	arrived chan *nats.Msg // all subscriptions deliver here; never closed, since nats.go may still write to it
	stop    chan struct{}
	done    chan struct{} // closed when the dispatcher has ended

	mu      sync.Mutex // guards what follows; held over a whole Serve, so that sets do not mix
	subs    map[string]*nats.Subscription
	current map[string]*ServedRoute
	closed  bool
}

// NewServer returns a server without routes. Close it before its connection.
func NewServer(c ServerConfig) (*Server, error) {
	switch {
	case c.Conn == nil:
		return nil, errors.New("bus.NewServer: Conn is missing")
	case c.Handler == nil:
		return nil, errors.New("bus.NewServer: Handler is missing")
	}
	if c.MaxConcurrent <= 0 {
		c.MaxConcurrent = DefaultMaxConcurrent
	}
	s := &Server{
		conn:    c.Conn,
		handler: c.Handler,
		trace:   newTracing(c.TracerProvider, false),
		logger:  orDiscard(c.Logger),
		arrived: make(chan *nats.Msg, arrivals),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		subs:    make(map[string]*nats.Subscription),
	}
	s.routes.Store(&map[string]*ServedRoute{})
	s.pool = newPool(c.MaxConcurrent, s.run)
	go s.dispatch()
	return s, nil
}

// Serve makes routes the served set. It returns when the NATS server knows it: new routes receive events then, events of
// removed ones that had already arrived are still run. On an error the set is undefined and may be served again.
func (s *Server) Serve(routes []ServedRoute) error {
	wanted := make(map[string]*ServedRoute, len(routes))
	for i := range routes {
		r := &routes[i]
		if r.Subject == "" || r.Kind == 0 {
			return fmt.Errorf("bus.Server: route %q of API %q has no subject or no kind", r.Route, r.API)
		}
		if err := checkLength(r.Subject, ""); err != nil {
			return err
		}
		if other := wanted[r.Subject]; other != nil {
			return fmt.Errorf("bus.Server: routes %q and %q have the same subject %s", other.Route, r.Route, r.Subject)
		}
		kept := *r
		wanted[r.Subject] = &kept
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("bus.Server: closed")
	}
	// Events of removed routes may have arrived already: the set before this one stays known until the next Serve.
	known := make(map[string]*ServedRoute, len(wanted)+len(s.current))
	maps.Copy(known, s.current)
	maps.Copy(known, wanted)
	s.routes.Store(&known)
	if err := s.subscribeLocked(wanted); err != nil {
		return err
	}
	s.current = wanted
	return s.unsubscribeLocked(context.Background(), wanted)
}

func (s *Server) subscribeLocked(wanted map[string]*ServedRoute) error {
	before := s.conn.nc.LastError()
	added := make(map[string]bool)
	for subject := range wanted {
		if s.subs[subject] != nil {
			continue
		}
		sub, err := s.conn.nc.ChanQueueSubscribe(subject, QueueGroup, s.arrived)
		if err != nil {
			return publishError(err)
		}
		s.subs[subject] = sub
		added[subject] = true
	}
	if len(added) == 0 {
		return nil
	}
	err := s.conn.subscribed(before, added)
	if err != nil {
		for subject := range added { // so that the next Serve tries them again
			_ = s.subs[subject].Unsubscribe() // fails only when the connection is closed
			delete(s.subs, subject)
		}
	}
	return err
}

// unsubscribeLocked drops the subscriptions that are not wanted. Draining ones still deliver what is on its way. It waits
// for the server's word no longer than flushWait, and not at all while there is no server.
func (s *Server) unsubscribeLocked(ctx context.Context, wanted map[string]*ServedRoute) error {
	removed := false
	for subject, sub := range s.subs {
		if wanted[subject] != nil {
			continue
		}
		if err := sub.Drain(); err != nil {
			return publishError(err)
		}
		delete(s.subs, subject)
		removed = true
	}
	if !removed {
		return nil
	}
	if !s.conn.Connected() {
		return publishError(nats.ErrDisconnected)
	}
	ctx, cancel := context.WithTimeout(ctx, flushWait)
	defer cancel()
	if err := s.conn.nc.FlushWithContext(ctx); err != nil {
		return publishError(err)
	}
	return nil
}

// dispatch hands what arrives to the pool, but for what is prompt. It never waits for a handler, so the channel stays near
// empty.
func (s *Server) dispatch() {
	defer close(s.done)
	for {
		select {
		case m := <-s.arrived:
			s.submit(m)
		case <-s.stop:
			for {
				select {
				case m := <-s.arrived:
					s.submit(m)
				default:
					return
				}
			}
		}
	}
}

func (s *Server) submit(m *nats.Msg) {
	if route := s.route(m); route != nil && route.Prompt && len(s.arrived) < promptArrivals {
		s.serve(s.pool.ctx, m, route)
		return
	}
	if !s.pool.submit(m) {
		s.refuse(m)
	}
}

func (s *Server) refuse(m *nats.Msg) {
	s.answer(m, errorMessage(m.Reply, gateway.Errorf(gateway.CodeUnavailable, "the worker has too much to do")))
}

// Drain takes no more events and waits until those that have arrived are answered, or until ctx ends.
func (s *Server) Drain(ctx context.Context) error {
	s.end(ctx)
	return s.pool.drain(ctx)
}

// end takes no more events and hands those that have arrived to the pool.
func (s *Server) end(ctx context.Context) {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if err := s.unsubscribeLocked(ctx, nil); err != nil {
			s.logger.Warn("drain: NATS is away, events on their way are lost", slog.Any("error", err))
		}
		close(s.stop)
	}
	s.mu.Unlock()
	<-s.done
}

// Close drops the routes, cancels the running handlers and waits for them: a handler must return when its context ends,
// as gateway.Invoker says. Call Drain before to let them finish.
func (s *Server) Close() {
	s.end(context.Background())
	for _, m := range s.pool.close() {
		s.refuse(m)
	}
}
