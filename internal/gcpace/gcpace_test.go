package gcpace

import (
	"context"
	"slices"
	"testing"
	"time"
)

const mb = 1 << 20

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		allocated, live uint64
		want            int
	}{
		{0, 20 * mb, 25},
		{10 * mb, 20 * mb, 25},
		{11 * mb, 20 * mb, 50},
		{30 * mb, 20 * mb, 100},
		{250 * mb, 20 * mb, 400},
		{1000 * mb, 20 * mb, 400},
		{250 * mb, 1000 * mb, 25},
		{1, 0, 400}, // nothing was collected yet
	} {
		if got := percent(test.allocated, test.live); got != test.want {
			t.Errorf("%d MB a second over %d MB: got %d, want %d", test.allocated/mb, test.live/mb, got, test.want)
		}
	}
}

// The percentage follows the load, is told to the runtime when it changes, and is the default again in the end.
func TestRun(t *testing.T) {
	tick := make(chan time.Time)
	var told []int
	var allocated uint64
	p := &Pacer{
		read: func() (uint64, uint64) { return allocated, 20 * mb },
		set:  func(percent int) { told = append(told, percent) },
		tick: tick, stop: func() {},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx)
	}()
	// The channel has no room, so what is sent was taken, and what it changed is seen by the next.
	tick <- time.Time{}
	tick <- time.Time{}
	cancel()
	<-ended
	if want := []int{25, 100}; !slices.Equal(told, want) {
		t.Errorf("an idle process was told %v, want %v", told, want)
	}
	told, p.current, p.allocated = nil, 25, 0
	for _, allocated = range []uint64{200 * mb, 400 * mb, 401 * mb} {
		p.look()
	}
	if want := []int{400, 25}; !slices.Equal(told, want) {
		t.Errorf("a busy process was told %v, want %v", told, want)
	}
}

func TestReadRuntime(t *testing.T) {
	before, _ := readRuntime()
	kept := make([]byte, 8*mb)
	after, _ := readRuntime()
	if after-before < uint64(len(kept)) {
		t.Errorf("8 MB were allocated, but %d bytes are told", after-before)
	}
}
