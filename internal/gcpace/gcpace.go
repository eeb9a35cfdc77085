// Package gcpace sets how often memory is collected by how much is allocated: an edge that holds idle connections keeps
// hardly more than they need, and one that carries many messages does not collect every few milliseconds to do so.
//
// internal/app starts it where the person did not set GOGC. One path through it: Run looks once a second, percent says
// what two collections a second ask for, and the runtime is told when that has changed.
package gcpace

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// interval is how often Pacer looks: a burst of allocation is over sooner than its garbage matters.
	interval = time.Second
	// cyclesPerSecond is how often a busy process may collect: each takes some milliseconds of a core for each 20 MB of
	// live memory.
	cyclesPerSecond = 2
	// idlePercent is how much garbage a process keeps that allocates next to nothing, in percent of its live memory.
	idlePercent = 25
	// busyPercent bounds the garbage of a busy one: five times its live memory in all. GOMEMLIMIT bounds it too.
	busyPercent = 400
)

// Pacer sets the percentage of the process. Make one with New and let it Run.
type Pacer struct {
	read func() (allocated, live uint64)
	set  func(percent int)
	tick <-chan time.Time
	stop func()

	allocated uint64
	current   int
}

// New returns a Pacer for this process. There should be one at most.
func New() *Pacer {
	ticker := time.NewTicker(interval)
	return &Pacer{
		read: readRuntime, set: func(percent int) { debug.SetGCPercent(percent) },
		tick: ticker.C, stop: ticker.Stop,
	}
}

// Run paces until ctx ends, and leaves the runtime with its default.
func (p *Pacer) Run(ctx context.Context) {
	const standard = 100 // GOGC's default
	defer p.stop()
	p.allocated, _ = p.read()
	p.use(idlePercent)
	for {
		select {
		case <-ctx.Done():
			p.use(standard)
			return
		case <-p.tick:
			p.look()
		}
	}
}

func (p *Pacer) look() {
	allocated, live := p.read()
	p.use(percent(allocated-p.allocated, live))
	p.allocated = allocated
}

// use tells the runtime, which stops the world for a moment, only of changes.
func (p *Pacer) use(percent int) {
	if percent != p.current {
		p.current = percent
		p.set(percent)
	}
}

// percent returns what lets cyclesPerSecond collections keep up with allocated bytes in an interval: idlePercent, or a
// doubling of it.
func percent(allocated, live uint64) int {
	wanted := math.Inf(1)
	if live > 0 {
		wanted = 100 * float64(allocated) / cyclesPerSecond / float64(live)
	}
	for step := idlePercent; ; step *= 2 {
		if float64(step) >= wanted || step >= busyPercent {
			return step
		}
	}
}

func readRuntime() (allocated, live uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}
