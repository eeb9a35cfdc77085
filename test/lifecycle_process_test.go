package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/app"
)

// binary is the real command, built once for all tests that need a process of its own.
type binary struct {
	once sync.Once
	dir  string
	err  error
}

var sallyport binary

// path builds the command on its first call.
func (b *binary) path(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM that one process could send to another")
	}
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "sallyport-test-"); b.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", b.dir, "github.com/sallyport/sallyport/cmd/sallyport")
		if text, err := build.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w: %s", err, text)
		}
	})
	if b.err != nil {
		t.Fatalf("build the command: %v", b.err)
	}
	return filepath.Join(b.dir, "sallyport")
}

func (b *binary) remove() {
	if b.dir != "" {
		_ = os.RemoveAll(b.dir) // temporary: what is left does no harm
	}
}

// gatewayProcess is a gateway in a process of its own.
type gatewayProcess struct {
	app.Addresses
	t      *testing.T
	cmd    *exec.Cmd
	output *output
	ended  chan struct{} // closed when cmd.Wait has returned
}

// runProcess starts the command. It is killed at the end of the test if it still runs.
func runProcess(t *testing.T, args ...string) *gatewayProcess {
	t.Helper()
	return runProcessWith(t, nil, args...)
}

// runProcessWith is runProcess with more variables.
func runProcessWith(t *testing.T, env []string, args ...string) *gatewayProcess {
	t.Helper()
	p := &gatewayProcess{t: t, cmd: exec.Command(sallyport.path(t), args...), output: &output{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SALLYPORT_") && !strings.HasPrefix(variable, "OTEL_") {
			p.cmd.Env = append(p.cmd.Env, variable)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState says how it ended
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended in most tests
		<-p.ended
		if t.Failed() {
			t.Logf("the process printed:\n%s", p.output)
		}
	})
	return p
}

// startProcess starts the command on ports that the system chooses, and waits until it serves.
func startProcess(t *testing.T, verb string, args ...string) *gatewayProcess {
	t.Helper()
	return startProcessWith(t, nil, verb, args...)
}

// startProcessWith is startProcess with more variables.
func startProcessWith(t *testing.T, env []string, verb string, args ...string) *gatewayProcess {
	t.Helper()
	p := runProcessWith(t, env, append([]string{verb, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--node", "test"}, args...)...)
	p.output.await(t, "/readyz")
	p.Data = p.output.find(`://(127\.0\.0\.1:\d+)/[a-z]`)
	p.Admin = p.output.find(`admin +http://(\S+)`)
	p.NATS = p.output.find(`NATS +(nats://\S+)`)
	if p.Data == "" || p.Admin == "" || p.NATS == "" {
		t.Fatalf("the start lines do not say where the gateway is:\n%s", p.output)
	}
	return p
}

// terminate asks the process to end.
func (p *gatewayProcess) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process as a crash does, and waits until it is gone.
func (p *gatewayProcess) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	<-p.ended
}

// exit waits for the end and returns the exit code.
func (p *gatewayProcess) exit(most time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(most):
		p.t.Fatalf("the process still runs after %s", most)
	}
	return p.cmd.ProcessState.ExitCode()
}

// write puts a file into a directory of the test and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
