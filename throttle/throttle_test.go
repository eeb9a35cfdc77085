package throttle

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

func TestAllow(t *testing.T) {
	var b Buckets
	now := time.Unix(1_700_000_000, 0)
	set := &gateway.Throttle{RateLimit: 2, BurstLimit: 3}
	stage := Key{API: "chat", Stage: "dev"}
	took := func(k Key, t *gateway.Throttle, n int) (allowed int) {
		for range n {
			if b.Allow(k, t, now) {
				allowed++
			}
		}
		return allowed
	}
	if got := took(stage, set, 10); got != 3 {
		t.Errorf("at once %d pass, want the burst of 3", got)
	}
	if got := took(Key{API: "chat", Stage: "dev", Route: "send"}, set, 10); got != 3 {
		t.Errorf("another route lets %d pass", got)
	}
	now = now.Add(time.Second)
	if got := took(stage, set, 10); got != 2 {
		t.Errorf("a second later %d pass, want the rate of 2", got)
	}
	now = now.Add(time.Hour)
	if got := took(stage, &gateway.Throttle{RateLimit: 2, BurstLimit: 1}, 10); got != 1 {
		t.Errorf("with a burst of 1 %d pass", got)
	}
	if got := took(stage, nil, 10); got != 10 {
		t.Errorf("without a throttle %d pass", got)
	}
}

// What is deployed no longer costs no memory; the other buckets stay as empty as they are.
func TestKeep(t *testing.T) {
	var b Buckets
	now := time.Unix(1_700_000_000, 0)
	set := &gateway.Throttle{RateLimit: 0.001, BurstLimit: 1}
	kept, gone := Key{API: "chat", Stage: "dev", Route: "send"}, Key{API: "chat", Stage: "old"}
	b.Keep(func(Key) bool { return false }) // nothing is there yet
	for _, k := range []Key{kept, gone} {
		if !b.Allow(k, set, now) || b.Allow(k, set, now) {
			t.Fatalf("%v has not the burst of 1", k)
		}
	}
	b.Keep(func(k Key) bool { return k == kept })
	if n := b.Len(); n != 1 {
		t.Errorf("%d buckets are left, want 1", n)
	}
	if b.Allow(kept, set, now) {
		t.Error("the bucket that stays was filled")
	}
	if !b.Allow(gone, set, now) {
		t.Error("what is deployed again begins without a full bucket")
	}
}

func BenchmarkAllow(b *testing.B) {
	var buckets Buckets
	set := &gateway.Throttle{RateLimit: 1e9, BurstLimit: 1 << 30}
	k, now := Key{API: "chat", Stage: "dev", Route: "send"}, time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if !buckets.Allow(k, set, now) {
			b.Fatal("refused")
		}
	}
}
