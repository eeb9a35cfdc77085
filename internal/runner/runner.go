// Package runner keeps one command running beside the gateway: what `sallyport dev --run` starts.
//
// internal/app starts it when the listeners are up and ends it before they go. One path through it: Run starts the
// command in a process group of its own, copies its output line by line behind a prefix, waits, starts it again after a
// pause when it has died, and ends the whole group when its context does.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// firstPause and lastPause bound the wait before a restart: quick enough for a save-and-retry loop, slow enough that
	// a command that can't start does not fill the screen.
	firstPause = 500 * time.Millisecond
	lastPause  = 10 * time.Second
	// steadyAfter is how long a command must have run for its next death to count as the first again.
	steadyAfter = 10 * time.Second
	// graceTime is how long the command may take to end after it was asked to. With the drain of the edge before it, it must
	// fit into the five seconds that a stop may take (DESIGN §4).
	graceTime = 1500 * time.Millisecond
)

// Config says what to run.
type Config struct {
	// Command is given to the shell (sh -c, on Windows cmd /C); required.
	Command string
	// Env is the whole environment of the command.
	Env []string
	// Output takes the command's lines, each behind Prefix; required. It must take concurrent writes of whole lines.
	Output io.Writer
	Prefix string
	// Report is told what happened to the command, as a sentence; required.
	Report func(string)
}

// Runner is one supervised command.
type Runner struct{ config Config }

// New checks c.
func New(c Config) (*Runner, error) {
	if c.Command == "" || c.Output == nil || c.Report == nil {
		return nil, errors.New("runner: Command, Output and Report are required")
	}
	return &Runner{config: c}, nil
}

// Run keeps the command alive until ctx ends, and returns when the command's whole process group is gone.
func (r *Runner) Run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		started := time.Now()
		err := r.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) >= steadyAfter {
			pause = firstPause
		}
		r.config.Report(fmt.Sprintf("%q ended (%s); starting it again in %s", r.config.Command, outcome(err), pause))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

func outcome(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// once runs the command to its end, or ends it when ctx does.
func (r *Runner) once(ctx context.Context) error {
	cmd := shell(r.config.Command)
	cmd.Env = r.config.Env
	out := &lineWriter{out: r.config.Output, prefix: r.config.Prefix}
	defer out.flush()
	cmd.Stdout, cmd.Stderr = out, out
	// A grandchild that keeps the pipes open must not keep Wait from returning.
	cmd.WaitDelay = graceTime
	inOwnGroup(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	var wait sync.WaitGroup // the one goroutine that waits for the command
	wait.Go(func() { ended <- cmd.Wait() })
	defer wait.Wait()
	select {
	case err := <-ended:
		killGroup(cmd) // what it may have left behind
		return err
	case <-ctx.Done():
	}
	interruptGroup(cmd)
	select {
	case err := <-ended:
		killGroup(cmd)
		return err
	case <-time.After(graceTime):
		killGroup(cmd)
		return <-ended
	}
}
