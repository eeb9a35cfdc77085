package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// withFailOver is what docs/guarantees.md says of an edge that dies together with the NATS server that led the leases: nobody
// sees any lease until there is another leader, and what was seen before says nothing then.
const withFailOver = 2 * promised

// Three processes of the same binary, whose embedded servers are the cluster: when one is killed with its clients and with
// its NATS server, the others tell of its clients within withFailOver and serve their own throughout.
func TestChaosEmbeddedClusterLosesOne(t *testing.T) {
	t.Parallel()
	const nodes = 3
	ports := freePorts(t, 2*nodes)
	var routes []string
	for _, port := range ports[:nodes] {
		routes = append(routes, fmt.Sprintf("127.0.0.1:%d", port))
	}
	file := write(t, t.TempDir(), "chat.yaml", chaosChat)
	var processes []*gatewayProcess
	var list []string
	for i := range nodes {
		nats := fmt.Sprintf("127.0.0.1:%d", ports[nodes+i])
		list = append(list, "nats://"+nats)
		processes = append(processes, runProcess(t, "serve", file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats-listen", nats,
			"--node", fmt.Sprintf("node%d", i), "--data", filepath.Join(t.TempDir(), "data"),
			"--nats-cluster-listen", routes[i], "--nats-routes", strings.Join(routes, ",")))
	}
	for _, p := range processes {
		p.output.awaitIn(t, 3*patience, "/readyz")
		p.Data = p.output.find(`://(127\.0\.0\.1:\d+)/[a-z]`)
	}
	b := startNotebook(t, strings.Join(list[1:], ","), nodes) // the backend is at those that live
	seats := map[gateway.EdgeID][]*seat{}
	var edges []gateway.EdgeID
	for _, p := range processes {
		var edge gateway.EdgeID
		for range 5 {
			s := takeSeat(t, p.Data)
			edge = s.id.Edge()
			seats[edge] = append(seats[edge], s)
		}
		edges = append(edges, edge)
	}
	died := time.Now()
	processes[0].kill()
	b.awaitAll(withFailOver, edges[0])
	for _, s := range seats[edges[0]] {
		all := b.of(s.id)
		if len(all) != 1 || all[0].reason != lostReason || all[0].code != 1006 {
			t.Errorf("the backend heard %+v", all)
			continue
		}
		if took := all[0].at.Sub(died); took > withFailOver {
			t.Errorf("it was told after %s", took)
		}
	}
	for _, edge := range edges[1:] {
		for _, s := range seats[edge] {
			s.isOpen()
			s.answersAgain()
			if all := b.of(s.id); len(all) > 0 {
				t.Errorf("the backend heard of the end of an open connection: %+v", all)
			}
		}
	}
	b.checkStream(b.known(edges[0]))
}
