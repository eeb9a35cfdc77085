package bus

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// An exchange without requests rests, and deadlines hold for the request that wakes it.
func TestExchangeRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{prefix: "r.", start: time.Now(), woken: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
		for i := range x.shards {
			x.shards[i].pending = make(map[uint64]*waiter)
		}
		go x.sweep()
		defer x.close()
		const wait = 300 * time.Millisecond
		for range 3 {
			<-time.After(time.Minute)
			if !x.rests.Load() {
				t.Fatal("it sweeps on after a minute without requests")
			}
			asked := time.Now()
			ended := make(chan error, 1)
			if _, _, ok := x.open(wait, nil, func(_ *gateway.Reply, err error) { ended <- err }); !ok {
				t.Fatal("closed")
			}
			if err := <-ended; gateway.ErrorCode(err) != gateway.CodeTimeout {
				t.Errorf("got %v, want a timeout", err)
			}
			if took := time.Since(asked); took < wait || took > wait+2*sweepTick {
				t.Errorf("the deadline of %v fired after %v", wait, took)
			}
		}
	})
}
