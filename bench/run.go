package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sallyport/sallyport/bench/load"
	"github.com/sallyport/sallyport/bench/wire"
)

const (
	// headStart is between the order to start and the start: enough for all workers to hear it.
	headStart = 100 * time.Millisecond
	// progressEvery is how often progress is told.
	progressEvery = 250 * time.Millisecond
)

// Progress is how far a run is.
type Progress struct {
	Doing  string  // opening, settling, warming up, measuring, finishing
	Done   float64 // of Doing, from 0 to 1
	Now    load.News
	Rate   float64 // replies a second since the last one
	Wanted int     // connections
}

// run is one run under way.
type run struct {
	config Config
	crew   *crew
	meter  *meter // of the server, or nil
	own    *meter // of the generator, or nil
	report *Report
	last   load.News
	lastAt time.Time
}

// Run does one run. When ctx ends it stops early, and the report has what was measured until then. An error means that
// nothing was measured, and its text says what to do; a *ConfigError is found before anything is begun.
func Run(ctx context.Context, config Config) (result *Report, err error) {
	if err := config.check(); err != nil {
		return nil, &ConfigError{err}
	}
	target, err := wire.NewTarget(ctx, wire.WebSocket, wire.TargetConfig{URL: config.Job.URLs[0]})
	if err != nil {
		return nil, err
	}
	config.Job.Sources = config.sources(target.Address.Addr())
	var started time.Duration
	if config.Start != "" {
		s, err := startServer(ctx, &config, target.Address)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		config.PIDs = []int{s.cmd.Process.Pid}
		started = s.took
	}
	r := &run{config: config, report: newReport(&config)}
	r.report.StartSeconds = started.Seconds()
	if len(config.PIDs) > 0 {
		if r.meter, err = newMeter(config.PIDs, nil); err != nil {
			return nil, err
		}
	}
	// Without /proc there is no such figure.
	r.own, _ = newMeter([]int{os.Getpid()}, config.PIDs)
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.crew, err = startCrew(work, &config); err != nil {
		return nil, err
	}
	if err = r.conduct(ctx); err != nil {
		cancel()
	}
	tally, failed := r.crew.end()
	if err = errors.Join(failed, err); err != nil {
		return nil, err
	}
	r.report.take(tally, ctx.Err() != nil)
	return r.report, nil
}

// conduct gives the orders. It returns early when the crew fails or ctx ends; the crew hears of both by itself.
func (r *run) conduct(ctx context.Context) error {
	counts := []int{r.config.Job.Connections}
	if r.config.From > 0 {
		counts = []int{r.config.From, r.config.Job.Connections}
	}
	if r.config.Job.Scenario == load.Connect {
		counts = nil // it opens them while it is measured
	}
	for _, n := range counts {
		began := time.Now()
		r.crew.order(load.Order{Open: n})
		if !r.await(ctx, func(now time.Time) bool { return r.opened(n) }) {
			return nil
		}
		r.report.opened(n, time.Since(began))
		if r.config.Settle > 0 && r.meter != nil {
			began = time.Now()
			if !r.await(ctx, func(now time.Time) bool { return r.reached("settling", began, now, r.config.Settle) }) {
				return nil
			}
		}
		if err := r.sampleMemory(n); err != nil {
			return err
		}
	}
	return r.measure(ctx)
}

// measure starts the crew and samples the server at both ends of the measured time.
func (r *run) measure(ctx context.Context) error {
	start := time.Now().Add(headStart)
	r.crew.order(load.Order{Start: start})
	if !r.await(ctx, func(now time.Time) bool { return r.reached("warming up", start, now, r.config.Job.Warmup) }) {
		return nil
	}
	before, err := r.sample()
	if err != nil {
		return err
	}
	from := start.Add(r.config.Job.Warmup)
	r.await(ctx, func(now time.Time) bool { return r.reached("measuring", from, now, r.config.Job.Duration) })
	after, err := r.sample()
	if err != nil {
		return err
	}
	r.report.used(before, after)
	r.await(ctx, func(now time.Time) bool { return r.reached("finishing", now, now, time.Hour) })
	return nil
}

// opened tells the progress of n connections.
func (r *run) opened(n int) bool {
	now, settled := r.crew.sum(n)
	r.tell(Progress{Doing: "opening", Done: float64(now.Opened+now.Failed) / float64(n), Now: now, Wanted: n})
	return settled
}

// reached tells the progress of a time that lasts so long from then.
func (r *run) reached(doing string, from, now time.Time, lasts time.Duration) bool {
	news, _ := r.crew.sum(0)
	passed := now.Sub(from)
	if passed >= lasts {
		return true
	}
	p := Progress{Doing: doing, Done: max(0, float64(passed)/float64(lasts)), Now: news, Wanted: r.config.Job.Connections}
	if d := now.Sub(r.lastAt).Seconds(); d > 0 && !r.lastAt.IsZero() {
		p.Rate = float64(news.Received-r.last.Received) / d
	}
	if now.Sub(r.lastAt) >= progressEvery {
		r.tell(p)
		r.last, r.lastAt = news, now
	}
	return false
}

func (r *run) tell(p Progress) {
	if r.config.Progress != nil {
		r.config.Progress(p)
	}
}

// waitStep is how exactly the ends of the measured time are met: a thousandth of ten seconds.
const waitStep = 10 * time.Millisecond

// await asks done now and then until it agrees. It returns false when the crew or ctx ended first.
func (r *run) await(ctx context.Context, done func(now time.Time) bool) bool {
	ticker := time.NewTicker(waitStep)
	defer ticker.Stop()
	for {
		if done(time.Now()) {
			return true
		}
		select {
		case <-ticker.C:
		case <-r.crew.told:
		case <-r.crew.ended:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (r *run) sampleMemory(connections int) error {
	s, err := r.sample()
	if err == nil {
		r.report.memory(connections, s)
	}
	return err
}

// sample is the server's and the machine's state at one moment.
type sample struct {
	at        time.Time
	server    Usage
	generator Usage
	tcp       int64
}

func (r *run) sample() (sample, error) {
	s := sample{at: time.Now()}
	var err error
	if r.own != nil {
		s.generator, _ = r.own.read() // a figure less
	}
	if r.meter == nil {
		return s, nil
	}
	s.tcp = kernelTCP(r.meter.proc)
	if s.server, err = r.meter.read(); err != nil {
		return s, fmt.Errorf("measure the server: %w", err)
	}
	return s, nil
}
