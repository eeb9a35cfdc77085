package journal

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/sallyport/sallyport/gateway"
)

// keeps is quickly with LossKeep.
func keeps(c *Config) {
	quickly(c)
	c.Loss = LossKeep
}

// TestKeep: under LossKeep a journal is not held while its server is away, is not lost either, and goes on when it is back.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	srv, stop := startServer(t, dir)
	var current atomic.Pointer[server.Server]
	current.Store(srv)
	s := openStore(t, connectTo(t, current.Load), keeps)
	j := claimed(t, s, "n1")
	before := opened(t, j)
	current.Store(nil)
	stop()
	awaitCond(t, "the lease to be held no more", func() bool { return !j.Held() })
	j.Closed(before.ID)
	srv, _ = startServer(t, dir)
	current.Store(srv)
	awaitCond(t, "the lease to be held again", j.Held)
	after := opened(t, j)
	select {
	case <-j.Lost():
		t.Fatal("the journal is lost")
	default:
	}
	_ = s.Close()
	other := openStore(t, connectTo(t, current.Load), keeps)
	o, err := other.TakeOver(deadline(t), j.edge, "n1")
	if err != nil || len(o.Connections) != 1 || o.Connections[0].ID != after.ID {
		t.Errorf("what the journal comes to: %+v, %v", o, err)
	}
}

// TestKeepAndTaken: a journal that another has begun to read is lost when its holder comes back, also when that one has
// not ended it: whoever holds the lease then.
func TestKeepAndTaken(t *testing.T) {
	for name, finish := range map[string]bool{"ended": true, "the taker died": false} {
		t.Run(name, func(t *testing.T) {
			srv, _ := startServer(t, t.TempDir())
			var current atomic.Pointer[server.Server]
			current.Store(srv)
			cut := connectTo(t, current.Load)
			s := openStore(t, cut, keeps)
			j := claimed(t, s, "n1")
			opened(t, j)
			nc := connectTo(t, func() *server.Server { return srv })
			other := openStore(t, nc, keeps)
			claimed(t, other, "n2")
			awaitCond(t, "the lease to be seen", func() bool { silent, _ := other.watch.silence(j.edge); return silent > 0 })

			current.Store(nil)
			if err := cut.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
			if got := suspicion(t, other, "n2"); !slices.Equal(got, []gateway.EdgeID{j.edge}) {
				t.Fatalf("abandoned: %v", got)
			}
			o, err := other.TakeOver(deadline(t), j.edge, "n2")
			if err != nil || len(o.Connections) != 1 {
				t.Fatalf("take-over: %+v, %v", o, err)
			}
			if finish {
				if err := o.Done(deadline(t)); err != nil {
					t.Fatal(err)
				}
			} else {
				_ = other.Close()
				expire(t, nc, j.edge)
			}
			current.Store(srv)
			awaitLost(t, j)
		})
	}
}

// TestFenceIsKnown: of all messages of a journal only a fence is one.
func TestFenceIsKnown(t *testing.T) {
	for want, data := range map[bool][]byte{true: appendHeader(nil, kindFence, 7), false: appendHeader(nil, kindBatch, 7)} {
		if isFence(data) != want {
			t.Errorf("%q is a fence: %v", data, !want)
		}
	}
	if isFence(nil) || isFence([]byte("SJ\x01")) {
		t.Error("a cut message is a fence")
	}
}
