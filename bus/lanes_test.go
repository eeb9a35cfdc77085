package bus

import (
	"context"
	"hash/maphash"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// TestPushesKeepTheirOrder for each connection, however many come at once.
func TestPushesKeepTheirOrder(t *testing.T) {
	const connections, each = 16, 500
	e := startNATS(t)
	table := newSockets()
	serveSockets(t, e, "AbC_", table)
	publisher := outside(t, e)
	ids := make([]gateway.ConnectionID, connections)
	for i := range ids {
		ids[i] = table.add("AbC_", "")
	}
	for n := range each {
		for _, id := range ids {
			subject := Subjects{}.Connection(gateway.ConnectionRef{API: "chat", Stage: "dev", ID: id}, VerbPost)
			if err := publisher.Publish(subject, []byte(strconv.Itoa(n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range ids {
		eventually(t, "all pushes are there", func() bool { return len(table.pushes(id)) == each })
		for n, p := range table.pushes(id) {
			if string(p.Body) != strconv.Itoa(n) {
				t.Fatalf("%s: push %d is %s", id, n, p.Body)
			}
		}
	}
}

// gated is a table whose posts to one connection wait.
type gated struct {
	*sockets
	slow          gateway.ConnectionID
	started, free chan struct{}
}

func (g *gated) Post(ctx context.Context, ref gateway.ConnectionRef, p gateway.Push) error {
	if ref.ID == g.slow {
		g.started <- struct{}{}
		<-g.free
	}
	return g.sockets.Post(ctx, ref, p)
}

// TestLanesDoNotWaitForEachOther: while one lane is busy, another takes what comes; and the busy one's commands wait their turn.
func TestLanesDoNotWaitForEachOther(t *testing.T) {
	table := newSockets()
	g := &gated{sockets: table, slow: table.add("AbC_", ""), started: make(chan struct{}, 1), free: make(chan struct{})}
	s := &ConnectionServer{config: ConnectionsConfig{Local: g}, logger: orDiscard(nil)}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	s.startLanes()
	t.Cleanup(func() { s.Close() })
	if len(s.lanes) < 2 {
		t.Skip("one core has one lane")
	}
	lane := func(id gateway.ConnectionID) uint64 { return maphash.String(s.seed, string(id)) % uint64(len(s.lanes)) }
	quick := table.add("AbC_", "")
	for lane(quick) == lane(g.slow) {
		quick = table.add("AbC_", "")
	}
	post := func(id gateway.ConnectionID) command {
		return command{message: &nats.Msg{Data: []byte("x")}, ref: gateway.ConnectionRef{ID: id}, verb: VerbPost}
	}
	l := s.lanes[lane(g.slow)]
	l.left.Add(1) // as take does when others wait
	l.queue <- post(g.slow)
	receive(t, g.started)
	s.take(post(quick))
	eventually(t, "the quick one has its push", func() bool { return len(table.pushes(quick)) == 1 })
	s.take(post(g.slow)) // not here: it would wait
	g.free <- struct{}{}
	receive(t, g.started)
	g.free <- struct{}{}
	eventually(t, "the slow one has both", func() bool { return len(table.pushes(g.slow)) == 2 })
}

// TestLanesEndEmpty: what waits at the end is run, so that its sender is not left to a time-out.
func TestLanesEndEmpty(t *testing.T) {
	table := newSockets()
	s := &ConnectionServer{config: ConnectionsConfig{Local: table}, logger: orDiscard(nil)}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	id := table.add("AbC_", "")
	const waiting = 10
	l := &lane{queue: make(chan command, waiting), ended: make(chan struct{})}
	for range waiting {
		l.queue <- command{message: &nats.Msg{Data: []byte("x")}, ref: gateway.ConnectionRef{ID: id}, verb: VerbPost}
	}
	s.lanes = append(s.lanes, l)
	s.cancel()
	go s.runLane(l)
	s.Close()
	if n := len(table.pushes(id)); n != waiting {
		t.Errorf("%d of %d commands were run", n, waiting)
	}
}
