package test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/internal/app"
)

// cluster is a NATS server with JetStream that is not the gateway's own; it may go away and come back at the same place.
type cluster struct {
	t      *testing.T
	dir    string
	port   int
	server *server.Server
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), port: server.RANDOM_PORT}
	c.start()
	t.Cleanup(c.stop)
	return c
}

func (c *cluster) start() {
	c.t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "external", Host: "127.0.0.1", Port: c.port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: c.dir,
		MaxPayload: 8 << 20, DisableJetStreamBanner: true,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		c.t.Fatal("the NATS server does not start")
	}
	c.server = s
	c.port = s.Addr().(*net.TCPAddr).Port
}

func (c *cluster) stop() {
	c.server.Shutdown()
	c.server.WaitForShutdown()
}

func (c *cluster) url() string { return "nats://127.0.0.1:" + strconv.Itoa(c.port) }

// on makes a process of serve on the cluster, with some roles.
func (c *cluster) on(node string, roles ...app.Role) func(*app.Config) {
	return func(config *app.Config) {
		config.Mode, config.NATS.URL, config.Roles, config.Node = app.ModeServe, c.url(), roles, node
	}
}

// clusterChat has a route of each way to a backend: whoever subscribes, a worker's HTTP call, a worker alone, and nobody.
const clusterChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $disconnect: {integration: {type: NATS}}
  ask: {integration: {type: NATS}, routeResponse: true}
  tell: {integration: {type: NATS}}
  slow: {integration: {type: NATS, timeoutInMillis: 1000}, routeResponse: true}
  http: {integration: {type: HTTP_PROXY, uri: "{backend}/status/200"}, routeResponse: true}
  told: {integration: {type: HTTP_PROXY, uri: "{backend}/status/200"}}
  mock: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}, responses: {default: {responseTemplates: {application/json: 'mocked'}}}}, routeResponse: true}
stages: {dev: {}}
`

// quick is what an error may take that needs nobody's answer.
const quick = 2 * time.Second

// The NATS cluster goes away while clients are connected: each message gets its error frame at once, no client is cut
// off, and when NATS is back everything works again, that of the time between included.
func TestNATSGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	nc := startCluster(t)
	g := startGateway(t, map[string]string{"chat.yaml": strings.ReplaceAll(clusterChat, "{backend}", httpBackend(t))}, nc.on("one", app.RoleEdge, app.RoleWorker))
	backend, err := nats.Connect(nc.url(), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	events := serveSubject(t, backend, "sallyport.chat.dev.ws.$disconnect", reply(""))
	serveSubject(t, backend, "sallyport.chat.dev.ws.ask", reply("answer"))
	serveSubject(t, backend, "sallyport.chat.dev.ws.tell", nil)
	slow := serveSubject(t, backend, "sallyport.chat.dev.ws.slow", nil)
	u, leaver := dial(t, g.Data, "/chat/dev"), dial(t, g.Data, "/chat/dev")
	answers := map[string]string{"ask": "answer", "http": "status 200", "mock": "mocked"}
	everythingWorks := func() {
		t.Helper()
		for route, want := range answers {
			u.say(`{"action":"` + route + `"}`)
			u.hears(want)
		}
	}
	everythingWorks()
	ready(t, g, "200")

	u.say(`{"action":"slow"}`)
	next(t, slow)
	nc.stop()
	u.hears(frameTimeout) // of the message that was under way
	ready(t, g, "503")
	for _, route := range []string{"ask", "tell", "http", "told", "mock"} {
		began := time.Now()
		u.say(`{"action":"` + route + `"}`)
		u.hears(frameInternal)
		if took := time.Since(began); took > quick {
			t.Errorf("%s: the error frame took %s", route, took)
		}
	}
	u.say(`{"action":"unknown"}`) // needs no NATS
	u.hears(frameForbidden)
	_ = leaver.conn.CloseNow()
	arrived := make(chan error, 1)
	go func() {
		_, _, err := tryDial(t, g.Data, "/chat/dev")
		arrived <- err
	}()

	nc.start()
	_, c := next(t, events)
	if c.EventType != "DISCONNECT" || c.DisconnectStatusCode != 1006 {
		t.Errorf("after the return the backend got %s, %d", c.EventType, c.DisconnectStatusCode)
	}
	ready(t, g, "200")
	everythingWorks()
	if err := <-arrived; err != nil {
		t.Errorf("a client that came while NATS was away was refused: %v", err)
	}
	u = dial(t, g.Data, "/chat/dev")
	everythingWorks()
	if strings.Contains(g.output.String(), "lease was lost") {
		t.Error("the edge gave up its incarnation in so short a time")
	}
}

// NATS stays away for longer than an edge may go without its lease (DESIGN §3.6): the edge sends its clients away with
// 1013, before another could take it over, and comes back under a new name when NATS does.
func TestNATSStaysAway(t *testing.T) {
	t.Parallel()
	const fence = 12 * time.Second
	nc := startCluster(t)
	g := startGateway(t, map[string]string{"chat.yaml": strings.ReplaceAll(clusterChat, "{backend}", httpBackend(t))}, nc.on("one", app.RoleEdge, app.RoleWorker))
	u := dial(t, g.Data, "/chat/dev")
	first := onlyEdge(t, g.nats)
	nc.stop()
	began := time.Now()
	frame, _ := u.closedWithin(fence + lateness)
	if frame.Code != 1013 || frame.Reason != "Try again later" {
		t.Errorf("the client was closed with %v after %s", frame, time.Since(began))
	}
	ready(t, g, "503")
	nc.start()
	ready(t, g, "200")
	u = dial(t, g.Data, "/chat/dev")
	u.say(`{"action":"mock"}`)
	u.hears("mocked")
	eventually(t, "the test's own NATS connection is back", func() error { return g.nats.Flush() })
	if second := onlyEdge(t, g.nats); second == first {
		t.Errorf("the edge came back as %s, under its old name", second)
	}
	// Nobody serves $disconnect here, so the stop would wait for a backend to come.
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.$disconnect", reply(""))
}

// onlyEdge asks all edges for their names and returns the first answer.
func onlyEdge(t *testing.T, nc *nats.Conn) string {
	t.Helper()
	answer, err := nc.Request("sallyport.@edges.ping", nil, patience)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.Data)
}

// ready waits until /readyz has a status.
func ready(t *testing.T, g *stageGateway, status string) {
	t.Helper()
	eventually(t, "/readyz is "+status, func() error {
		if got := call(t, "GET", "http://"+g.Admin+"/readyz", ""); !strings.HasPrefix(got, status) {
			return errors.New(got)
		}
		return nil
	})
}

// A stop while NATS is away ends in time, without an error: what could not be told is told by whoever takes over.
func TestStopWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	nc := startCluster(t)
	g := startGateway(t, map[string]string{"chat.yaml": strings.ReplaceAll(clusterChat, "{backend}", httpBackend(t))}, nc.on("one", app.RoleEdge, app.RoleWorker))
	u := dial(t, g.Data, "/chat/dev")
	nc.stop()
	ready(t, g, "503")
	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	if frame := u.closed(); frame.Code != 1001 {
		t.Errorf("the client was closed with %v", frame)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	if took := time.Since(began); took > stopLimit {
		t.Errorf("the stop took %s", took)
	}
}

// Processes with one role each, on a cluster of others, serve a definition together. A worker may come and go: without
// one its routes fail at once, and those of NATS backends go on.
func TestRolesInProcessesOfTheirOwn(t *testing.T) {
	t.Parallel()
	nc := startCluster(t)
	files := map[string]string{
		"chat.yaml": strings.ReplaceAll(clusterChat, "{backend}", httpBackend(t)),
		"web.yaml":  "name: web\nprotocolType: HTTP\nroutes:\n  GET /mock: {integration: {type: MOCK, requestTemplates: {application/json: '{\"statusCode\":200}'}, responses: {default: {responseTemplates: {application/json: 'mocked'}}}}}\nstages: {dev: {}}\n",
	}
	edge := startGateway(t, files, nc.on("edge", app.RoleEdge))
	other := startGateway(t, files, nc.on("other", app.RoleEdge))
	events := serveSubject(t, edge.nats, "sallyport.chat.dev.ws.$disconnect", reply(""))
	serveSubject(t, edge.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	u := dial(t, edge.Data, "/chat/dev")
	withoutWorker := func() {
		t.Helper()
		for _, route := range []string{"http", "told", "mock"} {
			u.say(`{"action":"` + route + `"}`)
			u.hears(frameInternal)
		}
		if got := call(t, "GET", "http://"+edge.Data+"/web/dev/mock", ""); got != `503 {"message":"Service Unavailable"}` {
			t.Errorf("a request got %s", got)
		}
		u.say(`{"action":"ask"}`)
		u.hears("answer")
	}
	withoutWorker()

	worker := startGateway(t, files, nc.on("worker", app.RoleWorker))
	if worker.Data != "" {
		t.Errorf("a process without the edge's role listens for clients at %s", worker.Data)
	}
	for _, process := range []*stageGateway{edge, other, worker} {
		ready(t, process, "200")
	}
	for route, want := range map[string]string{"ask": "answer", "http": "status 200", "mock": "mocked"} {
		u.say(`{"action":"` + route + `"}`)
		u.hears(want)
	}
	for _, process := range []*stageGateway{edge, other} {
		if got := call(t, "GET", "http://"+process.Data+"/web/dev/mock", ""); got != "200 mocked" {
			t.Errorf("a request got %s", got)
		}
	}

	if err := worker.stop(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
	withoutWorker()
	second := startGateway(t, files, nc.on("worker", app.RoleWorker))
	u.say(`{"action":"mock"}`)
	u.hears("mocked")
	u2 := dial(t, other.Data, "/chat/dev")
	if err := edge.stopWith(u); err != nil {
		t.Errorf("the edge ended with %v", err)
	}
	if _, c := next(t, events); c.DisconnectStatusCode != 1001 {
		t.Errorf("the backend heard of %d", c.DisconnectStatusCode)
	}
	u2.say(`{"action":"http"}`)
	u2.hears("status 200")
	if err := other.stopWith(u2); err != nil {
		t.Errorf("the other edge ended with %v", err)
	}
	next(t, events)
	for _, process := range []*stageGateway{edge, other, worker, second} {
		if _, err := os.Stat(filepath.Join(process.dir, "data")); err == nil {
			t.Errorf("a process without a NATS server of its own made a data directory in %s", process.dir)
		}
	}
}

// stopWith ends the gateway while u reads to its end.
func (g *stageGateway) stopWith(u *user) error {
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	u.closed()
	return <-stopped
}
