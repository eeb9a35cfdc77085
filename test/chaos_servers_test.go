package test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// failOver is what JetStream takes to choose another leader, with room (nats-facts §9.3).
const failOver = 10 * time.Second

// One of three NATS servers is killed: whoever leads the journals, then whoever leads the leases. Clients stay connected
// and are served throughout; a message that was on its way by the dead server, and a connect while JetStream has no
// leader, take a while or are told so, and succeed when they are repeated.
func TestChaosNATSServerIsKilled(t *testing.T) {
	t.Parallel()
	servers := natsServers(t, 3)
	b := startNotebook(t, urls(servers), 3)
	edges := startEdges(t, urls(servers), nodeNames("edge", 2))
	js, err := jetstream.New(b.nc)
	if err != nil {
		t.Fatal(err)
	}
	var seats []*seat
	for _, e := range edges {
		for range 3 {
			seats = append(seats, takeSeat(t, e.Data))
		}
	}
	for _, name := range []string{"sallyport-connections", "KV_sallyport-leases", "KV_sallyport-catalog", "KV_sallyport-nodes"} {
		replicated(t, js, name, len(servers))
	}
	for _, name := range []string{"sallyport-connections", "KV_sallyport-leases"} {
		leader := leaderOf(t, js, name, servers)
		leader.kill()
		began := time.Now()
		newcomer := make(chan error, 1)
		go func() {
			_, err := trySeat(t, edges[0].Data)
			if err != nil { // its $connect was on its way by the server that died
				_, err = trySeat(t, edges[0].Data)
			}
			newcomer <- err
		}()
		frames := 0
		for time.Since(began) < failOver {
			for _, s := range seats {
				s.ask()
				if got, took := s.hears(patience); got != "answer" {
					frames++
				} else if took > patience/2 {
					t.Errorf("%s: an answer took %s", name, took)
				}
			}
			outage(t, lookAgain)
		}
		if err := <-newcomer; err != nil {
			t.Errorf("%s: a client that came at that moment was refused: %v", name, err)
		}
		t.Logf("%s: %d messages got an error frame", name, frames)
		for _, s := range seats {
			s.answersAgain()
		}
		leader.start()
		leader.output.await(t, "NATS server is ready")
		replicated(t, js, name, len(servers))
	}
	for _, s := range seats {
		s.isOpen()
		if all := b.of(s.id); len(all) > 0 {
			t.Errorf("the backend heard of the end of an open connection: %+v", all)
		}
	}
}

// replicated waits until a stream has so many replicas, as the gateway gives it, and all are current.
func replicated(t *testing.T, js jetstream.JetStream, name string, n int) {
	t.Helper()
	eventually(t, name+" has all its replicas", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return err
		}
		info := stream.CachedInfo()
		if info.Config.Replicas != n {
			return errorf("it has %d", info.Config.Replicas)
		}
		if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != n-1 {
			return errorf("its cluster is %+v", info.Cluster)
		}
		for _, peer := range info.Cluster.Replicas {
			if !peer.Current || peer.Offline {
				return errorf("%s is not current", peer.Name)
			}
		}
		return nil
	})
}

// leaderOf is the server that leads a stream.
func leaderOf(t *testing.T, js jetstream.JetStream, name string, servers []*natsServer) *natsServer {
	t.Helper()
	var leader *natsServer
	eventually(t, name+" has a leader", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return err
		}
		for _, s := range servers {
			if s.config.Name == stream.CachedInfo().Cluster.Leader {
				leader = s
				return nil
			}
		}
		return errorf("it has none")
	})
	return leader
}
