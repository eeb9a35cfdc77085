package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/connstore/connstoretest"
	"github.com/sallyport/sallyport/connstore/memory"
	"github.com/sallyport/sallyport/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	connstoretest.Run(t, func(*testing.T) connstoretest.World {
		u := memory.NewUniverse()
		return connstoretest.World{
			Open: func(t *testing.T, alive connstore.Alive) connstore.Store {
				s := memory.Open(memory.Config{Universe: u, Alive: alive})
				t.Cleanup(func() { _ = s.Close() })
				return s
			},
			Expire: func(_ *testing.T, edge gateway.EdgeID) { u.Expire(edge) },
		}
	})
}
