package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/sallyport/sallyport/bench/load"
)

// A worker process reads JSON values from standard input, first its jobs and then orders, and writes reports to standard
// output. The end of its input stops it, so that it does not outlive the process that started it.

// report is one line of a worker process.
type report struct {
	Worker int         `json:"worker"`
	News   *load.News  `json:"news,omitempty"`
	Tally  *load.Tally `json:"tally,omitempty"` // the last line, unless Error is
	Error  string      `json:"error,omitempty"`
}

const (
	// maxReport bounds a line: seven histograms of 160 KB, which compress well.
	maxReport = 4 << 20
	// maxWords bounds what is kept of a worker's standard error.
	maxWords = 4 << 10
	// killAfter is how long a worker process may take to end: draining and closing take five seconds at most.
	killAfter = 15 * time.Second
)

// Work is the whole life of a worker process.
func Work(ctx context.Context, in io.Reader, out io.Writer) error {
	orders := json.NewDecoder(in)
	var jobs []load.Job
	if err := orders.Decode(&jobs); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	var mu sync.Mutex
	lines := json.NewEncoder(out)
	say := func(r report) {
		mu.Lock()
		defer mu.Unlock()
		_ = lines.Encode(r) // nobody is left to tell that nobody reads
	}
	squad, err := newLocal(ctx, jobs, false)
	if err != nil {
		say(report{Error: err.Error()})
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// It ends with the input, at the latest with the process: nothing can be waited for there.
	go func() {
		defer stop()
		for {
			var o load.Order
			if orders.Decode(&o) != nil {
				return
			}
			squad.order(o)
		}
	}()
	tally, err := squad.work(ctx, func(worker int, n load.News) { say(report{Worker: worker, News: &n}) })
	if err != nil {
		say(report{Error: err.Error()})
		return nil
	}
	say(report{Tally: tally})
	return nil
}

// process is a squad in a process of its own.
type process struct {
	command []string
	jobs    []load.Job

	mu    sync.Mutex
	input *json.Encoder // nil before the start and after the end
	early []load.Order
}

func newProcess(command []string, jobs []load.Job) *process {
	return &process{command: command, jobs: jobs}
}

func (p *process) order(o load.Order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.input == nil {
		p.early = append(p.early, o)
		return
	}
	_ = p.input.Encode(o) // a worker that is gone is seen by its exit
}

func (p *process) work(ctx context.Context, tell func(int, load.News)) (*load.Tally, error) {
	// The end of its input stops the worker in order, and only a stuck one is killed.
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.WaitDelay = time.Second
	var words words
	cmd.Stderr = &words
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker process: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = input.Close() })()
	killer := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		timer := time.NewTimer(killAfter)
		defer timer.Stop()
		select {
		case <-timer.C:
			_ = cmd.Process.Kill()
		case <-killer:
		}
	})()
	p.begin(json.NewEncoder(input))
	tally, err := readReports(output, tell)
	if err != nil {
		_ = cmd.Process.Kill() // nobody reads the rest
	}
	p.mu.Lock()
	p.input = json.NewEncoder(io.Discard)
	p.mu.Unlock()
	_ = input.Close()
	exit := cmd.Wait()
	close(killer)
	switch {
	case err != nil:
		return nil, err
	case tally == nil:
		return nil, fmt.Errorf("a worker process ended early: %w", errors.Join(exit, words.err()))
	}
	return tally, nil
}

func (p *process) begin(input *json.Encoder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = input.Encode(p.jobs) // as in order
	for _, o := range p.early {
		_ = input.Encode(o)
	}
	p.input = input
}

// readReports reads until the worker has said all. A nil tally means that it did not.
func readReports(output io.Reader, tell func(int, load.News)) (*load.Tally, error) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, maxReport)
	for lines.Scan() {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("a worker process wrote %.100q", lines.Bytes())
		}
		switch {
		case r.Error != "":
			return nil, errors.New(r.Error)
		case r.Tally != nil:
			return r.Tally, nil
		case r.News != nil:
			tell(r.Worker, *r.News)
		}
	}
	return nil, nil
}

// words keeps the first words of a standard error.
type words struct{ buffer bytes.Buffer }

func (w *words) Write(p []byte) (int, error) {
	w.buffer.Write(p[:min(len(p), max(0, maxWords-w.buffer.Len()))])
	return len(p), nil
}

func (w *words) err() error {
	if w.buffer.Len() == 0 {
		return nil
	}
	return errors.New(w.buffer.String())
}
