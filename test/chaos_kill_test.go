package test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport/sallyport/gateway"
)

// Edges are killed with -9 in the middle of connects, messages and closes, several at once. The backend hears of the end
// of each of their connections within promised: once, and where an edge died between telling of an end and noting that it
// had, a second time under the same message id, of which its stream keeps one.
func TestChaosEdgesAreKilled(t *testing.T) {
	t.Parallel()
	rounds, victims := 1, 4
	if chaosFull() {
		rounds, victims = 5, 20
	}
	servers := natsServers(t, 1)
	b := startNotebook(t, urls(servers), 1)
	keepers := startEdges(t, urls(servers), nodeNames("keeper", 2))
	twice := 0
	for round := range rounds {
		twice += killRound(t, b, urls(servers), keepers, nodeNames("victim"+string(rune('a'+round))+"-", victims), (round+1)*victims)
	}
	t.Logf("%d edges were killed; of their connections %d were told of twice, under one message id", rounds*victims, twice)
}

// steadySeats are the connections of a victim that do nothing when it dies, churners the clients that come and go.
const (
	steadySeats = 6
	churners    = 2
)

// killRound starts edges, kills each in the middle of its work, and checks what the backend heard. killed is how many
// edges will have died then.
func killRound(t *testing.T, b *notebook, list string, keepers []*gatewayProcess, nodes []string, killed int) int {
	t.Helper()
	victims := startEdges(t, list, nodes)
	var (
		clients sync.WaitGroup
		killers sync.WaitGroup
		edges   []gateway.EdgeID
		steady  []*seat
		deaths  = make([]time.Time, len(victims))
		over    = make(chan struct{})
	)
	for _, v := range victims {
		for range steadySeats {
			steady = append(steady, takeSeat(t, v.Data))
		}
		edges = append(edges, steady[len(steady)-1].id.Edge())
	}
	for i, v := range victims {
		moment := b.afterEvents(edges[i], 1+rand.IntN(150))
		for range churners {
			clients.Go(func() { churn(t, v.Data, over) })
		}
		killers.Go(func() {
			select {
			case <-moment:
			case <-time.After(3 * patience): // a busy machine; any moment will do
			}
			deaths[i] = time.Now()
			v.kill()
		})
	}
	killers.Wait()
	close(over)
	clients.Wait()
	b.awaitAll(promised, edges...)

	// When all take-overs are done nothing more comes.
	eventually(t, "all take-overs are done", func() error { return tookOver(keepers, killed) })
	for i, edge := range edges {
		ids := b.known(edge)
		for _, id := range ids {
			lost := 0
			for _, h := range b.of(id) {
				if h.reason != lostReason {
					continue
				}
				lost++
				if took := h.at.Sub(deaths[i]); took > promised || h.code != 1006 {
					t.Errorf("%s: told with %d, %s after its edge's death", id, h.code, took)
				}
			}
			if lost > 1 {
				t.Errorf("%s: %d nodes told of its end", id, lost)
			}
		}
	}
	for _, s := range steady {
		if all := b.of(s.id); len(all) != 1 || all[0].reason != lostReason {
			t.Errorf("%s was open when its edge died; the backend heard %+v", s.id, all)
		}
	}
	ids := b.known(edges...)
	twice := b.checkEnds(ids)
	b.checkStream(ids)
	return twice
}

// churn connects, asks and leaves, in one way or the other, until the edge is gone or the round is over.
func churn(t *testing.T, address string, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		s, err := trySeat(t, address)
		if err != nil {
			return // the edge is dead
		}
		for range rand.IntN(3) {
			s.ask()
		}
		if rand.IntN(2) == 0 {
			_ = s.conn.CloseNow()
		} else {
			_ = s.conn.Close(websocket.StatusNormalClosure, "")
		}
	}
}

// tookOver fails unless some edges have taken over so many others.
func tookOver(edges []*gatewayProcess, want int) error {
	n := 0
	for _, e := range edges {
		n += strings.Count(e.output.String(), "took over a former edge")
	}
	if n != want {
		return errorf("%d edges were taken over, want %d", n, want)
	}
	return nil
}

// The node that takes over dies in the middle of it: the next one tells again what may not have been told, under the same
// message ids, and a stream of the backend has each end once.
func TestChaosTakerDies(t *testing.T) {
	t.Parallel()
	servers := natsServers(t, 1)
	b := startNotebook(t, urls(servers), 1)
	processes := startEdges(t, urls(servers), nodeNames("edge", 3))
	byEdge := map[gateway.EdgeID]*gatewayProcess{}
	var edges []gateway.EdgeID
	var seats []*seat
	for _, p := range processes {
		for range 20 {
			seats = append(seats, takeSeat(t, p.Data))
		}
		edge := seats[len(seats)-1].id.Edge()
		edges, byEdge[edge] = append(edges, edge), p
	}
	died := make(chan gateway.EdgeID, 1)
	b.mu.Lock()
	b.onLost = func(taker gateway.EdgeID) {
		_ = byEdge[taker].cmd.Process.Kill() // its first word is out, none is settled
		died <- taker
	}
	b.mu.Unlock()
	processes[0].kill()
	var taker gateway.EdgeID
	select {
	case taker = <-died:
	case <-time.After(promised):
		t.Fatal("nobody took the dead edge over")
	}
	if taker == edges[0] {
		t.Fatal("the dead edge itself told of its end")
	}
	b.awaitAll(promised, edges[0], taker)
	last := edges[1]
	if last == taker {
		last = edges[2]
	}
	eventually(t, "the last edge has taken over both", func() error { return tookOver([]*gatewayProcess{byEdge[last]}, 2) })
	ids := b.known(edges[0], taker)
	twice := b.checkEnds(ids)
	b.checkStream(ids)
	t.Logf("%d of %d ends were told twice", twice, len(ids))
	for _, s := range seats {
		if s.id.Edge() == last {
			s.isOpen()
			s.ask()
			if got, _ := s.hears(patience); got != "answer" {
				t.Errorf("a client of the last edge heard %s", got)
			}
		}
	}
}
