package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// scriptJournal is a Journal whose troubles a test decides.
type scriptJournal struct {
	lost    chan struct{}
	healthy atomic.Bool
	cutOff  atomic.Bool   // the lease may be in other hands
	hold    chan struct{} // not nil: Opened waits for it to close

	afterOpened func() // not nil: called when a connection is recorded

	mu     sync.Mutex
	open   map[gateway.ConnectionID]gateway.Connection
	closed []gateway.ConnectionID
	refuse error
	notify chan struct{}
}

func newScriptJournal() *scriptJournal {
	j := &scriptJournal{lost: make(chan struct{}), open: map[gateway.ConnectionID]gateway.Connection{}, notify: make(chan struct{}, 1)}
	j.healthy.Store(true)
	return j
}

func (j *scriptJournal) Edge() gateway.EdgeID { return "EDGE" }

func (j *scriptJournal) Opened(ctx context.Context, c *gateway.Connection) error {
	if j.hold != nil {
		select {
		case <-j.hold:
		case <-ctx.Done():
			return gateway.Errorf(gateway.CodeUnavailable, "no store").Because(ctx.Err())
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refuse != nil {
		return j.refuse
	}
	j.open[c.ID] = *c
	if j.afterOpened != nil {
		j.afterOpened()
	}
	return nil
}

func (j *scriptJournal) Closed(id gateway.ConnectionID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, id)
	j.closed = append(j.closed, id)
	select {
	case j.notify <- struct{}{}:
	default:
	}
}

func (j *scriptJournal) Lost() <-chan struct{}         { return j.lost }
func (j *scriptJournal) Healthy() bool                 { return j.healthy.Load() }
func (j *scriptJournal) Held() bool                    { return !j.cutOff.Load() }
func (j *scriptJournal) Release(context.Context) error { return nil }

func (j *scriptJournal) has(id gateway.ConnectionID) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.open[id]
	return ok
}

// waitClosed returns when n connections were closed.
func (j *scriptJournal) waitClosed(t testing.TB, n int) {
	t.Helper()
	limit := time.After(patience)
	for {
		j.mu.Lock()
		got := len(j.closed)
		j.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-j.notify:
		case <-limit:
			t.Fatalf("%d connections are closed in the journal, want %d", got, n)
		}
	}
}

// answer is what a scripted backend does with an event.
type answer func(ev *gateway.Event) (*gateway.Reply, error)

// scriptSender is a Sender that keeps copies of the events and answers by route.
type scriptSender struct {
	events chan gateway.Event

	mu      sync.Mutex
	answers map[gateway.RouteKey]answer
	held    map[gateway.RequestID]func(*gateway.Reply, error)
	holding map[gateway.RouteKey]bool
}

func newScriptSender() *scriptSender {
	return &scriptSender{
		events: make(chan gateway.Event, 4096), answers: map[gateway.RouteKey]answer{},
		held: map[gateway.RequestID]func(*gateway.Reply, error){}, holding: map[gateway.RouteKey]bool{},
	}
}

func (s *scriptSender) on(route gateway.RouteKey, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[route] = a
}

func (s *scriptSender) hold(route gateway.RouteKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding[route] = true
}

// release answers a held event.
func (s *scriptSender) release(t testing.TB, r gateway.RequestID, reply *gateway.Reply, err error) {
	t.Helper()
	s.mu.Lock()
	done := s.held[r]
	delete(s.held, r)
	s.mu.Unlock()
	if done == nil {
		t.Fatalf("no held event %s", r)
	}
	done(reply, err)
}

func (s *scriptSender) Send(_ context.Context, ev *gateway.Event, done func(*gateway.Reply, error)) {
	kept := *ev
	kept.Body, kept.Context, kept.Header = bytes.Clone(ev.Body), bytes.Clone(ev.Context), maps.Clone(ev.Header)
	s.mu.Lock()
	a := s.answers[ev.Route]
	if s.holding[ev.Route] && done != nil {
		s.held[ev.Request] = done
		done = nil
	}
	s.mu.Unlock()
	s.events <- kept
	if done == nil {
		return
	}
	if a == nil {
		done(&gateway.Reply{Status: http.StatusOK}, nil)
		return
	}
	done(a(&kept))
}

// next returns the next event, which must be of that route.
func (s *scriptSender) next(t testing.TB, route gateway.RouteKey) gateway.Event {
	t.Helper()
	select {
	case ev := <-s.events:
		if ev.Route != route {
			t.Fatalf("event of route %s, want %s", ev.Route, route)
		}
		return ev
	case <-time.After(patience):
		t.Fatalf("no event of %s", route)
		return gateway.Event{}
	}
}

// none fails when there is an event.
func (s *scriptSender) none(t testing.TB) {
	t.Helper()
	select {
	case ev := <-s.events:
		t.Fatalf("event of route %s, want none", ev.Route)
	default:
	}
}

func contextOf(t testing.TB, ev gateway.Event) event.Context {
	t.Helper()
	c, err := event.Parse(ev.Context)
	if err != nil {
		t.Fatalf("context %s: %v", ev.Context, err)
	}
	return c
}

// chatAPI is a WebSocket API with a route of each sort: all native but work, which a worker runs.
func chatAPI(change ...func(*gateway.API)) *gateway.API {
	native := func() *gateway.IntegrationRef {
		return &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS}}
	}
	api := &gateway.API{
		APIID: "chat", Name: "chat", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action",
		Routes: map[gateway.RouteKey]*gateway.Route{
			gateway.RouteConnect:    {Integration: native()},
			gateway.RouteDisconnect: {Integration: native()},
			"say":                   {Integration: native()},
			"ask":                   {Integration: native(), RouteResponse: true},
			"work": {Integration: &gateway.IntegrationRef{Inline: &gateway.Integration{
				Type: gateway.IntegrationHTTPProxy, URI: "http://127.0.0.1:1/", HTTPMethod: "POST",
			}}},
		},
		Stages: map[gateway.StageName]*gateway.Stage{"dev": {}},
	}
	for _, c := range change {
		c(api)
	}
	return api
}

func withDefault(api *gateway.API) {
	api.Routes[gateway.RouteDefault] = &gateway.Route{RouteResponse: true, Integration: &gateway.IntegrationRef{
		Inline: &gateway.Integration{Type: gateway.IntegrationNATS},
	}}
}

func withLimits(set func(*gateway.LimitSettings)) func(*gateway.API) {
	return func(api *gateway.API) {
		l := gateway.LimitSettings{}
		set(&l)
		api.Limits = &l
	}
}

func ptr[T any](v T) *T { return &v }

func compileChat(t testing.TB, api *gateway.API) *router.Program {
	t.Helper()
	p, faults := router.Compile(&gateway.Deployment{ID: "d-1", API: api, Stage: "dev"}, router.Config{
		Subject: func(api gateway.APIID, stage gateway.StageName, _ gateway.Protocol, key gateway.RouteKey) string {
			return fmt.Sprintf("test.%s.%s.ws.%s", api, stage, key)
		},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}

// world is a running server with scripted neighbours.
type world struct {
	*Server
	t       testing.TB
	sender  *scriptSender
	journal *scriptJournal
	records *recorder
	addr    string
	pipes   *pipeListener // in virtual time
	served  chan error
	stop    context.CancelFunc
	client  *tls.Config // how clients speak TLS; nil for plain
}

// newWorld starts a server on a loopback port.
func newWorld(t testing.TB, api *gateway.API, change ...func(*Config)) *world {
	t.Helper()
	w := prepareWorld(t, api, change...)
	addr, err := w.Listen()
	if err != nil {
		t.Fatal(err)
	}
	w.addr = addr.String()
	w.run()
	return w
}

// newPipeWorld starts a server on in-memory connections, for virtual time. Its end is the caller's.
func newPipeWorld(t testing.TB, api *gateway.API, change ...func(*Config)) *world {
	t.Helper()
	w := prepareWorld(t, api, change...)
	w.pipes = newPipeListener()
	w.use(w.pipes)
	w.addr = "pipe"
	w.run()
	return w
}

func prepareWorld(t testing.TB, api *gateway.API, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, sender: newScriptSender(), journal: newScriptJournal(), records: new(recorder)}
	live := new(router.Live)
	live.Swap(router.NewTable([]*router.Program{compileChat(t, api)}, "localhost"))
	cfg := Config{
		Listen: "127.0.0.1:0", Domain: "localhost", Live: live, Sender: w.sender, Journal: w.journal,
		Invoker: gateway.InvokerFunc(func(context.Context, *gateway.Event) (*gateway.Reply, error) {
			return &gateway.Reply{Status: http.StatusOK, Body: []byte("invoked")}, nil
		}),
		Remote: new(connectionsLog), Callbacks: CallbacksOpen,
		Lease:  func(context.Context, gateway.EdgeID) (bool, error) { return false, nil },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if w.Server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	w.Server.engine = testEngine()
	return w
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.served = cancel, make(chan error, 1)
	go func() { w.served <- w.Serve(ctx) }()
	w.t.Cleanup(func() { w.end() })
}

// end stops the server and waits for it; it may be called twice.
func (w *world) end() error {
	w.stop()
	if w.served == nil {
		return nil
	}
	err := <-w.served
	w.served = nil
	return err
}

// swap puts another version of the API in force.
func (w *world) swap(apis ...*gateway.API) {
	var programs []*router.Program
	for _, api := range apis {
		programs = append(programs, compileChat(w.t, api))
	}
	w.Server.cfg.Live.Swap(router.NewTable(programs, "localhost"))
}

func (w *world) dial() net.Conn {
	w.t.Helper()
	if w.pipes != nil {
		return w.pipes.dial()
	}
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.client != nil {
		return tls.Client(nc, w.client)
	}
	return nc
}

// pipeListener gives in-memory connections to a server.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	a, b := net.Pipe()
	select {
	case l.conns <- b:
	case <-l.done:
		_ = b.Close()
	}
	return a
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// withProgram is the table in force with one program more.
func withProgram(w *world, p *router.Program) *router.Table {
	return router.NewTable(append(slices.Clone(w.Server.cfg.Live.Load().Programs()), p), "localhost")
}
