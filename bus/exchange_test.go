package bus

import (
	"math/rand/v2"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// The wheel against the obvious: every token is found once, by take or by its deadline, never before it.
func TestWheel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := &shard{pending: map[uint64]*waiter{}}
	deadlines := map[uint64]int64{}
	var fired []uint64
	next := uint64(0)
	for now := int64(0); now < 6*wheelSlots; now++ {
		for range rng.IntN(4) {
			next++
			token, due := next, now+1+rng.Int64N(3*wheelSlots)
			if !s.add(token, due, nil, func(*gateway.Reply, error) { fired = append(fired, token) }) {
				t.Fatal("refused")
			}
			deadlines[token] = due
		}
		for token := range deadlines {
			if rng.IntN(5) == 0 {
				if _, _, ok := s.take(token); !ok {
					t.Fatalf("%d was lost", token)
				}
				if _, _, ok := s.take(token); ok {
					t.Fatalf("%d was taken twice", token)
				}
				delete(deadlines, token)
			}
			break
		}
		to := now
		if rng.IntN(10) == 0 {
			to += rng.Int64N(2 * wheelSlots) // the sweeper was held up
		}
		fired = fired[:0]
		expire(s.due(now, to), errTimeout())
		for _, token := range fired {
			if due, ok := deadlines[token]; !ok || due > to {
				t.Fatalf("%d fired at %d, due %d", token, to, due)
			}
			delete(deadlines, token)
		}
		for token, due := range deadlines {
			if due <= to {
				t.Fatalf("%d did not fire at %d, due %d", token, to, due)
			}
		}
		now = to
	}
	if got := len(s.close()); got != len(deadlines) || len(s.pending) != 0 {
		t.Errorf("%d left, want %d", got, len(deadlines))
	}
	if s.add(1, 1, nil, nil) {
		t.Error("added after close")
	}
	if s.spares > spareWaiters {
		t.Errorf("%d spares", s.spares)
	}
}

func TestWaitersAreReused(t *testing.T) {
	s := &shard{pending: map[uint64]*waiter{}}
	answer := func(*gateway.Reply, error) {}
	token := uint64(0)
	cycle := func() {
		token++
		s.add(token, int64(token), nil, answer)
		s.take(token)
	}
	cycle()
	if n := testing.AllocsPerRun(100, cycle); n > 0 {
		t.Errorf("%v allocations a request", n)
	}
}
