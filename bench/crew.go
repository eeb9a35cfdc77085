package bench

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/bench/load"
)

// crew are the workers of a run. Its goroutines are those of group; end waits for them.
type crew struct {
	squads []squad
	group  *errgroup.Group
	ctx    context.Context // ends with the first failure
	ended  chan struct{}
	err    error // once ended

	mu    sync.Mutex
	news  []load.News // by worker
	tally load.Tally
	// told has a value when there was news since it was last taken.
	told chan struct{}
}

// squad is the workers of one process, this one or another.
type squad interface {
	// work returns when its workers have done their jobs, or soon after ctx has ended.
	work(ctx context.Context, tell func(worker int, n load.News)) (*load.Tally, error)
	order(load.Order)
}

// startCrew starts the workers. end must follow.
func startCrew(ctx context.Context, config *Config) (*crew, error) {
	jobs := config.jobs()
	c := &crew{news: make([]load.News, len(jobs)), told: make(chan struct{}, 1), ended: make(chan struct{})}
	c.group, c.ctx = errgroup.WithContext(ctx)
	for i := range config.processes() {
		part := jobs[i*config.loops() : (i+1)*config.loops()]
		if config.processes() > 1 {
			c.squads = append(c.squads, newProcess(config.Worker, part))
			continue
		}
		s, err := newLocal(ctx, part, config.Goroutines)
		if err != nil {
			return nil, err
		}
		c.squads = append(c.squads, s)
	}
	for i, s := range c.squads {
		first := i * config.loops()
		c.group.Go(func() error {
			tally, err := s.work(c.ctx, func(worker int, n load.News) { c.tell(first+worker, n) })
			c.mu.Lock()
			defer c.mu.Unlock()
			if tally != nil {
				c.tally.Add(tally)
			}
			return err
		})
	}
	go func() { // ends with the group, which end waits for
		c.err = c.group.Wait()
		close(c.ended)
	}()
	return c, nil
}

func (c *crew) tell(worker int, n load.News) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if worker < len(c.news) { // it may come from another process
		c.news[worker] = n
	}
	select {
	case c.told <- struct{}{}:
	default:
	}
}

func (c *crew) order(o load.Order) {
	for _, s := range c.squads {
		s.order(o)
	}
}

// sum adds up what the workers told. settled says whether all have done an order of so many connections.
func (c *crew) sum(ordered int) (total load.News, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	settled = true
	for _, n := range c.news {
		settled = settled && n.Settled && n.Ordered >= ordered
		total.Opened += n.Opened
		total.Failed += n.Failed
		total.Sent += n.Sent
		total.Received += n.Received
	}
	return total, settled
}

// end waits for all workers and returns what they saw.
func (c *crew) end() (*load.Tally, error) {
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	return &c.tally, c.err
}

// local is a squad of this process.
type local struct{ workers []*load.Worker }

// newLocal makes the workers; work must follow.
func newLocal(ctx context.Context, jobs []load.Job, goroutines bool) (*local, error) {
	l := &local{}
	for _, job := range jobs {
		w, err := load.New(ctx, load.Config{Job: job, Goroutines: goroutines})
		if err != nil {
			return nil, errors.Join(err, l.discard())
		}
		l.workers = append(l.workers, w)
	}
	return l, nil
}

// discard frees workers that will not run.
func (l *local) discard() error {
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, w := range l.workers {
		_, err := w.Run(stopped, nil)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (l *local) order(o load.Order) {
	for _, w := range l.workers {
		w.Order(o)
	}
}

func (l *local) work(ctx context.Context, tell func(int, load.News)) (*load.Tally, error) {
	group, ctx := errgroup.WithContext(ctx)
	tallies := make([]*load.Tally, len(l.workers))
	for i, w := range l.workers {
		group.Go(func() (err error) {
			w.Dedicate()
			tallies[i], err = w.Run(ctx, func(n load.News) { tell(i, n) })
			return err
		})
	}
	err := group.Wait()
	total := &load.Tally{}
	for _, t := range tallies {
		if t != nil {
			total.Add(t)
		}
	}
	return total, err
}
