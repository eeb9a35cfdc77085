package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
	"github.com/sallyport/sallyport/throttle"
)

// ErrFenced is what Serve returns when this incarnation lost its lease. The process goes on as a new one: a new journal
// and a new Server.
var ErrFenced = errors.New("edge: the lease of this incarnation is lost")

// errStopped ends what waits when the server stops.
var errStopped = errors.New("edge: the server has stopped")

// Server is the edge of one incarnation: New, Listen, Serve, and Drain or the end of Serve's context. Its methods may be
// called concurrently.
type Server struct {
	cfg     Config
	tls     *tls.Config // nil without TLS
	log     *slog.Logger
	metrics *metrics
	tracing tracing

	hub         *hub
	engine      engine
	wheel       *wheel
	disconnects *disconnects
	unsettled   *unsettled
	callbacks   http.Handler
	plain       http.Handler // the HTTP front

	front *front // set by Listen
	web   *http.Server

	buffers    bufferPool
	buckets    throttle.Buckets
	held       *holding
	assemblies assemblyPool
	inflaters  inflaterPool
	deflaters  deflaterPool
	exchanges  exchangePool
	broadcasts broadcastPool
	texts      sharedTexts

	besides        sync.WaitGroup  // messages handled beside their readers
	addresses      *addressLimiter // nil without a limit
	upgrades       chan struct{}   // a slot for each handshake under way
	journalWaiters chan struct{}   // a slot for each that waits for an unhealthy journal
	validations    chan struct{}   // a slot for each message that is held to a model

	ctx    context.Context //nolint:containedctx // the server's life: ends what waits when Serve returns
	cancel context.CancelFunc
	seen   atomic.Pointer[router.Table] // the table as the last sweep saw it

	draining atomic.Bool
	fenced   atomic.Bool
	cut      bool          // the last sweep found the lease not held; the sweep's own
	done     chan struct{} // closed by finish
	finished sync.Once

	life      sync.Mutex           // guards the fields below
	entered   int                  // handshakes under way
	sockets   int                  // sockets whose link has not ended
	leaving   map[*socket]struct{} // those of them that are out of the hub
	requests  int                  // net/http's connections
	changed   chan struct{}
	noMoreWay bool
}

// New makes a server. It binds nothing yet.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m, err := newMetrics(c.MeterProvider)
	if err != nil {
		return nil, fmt.Errorf("edge: metrics: %w", err)
	}
	verifier, err := newCallbackVerifier(&c)
	if err != nil {
		return nil, fmt.Errorf("edge: callbacks: %w", err)
	}
	s := &Server{
		cfg: c, tls: newTLSConfig(c.Certificate), log: c.Logger, metrics: m, tracing: newTracing(c.TracerProvider),
		hub: newHub(), held: newHolding(), engine: newEngine(), wheel: newWheel(c.Now()),
		addresses: newAddressLimiter(c.AddressLimit),
		upgrades:  make(chan struct{}, maxUpgrades), journalWaiters: make(chan struct{}, maxJournalWaiters),
		// More validations at once than cores end no sooner, and each takes a hundred times its message's memory.
		validations: make(chan struct{}, runtime.GOMAXPROCS(0)),
		done:        make(chan struct{}), leaving: make(map[*socket]struct{}),
	}
	if m != nil {
		m.scheme = s.scheme()
	}
	s.inflaters.sizes, s.deflaters.sizes = m.deflateSizes(directionIn), m.deflateSizes(directionOut)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.seen.Store(c.Live.Load())
	s.disconnects = newDisconnects(s)
	s.unsettled = newUnsettled(s)
	s.callbacks = newCallbacks(s.callbacksConfig(verifier))
	s.plain = newHTTPFront(s.httpConfig())
	return s, nil
}

func (s *Server) callbacksConfig(verifier *sigv4.Verifier) callbacksConfig {
	return callbacksConfig{
		Live: s.cfg.Live, Edge: s.cfg.Journal.Edge(), Local: s.Connections(), Remote: s.cfg.Remote, Lease: s.cfg.Lease,
		Policy: s.cfg.Callbacks, Verifier: verifier, Observe: s.cfg.Observe, Observing: s.cfg.Observing, TracerProvider: s.cfg.TracerProvider,
		Metrics: callbackMetrics{Unowned: func(_ context.Context, r event.Record) {
			s.metrics.callback("", "", commonMethod(r.Method), r.Code)
		}},
		Logger: s.log, Now: s.cfg.Now,
	}
}

func (s *Server) httpConfig() httpConfig {
	return httpConfig{
		Live: s.cfg.Live, Invoker: s.cfg.Invoker, Observe: s.cfg.Observe, Observing: s.cfg.Observing,
		TracerProvider: s.cfg.TracerProvider, Metrics: httpMetrics{Request: s.metrics.request}, Logger: s.log, Now: s.cfg.Now,
	}
}

// Listen binds the data plane's address, so that Serve can't fail for it.
func (s *Server) Listen() (net.Addr, error) {
	ln, err := listenConfig().Listen(context.Background(), "tcp", s.cfg.Listen)
	if err != nil {
		return nil, listenError(s.cfg.Listen, err)
	}
	s.use(ln)
	return ln.Addr(), nil
}

// winAddrInUse is WSAEADDRINUSE, for which Windows has a number of its own.
const winAddrInUse = syscall.Errno(10048)

// listenError names the flag and what to do.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, winAddrInUse):
		return fmt.Errorf("--listen %s: the port is in use; stop the program that listens there, or choose another port: %w", address, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("--listen %s: this user may not listen there; choose a port above 1023: %w", address, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("--listen %s: this machine does not have that address: %w", address, err)
	}
	return fmt.Errorf("--listen %s: %w", address, err)
}

func (s *Server) use(ln net.Listener) {
	s.front = newFront(s, ln)
	s.web = &http.Server{
		Handler:           http.HandlerFunc(s.dispatch),
		ReadHeaderTimeout: s.cfg.HandshakeTimeout,
		IdleTimeout:       httpIdleTimeout,
		MaxHeaderBytes:    maxHeadBytes,
		ConnState:         s.countRequests,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Serve accepts and serves clients until ctx ends, Drain is through, or the lease is lost (ErrFenced); then it cuts what
// is left, and returns when all its goroutines have. Listen comes first.
func (s *Server) Serve(ctx context.Context) error {
	if s.front == nil {
		return errors.New("edge: Serve before Listen")
	}
	var background sync.WaitGroup // sweep, repeats of $disconnect, lines of the access log that wait
	background.Go(func() { s.sweep(s.ctx) })
	background.Go(func() { s.disconnects.run(s.ctx) })
	background.Go(func() { s.unsettled.run(s.ctx) })
	var doors sync.WaitGroup // the accept loops
	broken := make(chan error, 2)
	doors.Go(func() { broken <- s.front.accept(s.ctx) })
	doors.Go(func() { broken <- s.serveWeb() })

	err := s.untilOver(ctx, broken)
	s.cancel()
	s.closeDoors()
	doors.Wait()
	s.cutAll()
	background.Wait()
	return err
}

// untilOver waits for what ends Serve.
func (s *Server) untilOver(ctx context.Context, broken <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.done:
			return nil
		case <-s.cfg.Journal.Lost():
			s.Fence()
			s.waitFenced(ctx)
			return ErrFenced
		case err := <-broken:
			if err != nil {
				return fmt.Errorf("edge: accept: %w", err)
			}
			// A listener that Drain closed: it goes on without.
		}
	}
}

func (s *Server) serveWeb() error {
	if err := s.web.Serve(s.front.plain); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// dispatch takes what net/http reads.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	if s.tls != nil && r.TLS == nil {
		r.TLS = new(tls.ConnectionState) // net/http does not see our TLS; that there is some is all that is asked
	}
	switch {
	case hasToken(r.Header.Get("Upgrade"), "websocket") && r.ProtoMajor == 1:
		s.hijack(w, r)
	case router.IsCallback(r.URL.EscapedPath()):
		s.callbacks.ServeHTTP(w, r)
	default:
		s.plain.ServeHTTP(w, r)
	}
}

// Connections is the @connections API for this edge's own sockets.
func (s *Server) Connections() gateway.Connections { return localConnections{s} }

// Callbacks is the @connections endpoint for another listener, such as the admin one.
func (s *Server) Callbacks() http.Handler { return s.callbacks }

// List calls yield for each open connection until it returns false. Connections that open or close meanwhile may or may
// not be among them.
func (s *Server) List(yield func(gateway.ConnectionStatus) bool) {
	s.hub.each(func(k *socket) bool { return yield(k.status()) })
}

// Look returns what List would yield for one connection, or false if it is not open here.
func (s *Server) Look(id gateway.ConnectionID) (gateway.ConnectionStatus, bool) {
	k := s.hub.get(id)
	if k == nil {
		return gateway.ConnectionStatus{}, false
	}
	return k.status(), true
}

// now is the one clock.
func (s *Server) now() time.Time { return s.cfg.Now() }

func (s *Server) observing() bool        { return s.cfg.Observing() }
func (s *Server) observe(r event.Record) { s.cfg.Observe(r) }

// program returns the program in force, or nil when the API or its stage was removed.
func (s *Server) program(api gateway.APIID, stage gateway.StageName) *router.Program {
	return s.cfg.Live.Load().Program(api, stage)
}

// lastProgram returns the program in force, or the one that the last sweep saw: a removed API's connections still get
// their $disconnect.
func (s *Server) lastProgram(api gateway.APIID, stage gateway.StageName) *router.Program {
	if p := s.program(api, stage); p != nil {
		return p
	}
	return s.seen.Load().Program(api, stage)
}
