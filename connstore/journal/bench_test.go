package journal

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/gateway"
)

// BenchmarkTakeOver is what a dead edge with 100,000 connections costs whoever takes it over, without the events: from the
// lease to the list of its connections, and the purge. One iteration is one such edge. It also reports what a connection
// takes in the stream while it is open. docs/scale.md counts with both.
func BenchmarkTakeOver(b *testing.B) {
	const connections, writers = 100_000, 256
	srv, _ := startServer(b, b.TempDir())
	nc := connectTo(b, func() *server.Server { return srv })
	var stored uint64
	for b.Loop() {
		b.StopTimer()
		first := openStore(b, nc, nil)
		j := claimed(b, first, "n1")
		group, ctx := errgroup.WithContext(b.Context())
		ids := make(chan gateway.ConnectionID, connections)
		for range connections {
			ids <- gateway.NewConnectionID(j.edge)
		}
		close(ids)
		for range writers {
			group.Go(func() error {
				for id := range ids {
					if err := j.Opened(ctx, client(id)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		stored = streamBytes(b, first)
		if err := first.Close(); err != nil { // as a killed process leaves it
			b.Fatal(err)
		}
		next := openStore(b, nc, nil)
		b.StartTimer()
		o, err := next.TakeOver(deadline(b), j.edge, "n1")
		if err != nil {
			b.Fatal(err)
		}
		if err := o.Done(deadline(b)); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if len(o.Connections) != connections {
			b.Fatalf("%d connections were found", len(o.Connections))
		}
		if err := next.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/connections, "µs/connection")
	b.ReportMetric(float64(stored)/connections, "stored-B/connection")
}

// client is a connection that differs from others as clients do: by address and by who the user is, and little by browser.
func client(id gateway.ConnectionID) *gateway.Connection {
	c := sample()
	n := rand.Uint32()
	c.ID = id
	c.SourceIP = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String()
	c.UserAgent = fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/14%d.0.0.0 Safari/537.36", n%10)
	c.Authorizer = json.RawMessage(fmt.Sprintf(`{"principalId":"%08x"}`, rand.Uint32()))
	return c
}

// streamBytes is what JetStream keeps.
func streamBytes(b *testing.B, s *Store) uint64 {
	b.Helper()
	info, err := s.stream.Info(deadline(b), jetstream.WithSubjectFilter(">"))
	if err != nil {
		b.Fatal(err)
	}
	return info.State.Bytes
}
