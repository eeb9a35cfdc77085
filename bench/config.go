package bench

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/bench/load"
)

// Config is one run.
type Config struct {
	// Job is what all workers have in common; Run sets Worker and Workers.
	Job load.Job
	// Processes share the connections, and Loops are the event loops of each: 1 when they are 0.
	Processes int
	Loops     int
	// From, for load.Idle, is the number of connections at which memory is first measured; Settle is how long the server
	// gets before each sample.
	From   int
	Settle time.Duration
	// PIDs are the server's processes, whose CPU and memory are measured with those of their children. Start is a shell
	// command that starts the server instead; its output goes to ServerOutput.
	PIDs         []int
	Start        string
	ServerOutput io.Writer
	// Progress is told how far the run is, a few times a second; nil means nobody.
	Progress func(Progress)
	// Worker is the command of a worker process, needed for Processes: it calls Work.
	Worker []string
	// Goroutines uses a goroutine for each connection, as on systems without epoll.
	Goroutines bool
}

const (
	// maxProcesses bounds a run: a million connections need 52 with 20,000 descriptors each.
	maxProcesses = 1024
	maxLoops     = 64
	// perSource is how many connections one loopback address is used for to one target: the usual range of ephemeral
	// ports has 28,000, and some rest from earlier runs.
	perSource = 20_000
	// spareDescriptors is what a worker process has open besides its connections.
	spareDescriptors = 64
)

func (c *Config) processes() int { return max(c.Processes, 1) }
func (c *Config) loops() int     { return max(c.Loops, 1) }

func (c *Config) check() error {
	switch {
	case len(c.Job.URLs) == 0:
		return errors.New("no URL to measure")
	case c.Processes < 0 || c.Processes > maxProcesses:
		return fmt.Errorf("--processes %d: from 1 to %d", c.Processes, maxProcesses)
	case c.Loops < 0 || c.Loops > maxLoops:
		return fmt.Errorf("--loops %d: from 1 to %d", c.Loops, maxLoops)
	case c.From < 0 || c.From >= c.Job.Connections:
		return fmt.Errorf("--from %d: less than --connections %d", c.From, c.Job.Connections)
	case c.From > 0 && c.Job.Scenario != load.Idle:
		return fmt.Errorf("--from is for %s", load.Idle)
	case c.Start != "" && len(c.PIDs) > 0:
		return errors.New("--start and --pid: give one of them")
	case c.processes() > 1 && len(c.Worker) == 0:
		return errors.New("no command for worker processes")
	}
	job := c.Job
	job.Workers = c.processes() * c.loops()
	if err := job.Check(); err != nil {
		return err
	}
	return c.checkDescriptors()
}

// ConfigError is a Config that no run can be made of. Its text names the flag.
type ConfigError struct{ err error }

// Error is what is wrong.
func (e *ConfigError) Error() string { return e.err.Error() }

// Unwrap is what is wrong.
func (e *ConfigError) Unwrap() error { return e.err }

// checkDescriptors says before the run what would fail in it.
func (c *Config) checkDescriptors() error {
	limit := descriptorLimit()
	if limit == 0 {
		return nil
	}
	spare := spareDescriptors
	switch c.Job.Scenario {
	case load.Connect:
		spare += load.ClosingAtOnce * c.loops()
	case load.Push, load.Fanout:
		spare += max(c.Job.Callers, load.CallersByDefault) * c.loops()
	}
	room := max(limit-spare, 1)
	each := (c.Job.Connections + c.processes() - 1) / c.processes()
	if each <= room {
		return nil
	}
	needed := (c.Job.Connections + room - 1) / room
	return fmt.Errorf("--connections %d needs %d descriptors in each process, and one may have %d: use --processes %d", c.Job.Connections, each+spare, limit, needed)
}

// sources spreads connections over loopback addresses when one has too few ports, unless the caller chose.
func (c *Config) sources(target netip.Addr) []netip.Addr {
	targets := max(len(c.Job.URLs), 1)
	needed := (c.Job.Connections + perSource*targets - 1) / (perSource * targets)
	if len(c.Job.Sources) > 0 || needed <= 1 || !target.Is4() || !target.IsLoopback() {
		return c.Job.Sources
	}
	list := make([]netip.Addr, needed)
	at := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for i := range list {
		at = at.Next()
		list[i] = at
	}
	return list
}

// jobs divides the run.
func (c *Config) jobs() []load.Job {
	n := c.processes() * c.loops()
	jobs := make([]load.Job, n)
	for i := range jobs {
		jobs[i] = c.Job
		jobs[i].Worker, jobs[i].Workers = i, n
	}
	return jobs
}
