package test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/schemas/event"
)

// What the arithmetic of docs/scale.md leans on: a node costs NATS the same whatever the number of its clients, and an API
// with its backend does not care how many edges its clients are spread over.

// scaleChat has a route of each way to a backend and back.
const scaleChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: NATS}}
  $disconnect: {integration: {type: NATS}}
  mock: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}, responses: {default: {responseTemplates: {application/json: 'mocked'}}}}, routeResponse: true}
  say: {integration: {type: NATS}}
stages: {dev: {}}
`

// subscriptions are how many each client connection of the server has, by the connection's name, and how many the server
// knows in all.
func (c *cluster) subscriptions(t *testing.T) (map[string]uint32, uint32) {
	t.Helper()
	list, err := c.server.Connz(&server.ConnzOptions{})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]uint32{}
	for _, conn := range list.Conns {
		of[conn.Name] = conn.NumSubs
	}
	return of, c.server.NumSubscriptions()
}

// A node has the same subscriptions for 10 clients and for 2,000, of which every tenth has talked and been pushed to.
func TestSubscriptionsDoNotGrowWithConnections(t *testing.T) {
	t.Parallel()
	const few, many, talks = 10, 2000, 10
	nc := startCluster(t)
	quietly := strings.Replace(scaleChat, "  $disconnect: {integration: {type: NATS}}\n", "", 1) // 2,000 events at the end tell nothing
	g := startGateway(t, map[string]string{"chat.yaml": quietly}, nc.on("one", app.RoleEdge, app.RoleWorker))
	events := serveSubject(t, g.nats, "sallyport.chat.dev.ws.$connect", reply(""))
	open := func(clients int) {
		t.Helper()
		for i := range clients {
			u := dial(t, g.Data, "/chat/dev")
			id := connected(t, events)
			if i%talks > 0 {
				continue
			}
			u.say(`{"action":"mock"}`)
			u.hears("mocked")
			if err := g.nats.Publish(pushSubject("chat", "dev", string(id)), []byte("pushed")); err != nil {
				t.Fatal(err)
			}
			u.hears("pushed")
		}
	}
	open(few)
	before, all := nc.subscriptions(t)
	open(many - few)
	after, allAfter := nc.subscriptions(t)
	const node = "sallyport one"
	t.Logf("subscriptions: the node %d, then %d; the server in all %d, then %d", before[node], after[node], all, allAfter)
	if before[node] == 0 || before[node] != after[node] {
		t.Errorf("the node has %d subscriptions with %d clients and %d with %d; all: %v, %v", before[node], few, after[node], many, before, after)
	}
	if allAfter > all {
		t.Errorf("the server has %d subscriptions with %d clients and %d with %d", all, few, allAfter, many)
	}
}

// pushSubject is where a connection is pushed to, addressed to its edge (docs/subjects.md), as a server without the mappings
// wants it.
func pushSubject(api, stage, id string) string {
	return "sallyport." + api + "." + stage + ".@connections." + id[:4] + "." + id
}

// Clients of one API on three edges, a backend that knows none of the edges: each client hears what each other one says.
func TestFanInOverThreeEdges(t *testing.T) {
	t.Parallel()
	const edges, each = 3, 10
	nc := startCluster(t)
	backend, err := nats.Connect(nc.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	room := &room{nc: backend, members: map[string]bool{}, faults: make(chan error, 1)}
	for _, route := range []string{"$connect", "$disconnect", "say"} {
		if _, err := backend.QueueSubscribe("sallyport.chat.dev.ws."+route, "backend", room.on); err != nil {
			t.Fatal(err)
		}
	}
	if err := backend.Flush(); err != nil {
		t.Fatal(err)
	}
	var users []*user
	for i := range edges {
		g := startGateway(t, map[string]string{"chat.yaml": scaleChat}, nc.on(fmt.Sprintf("edge-%d", i), app.RoleEdge))
		for range each {
			users = append(users, dial(t, g.Data, "/chat/dev"))
		}
	}
	for i, u := range users {
		u.say(fmt.Sprintf(`{"action":"say","text":"%d"}`, i))
	}
	var listening sync.WaitGroup
	for i, u := range users {
		listening.Go(func() {
			heard := map[string]int{}
			for range users {
				heard[u.tryHear()]++
			}
			for j := range users {
				if text := fmt.Sprintf(`{"action":"say","text":"%d"}`, j); heard[text] != 1 {
					t.Errorf("user %d heard %d times what user %d said", i, heard[text], j)
					return
				}
			}
		})
	}
	listening.Wait()
	of, _ := nc.subscriptions(t)
	t.Logf("subscriptions of an edge: %d", of["sallyport edge-0"])
	room.mu.Lock()
	defer room.mu.Unlock()
	if prefixes := room.edges(); len(room.members) != edges*each || len(prefixes) != edges {
		t.Errorf("%d members on %d edges, want %d on %d", len(room.members), len(prefixes), edges*each, edges)
	}
	select {
	case err := <-room.faults:
		t.Error(err)
	default:
	}
}

// room is a backend: whoever connects is in it, and what one says all hear.
type room struct {
	nc      *nats.Conn
	faults  chan error
	mu      sync.Mutex
	members map[string]bool
}

func (r *room) on(m *nats.Msg) {
	if err := r.handle(m); err != nil {
		select {
		case r.faults <- err:
		default: // one is enough
		}
	}
}

func (r *room) handle(m *nats.Msg) error {
	c, err := event.Parse([]byte(m.Header.Get("Sallyport-Context")))
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.EventType == event.KindConnect:
		r.members[string(c.ConnectionID)] = true
		return m.Respond(nil)
	case strings.HasSuffix(m.Subject, ".$disconnect"):
		return m.Respond(nil)
	}
	for id := range r.members {
		if err := r.nc.Publish(pushSubject("chat", "dev", id), m.Data); err != nil {
			return err
		}
	}
	return m.Respond(nil)
}

// edges are the edges' ids, which connection ids begin with.
func (r *room) edges() map[string]bool {
	edges := map[string]bool{}
	for id := range r.members {
		edges[id[:4]] = true
	}
	return edges
}

// tryHear is hear for goroutines that are not the test's own: a fault is the text "", which nobody says.
func (u *user) tryHear() string {
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*patience)
	defer cancel()
	_, text, err := u.conn.Read(ctx)
	if err != nil {
		u.t.Errorf("hear: %v", err)
	}
	return string(text)
}
