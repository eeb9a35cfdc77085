package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// DefaultDurableConcurrent is how many stored messages of one route a worker runs at a time. Nobody waits for them, so
	// they leave most of the worker to the events for which somebody does.
	DefaultDurableConcurrent = 32
	// DefaultAckWait is when the store gives a message to another worker, of whose worker it heard nothing for so long. A
	// leader election of JetStream takes 5–9 s (nats-facts §5.5), after which a worker must have said once more that it is
	// at work. How long an integration may take is not bounded by it.
	DefaultAckWait = 20 * time.Second
	// beatsPerWait is how often in that time a worker says so.
	beatsPerWait = 4
	// fetchWait is how long one request for messages stands; nats.go notices within its heartbeats that nobody hears it.
	fetchWait = 30 * time.Second
	// fetchRetry is the pause after a request that failed.
	fetchRetry = time.Second
	// backlogEvery is how old a route's backlog may be before the store is asked again.
	backlogEvery = 5 * time.Second
	// maxBackoff bounds the wait between two attempts, however many there were.
	maxBackoff = 5 * time.Minute
)

// DurableRoute is an atLeastOnce route that a worker runs.
type DurableRoute struct {
	API   gateway.APIID
	Stage gateway.StageName
	Route gateway.RouteKey
	// Subject is the route's event subject, which the events carry to the handler.
	Subject string
	// TwoWay says that the client gets the integration's result.
	TwoWay bool
	// MaxAttempts is how often a message is tried before it is given up; at least 1.
	MaxAttempts int
	// Backoff is the wait before the second attempt; it doubles with each further one, up to five minutes, or stays as it is
	// where it is longer.
	Backoff time.Duration
}

// wait returns the pause after an attempt.
func (r *DurableRoute) wait(attempt int) time.Duration {
	d := r.Backoff
	for ; attempt > 1 && d < maxBackoff; attempt-- {
		d *= 2
	}
	return max(min(d, maxBackoff), r.Backoff)
}

// DurableServerConfig configures the worker's end of durable routes. Store and Handler are required.
type DurableServerConfig struct {
	Store *Durable
	// Handler runs the messages, each with its Attempt. It may be called concurrently; its panics are caught. A message is
	// done when Handler returns nil; after an error it is tried again, or given up when the error's Code says that another
	// try would end the same way.
	Handler gateway.Invoker
	// Buried is told of a message that was given up, once the store of dead letters has it. nil drops the news.
	Buried func(context.Context, *gateway.Event, error)
	// MaxConcurrent bounds the messages of one route that run at a time; 0 means DefaultDurableConcurrent.
	MaxConcurrent int
	// AckWait is how long the store waits for a worker that says nothing; 0 means DefaultAckWait.
	AckWait time.Duration
	// TracerProvider makes the consumer spans; nil makes none.
	TracerProvider trace.TracerProvider
	// Logger is nil for no log.
	Logger *slog.Logger
}

// DurableServer takes the stored messages of a set of routes and runs them by its handler. All workers of a deployment share
// a route's messages. It takes no more from the store than it runs at once, so what waits stays with the store. All methods
// may be called concurrently.
type DurableServer struct {
	config DurableServerConfig
	trace  tracing
	logger *slog.Logger
	ctx    context.Context // of the handlers and the beats; Close ends it
	cancel context.CancelFunc
	// The goroutines: one that beats, one per route, one per message under way.
	beats, loops, messages sync.WaitGroup

	mu     sync.Mutex // guards what follows
	routes map[string]*durableLoop
	held   map[jetstream.Msg]struct{} // those of which the store must hear that they are worked on
	closed bool
}

// durableLoop is one route that is served.
type durableLoop struct {
	route  DurableRoute
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	backlog uint64
	asked   time.Time
}

// NewDurableServer returns a server without routes. Close it before the store's connection.
func NewDurableServer(c DurableServerConfig) (*DurableServer, error) {
	if c.Store == nil || c.Handler == nil {
		return nil, errors.New("bus.NewDurableServer: Store or Handler is missing")
	}
	if c.MaxConcurrent <= 0 {
		c.MaxConcurrent = DefaultDurableConcurrent
	}
	if c.AckWait <= 0 {
		c.AckWait = DefaultAckWait
	}
	if c.Buried == nil {
		c.Buried = func(context.Context, *gateway.Event, error) {}
	}
	s := &DurableServer{
		config: c, trace: newTracing(c.TracerProvider, false), logger: orDiscard(c.Logger),
		routes: make(map[string]*durableLoop), held: make(map[jetstream.Msg]struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.beats.Go(s.beat)
	return s, nil
}

// Serve makes routes the served set. It does not wait for the store. Messages of removed routes stay stored; those under way
// are run to their end.
func (s *DurableServer) Serve(routes []DurableRoute) error {
	wanted := make(map[string]DurableRoute, len(routes))
	for _, r := range routes {
		if r.Subject == "" || r.MaxAttempts < 1 {
			return fmt.Errorf("bus.DurableServer: route %q of API %q has no subject or no attempts", r.Route, r.API)
		}
		wanted[r.Subject] = r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("bus.DurableServer: closed")
	}
	for subject, loop := range s.routes {
		if r, keep := wanted[subject]; !keep || r != loop.route {
			loop.cancel()
			delete(s.routes, subject)
		}
	}
	for subject, r := range wanted {
		if s.routes[subject] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(s.ctx)
		loop := &durableLoop{route: r, cancel: cancel}
		s.routes[subject] = loop
		s.loops.Go(func() { s.loop(ctx, loop) })
	}
	return nil
}

// loop takes a route's messages until ctx ends.
func (s *DurableServer) loop(ctx context.Context, l *durableLoop) {
	slots := make(chan struct{}, s.config.MaxConcurrent) // one is taken for each message that runs or may come
	for told := false; ctx.Err() == nil; {
		consumer, err := s.config.Store.consumer(ctx, &l.route, s.config.AckWait)
		if err == nil {
			told = false
			err = s.take(ctx, l, consumer, slots)
		}
		if ctx.Err() != nil {
			return
		}
		if !told { // once: an outage is one story
			told = true
			s.logger.Warn("a durable route waits for its store", slog.String("api", string(l.route.API)),
				slog.String("route", string(l.route.Route)), slog.Any("error", err))
		}
		if sleep(ctx, fetchRetry) != nil {
			return
		}
	}
}

// take asks for as many messages as may run, again and again, until ctx ends or the store fails.
func (s *DurableServer) take(ctx context.Context, l *durableLoop, consumer jetstream.Consumer, slots chan struct{}) error {
	for {
		s.askBacklog(ctx, l, consumer)
		free := 1
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		for more := true; more && free < cap(slots); {
			select {
			case slots <- struct{}{}:
				free++
			default:
				more = false
			}
		}
		unused, err := s.fetch(ctx, l, consumer, free, slots)
		for range unused {
			<-slots
		}
		if err != nil {
			return err
		}
	}
}

// fetch runs up to n messages and returns how many did not come.
func (s *DurableServer) fetch(ctx context.Context, l *durableLoop, consumer jetstream.Consumer, n int, slots chan struct{}) (int, error) {
	waiting, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := consumer.Fetch(n, jetstream.FetchContext(waiting))
	if err != nil {
		return n, err
	}
	for m := range batch.Messages() {
		n--
		s.hold(m)
		s.messages.Go(func() {
			defer func() { <-slots }()
			defer s.release(m)
			s.run(s.ctx, l, m)
		})
	}
	if err := batch.Error(); err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		return n, err
	}
	return n, nil
}

func (s *DurableServer) hold(m jetstream.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[m] = struct{}{}
}

func (s *DurableServer) release(m jetstream.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, m)
}

// beat tells the store again and again what is worked on, so that it gives it to nobody else.
func (s *DurableServer) beat() {
	ticker := time.NewTicker(s.config.AckWait / beatsPerWait)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		held := make([]jetstream.Msg, 0, len(s.held))
		for m := range s.held {
			held = append(held, m)
		}
		s.mu.Unlock()
		for _, m := range held {
			// It fails while NATS is away, or when the message has just been settled: then nobody needs it.
			_ = m.InProgress()
		}
	}
}

// askBacklog keeps the figure of Backlogs, a few seconds old at most while messages pass.
func (s *DurableServer) askBacklog(ctx context.Context, l *durableLoop, consumer jetstream.Consumer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.asked) < backlogEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, durableAttempt)
	defer cancel()
	if info, err := consumer.Info(ctx); err == nil {
		l.asked, l.backlog = time.Now(), info.NumPending+uint64(max(info.NumAckPending, 0))
	}
}

// Backlog is how many messages of a route are stored and not yet served, those under way included, over all workers.
type Backlog struct {
	Route    DurableRoute
	Messages uint64
}

// Backlogs returns the figures of the served routes, up to half a minute old.
func (s *DurableServer) Backlogs() []Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Backlog, 0, len(s.routes))
	for _, l := range s.routes {
		l.mu.Lock()
		list = append(list, Backlog{l.route, l.backlog})
		l.mu.Unlock()
	}
	return list
}

// Drain takes no more messages and waits until those under way are settled, or until ctx ends.
func (s *DurableServer) Drain(ctx context.Context) error {
	s.end()
	settled := make(chan struct{})
	go func() { // ends with the last message, for which Close waits too
		s.messages.Wait()
		close(settled)
	}()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end stops the loops and waits for them.
func (s *DurableServer) end() {
	s.mu.Lock()
	s.closed = true
	for subject, l := range s.routes {
		l.cancel()
		delete(s.routes, subject)
	}
	s.mu.Unlock()
	s.loops.Wait()
}

// Close drops the routes, cancels what runs, gives it back to the store and waits for that.
func (s *DurableServer) Close() {
	s.end()
	s.cancel()
	s.messages.Wait()
	s.beats.Wait()
}
