package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// sockets is an edge's table of connections that tests can look into.
type sockets struct {
	mu     sync.Mutex
	open   map[gateway.ConnectionID]gateway.ConnectionStatus
	posted map[gateway.ConnectionID][]gateway.Push
	closed map[gateway.ConnectionID]gateway.Close
	fail   error // what Post answers
	gets   int   // callbacks
}

func newSockets() *sockets {
	return &sockets{open: map[gateway.ConnectionID]gateway.ConnectionStatus{}, posted: map[gateway.ConnectionID][]gateway.Push{},
		closed: map[gateway.ConnectionID]gateway.Close{}}
}

func (s *sockets) add(edge gateway.EdgeID, agent string) gateway.ConnectionID {
	at := time.Date(2025, 2, 3, 1, 46, 33, 523e6, time.UTC)
	c := gateway.ConnectionStatus{Connection: gateway.Connection{ID: gateway.NewConnectionID(edge), API: "chat", Stage: "dev",
		ConnectedAt: at, DomainName: "localhost", SourceIP: "192.0.2.1", UserAgent: agent}, LastActiveAt: at.Add(3 * time.Second)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c.ID] = c
	return c.ID
}

func (s *sockets) find(ref gateway.ConnectionRef) (gateway.ConnectionStatus, error) {
	c, ok := s.open[ref.ID]
	if !ok || ref.API != "" && ref.API != c.API || ref.Stage != "" && ref.Stage != c.Stage {
		return c, gateway.Errorf(gateway.CodeGone, "gone")
	}
	return c, nil
}

func (s *sockets) Post(_ context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(ref); err != nil {
		return err
	}
	s.posted[ref.ID] = append(s.posted[ref.ID], p)
	return s.fail
}

func (s *sockets) Get(_ context.Context, ref gateway.ConnectionRef) (gateway.ConnectionStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	return s.find(ref)
}

func (s *sockets) look(id gateway.ConnectionID) (gateway.ConnectionStatus, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.open[id]
	return c, ok
}

func (s *sockets) Delete(_ context.Context, ref gateway.ConnectionRef, c gateway.Close) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(ref); err != nil {
		return err
	}
	delete(s.open, ref.ID)
	s.closed[ref.ID] = c
	return nil
}

func (s *sockets) list() iter.Seq[gateway.ConnectionStatus] {
	return func(yield func(gateway.ConnectionStatus) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.open {
			if !yield(c) {
				return
			}
		}
	}
}

func (s *sockets) pushes(id gateway.ConnectionID) []gateway.Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posted[id])
}

func serveSockets(t testing.TB, e *Embedded, edge gateway.EdgeID, s *sockets) *ConnectionServer {
	t.Helper()
	server, err := ServeConnections(ConnectionsConfig{Conn: connect(t, e), Edge: edge, Local: s, List: s.list(), Look: s.look})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func remote(t testing.TB, c RemoteConfig) *Connections {
	t.Helper()
	r, err := NewConnections(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestPlainPublisherReachesTheOwner(t *testing.T) {
	e := startNATS(t)
	table := newSockets()
	serveSockets(t, e, "AbC_", table)
	serveSockets(t, e, "Zz9-", newSockets())
	id := table.add("AbC_", "")
	subject := "sallyport.chat.dev.@connections." + string(id)
	nc := outside(t, e)

	// Publish without a reply, in order, text and binary.
	for i := range 50 {
		_ = nc.Publish(subject, fmt.Appendf(nil, "%d", i))
	}
	_ = nc.PublishMsg(&nats.Msg{Subject: subject, Header: nats.Header{"sallyport-opcode": {"binary"}}, Data: []byte{0xff}})
	eventually(t, "all are there", func() bool { return len(table.pushes(id)) == 51 })
	for i, p := range table.pushes(id)[:50] {
		if string(p.Body) != fmt.Sprint(i) || p.Binary {
			t.Fatalf("%d: %+v", i, p)
		}
	}
	if p := table.pushes(id)[50]; !p.Binary || string(p.Body) != "\xff" {
		t.Errorf("%+v", p)
	}

	gone := "sallyport.chat.dev.@connections." + string(gateway.NewConnectionID("AbC_"))
	foreign := strings.Replace(subject, ".chat.", ".shop.", 1)
	for _, tc := range []struct {
		name, subject string
		header        nats.Header
		status, body  string
	}{
		{"post", subject, nil, "200", ""},
		{"post with API and stage unknown", "sallyport.%.%.@connections." + string(id), nil, "200", ""},
		{"get", subject + ".get", nil, "200", `{"connectedAt":"2025-02-03T01:46:33.523Z","identity":{"sourceIp":"192.0.2.1","userAgent":null},"lastActiveAt":"2025-02-03T01:46:36.523Z"}`},
		{"post to a gone one", gone, nil, "410", "gone"},
		{"get of a gone one", gone + ".get", nil, "410", "gone"},
		{"another API's", foreign, nil, "410", "gone"},
		{"another API's get", foreign + ".get", nil, "410", "gone"},
		{"another API's delete", foreign + ".delete", nil, "410", "gone"},
		{"junk close code", subject + ".delete", nats.Header{HeaderCloseCode: {"many"}}, "400", "Sallyport-Close-Code is no close code"},
		{"close code out of range", subject + ".delete", nats.Header{HeaderCloseCode: {"5000"}}, "400", "Sallyport-Close-Code is no close code"},
		{"long close reason", subject + ".delete", nats.Header{HeaderCloseReason: {strings.Repeat("x", 124)}}, "400", "Sallyport-Close-Reason is longer than 123 bytes"},
		{"delete", subject + ".delete", nats.Header{HeaderCloseCode: {"4001"}, HeaderCloseReason: {"bye"}}, "204", ""},
		{"delete again", subject + ".delete", nil, "410", "gone"},
		{"addressed, malformed", "sallyport.chat.dev.@connections.AbC_.AbC_", nil, "400", "Invalid connectionId: AbC_"},
		{"addressed, of another edge", "sallyport.chat.dev.@connections.AbC_.Zz9-xxxxxxxxxxx=", nil, "400", "Invalid connectionId: Zz9-xxxxxxxxxxx="},
		{"addressed, unknown verb", "sallyport.chat.dev.@connections.AbC_." + string(id) + ".put", nil, "400", "not a connection command"},
		{"four characters", "sallyport.chat.dev.@connections.AbC_", nil, "400", "Invalid connectionId: AbC_"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := nc.RequestMsg(&nats.Msg{Subject: tc.subject, Header: tc.header}, patience)
			if err != nil {
				t.Fatal(err)
			}
			if m.Header.Get(HeaderStatus) != tc.status || string(m.Data) != tc.body {
				t.Errorf("%v %q", m.Header, m.Data)
			}
		})
	}
	if got := table.closed[id]; got != (gateway.Close{Code: 4001, Reason: "bye"}) {
		t.Errorf("closed with %+v", got)
	}
	for _, subject := range []string{"sallyport.chat.dev.@connections.undefined", "sallyport.chat.dev.@connections.Q7Q7xxxxxxxxxxx=",
		"sallyport.chat.dev.@connections.x"} {
		if _, err := nc.Request(subject, nil, patience); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("%s: %v", subject, err)
		}
	}
}

func TestStatusesOfFailedPosts(t *testing.T) {
	e := startNATS(t)
	table := newSockets()
	serveSockets(t, e, testEdge, table)
	id := table.add(testEdge, "")
	r := remote(t, RemoteConfig{Conn: connect(t, e)})
	nc := outside(t, e)
	for code, status := range map[gateway.Code]string{gateway.CodeTooLarge: "413", gateway.CodeSlowClient: "429", gateway.CodeGone: "410",
		gateway.CodeUnavailable: "503", gateway.CodeForbidden: "403", gateway.CodeInternal: "500"} {
		table.mu.Lock()
		table.fail = gateway.Errorf(code, "because").Because(errors.New("secret"))
		table.mu.Unlock()
		m, err := nc.Request("sallyport.chat.dev.@connections."+string(id), nil, patience)
		if err != nil || m.Header.Get(HeaderStatus) != status || m.Header.Get(HeaderError) != string(code) || string(m.Data) != "because" {
			t.Errorf("%s: %v %q %v", code, m.Header, m.Data, err)
		}
		wantCode(t, r.Post(t.Context(), gateway.ConnectionRef{ID: id}, gateway.Push{}), code)
	}
}

func TestRemoteConnections(t *testing.T) {
	e := startNATS(t)
	table := newSockets()
	server := serveSockets(t, e, testEdge, table)
	lease := map[gateway.EdgeID]bool{"Away": true}
	r := remote(t, RemoteConfig{Conn: connect(t, e), Lease: func(_ context.Context, edge gateway.EdgeID) (bool, error) {
		if edge == "Oops" {
			return false, errors.New("no quorum")
		}
		return lease[edge], nil
	}})
	id := table.add(testEdge, "browser")
	ref := gateway.ConnectionRef{API: "chat", Stage: "dev", ID: id}
	if err := r.Post(t.Context(), ref, gateway.Push{Body: []byte("hi"), Binary: true}); err != nil {
		t.Fatal(err)
	}
	if p := table.pushes(id); len(p) != 1 || !p[0].Binary || string(p[0].Body) != "hi" {
		t.Errorf("%+v", p)
	}
	got, err := r.Get(t.Context(), gateway.ConnectionRef{ID: id})
	if want := table.open[id]; err != nil || got.ID != want.ID || got.UserAgent != "browser" || got.API != "chat" ||
		!got.ConnectedAt.Equal(want.ConnectedAt) || !got.LastActiveAt.Equal(want.LastActiveAt) {
		t.Errorf("%+v %v", got, err)
	}
	wantCode(t, r.Post(t.Context(), gateway.ConnectionRef{API: "shop", ID: id}, gateway.Push{}), gateway.CodeGone)
	wantCode(t, r.Post(t.Context(), gateway.ConnectionRef{ID: "undefined"}, gateway.Push{}), gateway.CodeBadRequest)
	wantCode(t, r.Post(t.Context(), ref, gateway.Push{Body: make([]byte, EmbeddedMaxPayload)}), gateway.CodeTooLarge)
	wantCode(t, r.Post(t.Context(), gateway.ConnectionRef{ID: gateway.NewConnectionID("Gone")}, gateway.Push{}), gateway.CodeGone)
	wantCode(t, r.Post(t.Context(), gateway.ConnectionRef{ID: gateway.NewConnectionID("Away")}, gateway.Push{}), gateway.CodeUnavailable)
	wantCode(t, r.Post(t.Context(), gateway.ConnectionRef{ID: gateway.NewConnectionID("Oops")}, gateway.Push{}), gateway.CodeUnavailable)
	if err := r.Delete(t.Context(), ref, gateway.Close{Code: 4000, Reason: "x"}); err != nil || table.closed[id] != (gateway.Close{Code: 4000, Reason: "x"}) {
		t.Errorf("%v %+v", err, table.closed[id])
	}
	_, err = r.Get(t.Context(), ref)
	wantCode(t, err, gateway.CodeGone)

	// A frozen owner: it subscribes and never answers.
	nc := outside(t, e)
	hears := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := nc.Subscribe("sallyport.*.*.@connections.Cold.>", func(*nats.Msg) { cancel(); hears <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	_ = nc.Flush()
	wantCode(t, r.Post(ctx, gateway.ConnectionRef{ID: gateway.NewConnectionID("Cold")}, gateway.Push{}), gateway.CodeUnavailable)
	receive(t, hears)

	server.Close()
	server.config.Conn.Close() // what it unsubscribed is known to the server then
	eventually(t, "the edge is gone", func() bool { return gateway.ErrorCode(r.Post(t.Context(), ref, gateway.Push{})) == gateway.CodeGone })
	r.Close()
	wantCode(t, r.Post(t.Context(), ref, gateway.Push{}), gateway.CodeUnavailable)
}

func TestPing(t *testing.T) {
	e := startNATS(t)
	server := serveSockets(t, e, testEdge, newSockets())
	conn := connect(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if alive, err := conn.Ping(ctx, Subjects{}, testEdge); !alive || err != nil {
		t.Error(alive, err)
	}
	if alive, err := conn.Ping(ctx, Subjects{}, "Gone"); alive || err != nil {
		t.Error(alive, err)
	}
	server.Close()
	server.config.Conn.Close()
	if alive, err := conn.Ping(ctx, Subjects{}, testEdge); alive || err != nil {
		t.Error(alive, err)
	}
	// Silence proves nothing.
	nc := outside(t, e)
	silent, stop := context.WithCancel(t.Context())
	if _, err := nc.Subscribe("sallyport.@edge.Cold.ping", func(*nats.Msg) { stop() }); err != nil {
		t.Fatal(err)
	}
	_ = nc.Flush()
	if alive, err := conn.Ping(silent, Subjects{}, "Cold"); alive || err == nil {
		t.Error(alive, err)
	}
}

func TestListGathersAllEdgesInPages(t *testing.T) {
	e := startNATS(t)
	a, b := newSockets(), newSockets()
	serveSockets(t, e, "AAAA", a)
	serveSockets(t, e, "BBBB", b)
	want := map[gateway.ConnectionID]bool{}
	for range 2*pageSize + 7 {
		want[a.add("AAAA", strings.Repeat("long agent ", 30))] = true
	}
	want[b.add("BBBB", "")] = true
	edges := []gateway.EdgeID{"AAAA", "BBBB", "Dead"}
	r := remote(t, RemoteConfig{Conn: connect(t, e), Edges: func(context.Context) ([]gateway.EdgeID, error) { return edges, nil }})
	plain := remote(t, RemoteConfig{Conn: connect(t, e)})

	got, failures := map[gateway.ConnectionID]bool{}, 0
	for c, err := range r.List(t.Context(), ListFilter{}) {
		if err != nil {
			wantCode(t, err, gateway.CodeGone)
			failures++
			continue
		}
		got[c.ID] = true
	}
	if len(got) != len(want) || failures != 1 {
		t.Errorf("%d connections of %d, %d failures", len(got), len(want), failures)
	}
	count := func(c *Connections, f ListFilter) (n int) {
		for _, err := range c.List(t.Context(), f) {
			if err != nil {
				t.Error(err)
			}
			n++
		}
		return n
	}
	edges = edges[:2]
	for _, tc := range []struct {
		filter ListFilter
		want   int
	}{{ListFilter{API: "chat", Stage: "dev"}, len(want)}, {ListFilter{API: "shop"}, 0}, {ListFilter{Stage: "prod"}, 0},
		{ListFilter{Edge: "BBBB"}, 1}, {ListFilter{Limit: 3}, 3}, {ListFilter{Limit: pageSize + 1}, pageSize + 1}} {
		if n := count(r, tc.filter); n != tc.want {
			t.Errorf("%+v: %d, want %d", tc.filter, n, tc.want)
		}
	}
	if n := count(plain, ListFilter{}); n != len(want) {
		t.Errorf("without leases: %d of %d", n, len(want))
	}
	if a.gets+b.gets > 0 {
		t.Errorf("the edges heard of %d callbacks", a.gets+b.gets)
	}
	for range r.List(t.Context(), ListFilter{}) {
		break // the edge is not told, but waits no longer than for one page
	}
}

func TestListIsBounded(t *testing.T) {
	e := startNATS(t)
	table := newSockets()
	server := serveSockets(t, e, testEdge, table)
	for range pageSize + 1 {
		table.add(testEdge, "")
	}
	nc := outside(t, e)
	// Readers that take no second page hold a place each; the next is told.
	sub, _ := nc.SubscribeSync("pages")
	for range maxListings {
		_ = nc.PublishRequest("sallyport.@edge.AbC_.list", "pages", nil)
	}
	for range maxListings {
		m, err := sub.NextMsg(patience)
		var page listPage
		if err != nil || json.Unmarshal(m.Data, &page) != nil || len(page.Connections) != pageSize || page.Last {
			t.Fatalf("%v %.100s", err, m.Data)
		}
	}
	for _, tc := range []struct{ body, status string }{{"", "503"}, {"junk", "400"}, {strings.Repeat(" ", maxListRequest+1), "400"}} {
		m, err := nc.Request("sallyport.@edge.AbC_.list", []byte(tc.body), patience)
		if err != nil || m.Header.Get(HeaderStatus) != tc.status {
			t.Errorf("%v %v", m, err)
		}
	}
	server.Close() // ends them all
}
