package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"time"
)

const (
	// startTimeout is how long a server may take to accept connections, `go run` and its compiler included.
	startTimeout = 2 * time.Minute
	// startPoll is how often that is tried, and how exact the time of the start is.
	startPoll = 2 * time.Millisecond
	// stopTimeout is how long a server may take to end after SIGTERM.
	stopTimeout = 15 * time.Second
)

// server is the one that a run started.
type server struct {
	cmd   *exec.Cmd
	took  time.Duration // from the command to the first connection that it accepted
	ended chan struct{}
	err   error // once ended
}

// startServer runs a shell command and waits until something accepts connections at address.
func startServer(ctx context.Context, config *Config, address netip.AddrPort) (*server, error) {
	if nc, err := net.DialTimeout("tcp", address.String(), time.Second); err == nil {
		_ = nc.Close()
		return nil, fmt.Errorf("--start: something listens at %s already, and would be measured instead", address)
	}
	cmd := exec.Command("sh", "-c", config.Start)
	cmd.Stdout, cmd.Stderr = config.ServerOutput, config.ServerOutput
	cmd.WaitDelay = time.Second
	inOwnGroup(cmd)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("--start %q: %w", config.Start, err)
	}
	s := &server{cmd: cmd, ended: make(chan struct{})}
	go func() { // ends with the process, which stop waits for
		s.err = cmd.Wait()
		close(s.ended)
	}()
	if err := s.await(ctx, address); err != nil {
		return nil, errors.Join(fmt.Errorf("--start %q: %w", config.Start, err), s.stop())
	}
	s.took = time.Since(began)
	return s, nil
}

func (s *server) await(ctx context.Context, address netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(startPoll)
	defer ticker.Stop()
	for {
		var d net.Dialer
		if nc, err := d.DialContext(ctx, "tcp", address.String()); err == nil {
			return nc.Close()
		}
		select {
		case <-ticker.C:
		case <-s.ended:
			return fmt.Errorf("it ended (%v) before it listened at %s", s.cmd.ProcessState, address)
		case <-ctx.Done():
			return fmt.Errorf("nothing listened at %s within %s", address, startTimeout)
		}
	}
}

// stop ends the server and what it started.
func (s *server) stop() error {
	signalGroup(s.cmd.Process.Pid, os.Interrupt)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
		signalGroup(s.cmd.Process.Pid, os.Kill)
		<-s.ended
		return fmt.Errorf("the server did not end within %s and was killed", stopTimeout)
	}
	signalGroup(s.cmd.Process.Pid, os.Kill) // what it may have left behind
	return nil
}
