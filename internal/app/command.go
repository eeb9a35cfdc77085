package app

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/runner"
	"github.com/sallyport/sallyport/router"
)

// command is what --run starts. Its place in the stop order is before the edge's start, so that it outlives the edge
// and still hears the $disconnect of every client; it is launched when everything else is up.
type command struct {
	process *process
	ctx     context.Context
	running sync.WaitGroup
}

func (p *process) startCommand(ctx context.Context, _ context.CancelCauseFunc) error {
	// The command must survive the end of ctx until its turn to stop has come.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.command = &command{process: p, ctx: ctx}
	p.life.onStop("command", func(context.Context) error {
		cancel()
		p.command.running.Wait()
		return nil
	})
	return nil
}

// launch starts the command, if there is one, with env added to our own environment.
func (c *command) launch(env []string) error {
	config := c.process.config
	if config.Run == "" {
		return nil
	}
	console := c.process.console
	r, err := runner.New(runner.Config{
		Command: config.Run, Env: append(config.Environ(), env...), Output: console, Prefix: console.in(dim, "run │ "),
		Report: func(s string) { console.Println(console.in(yellow, s)) },
	})
	if err != nil {
		return err
	}
	c.running.Go(func() { r.Run(c.ctx) })
	return nil
}

// commandEnv tells the command where everything is: the variables that README lists.
func (p *process) commandEnv() []string {
	env := []string{
		"NATS_URL=" + p.addresses.NATS,
		"SALLYPORT_PREFIX=" + p.config.Prefix,
		"SALLYPORT_ADMIN_URL=http://" + p.addresses.Admin,
	}
	first := true
	for _, program := range p.programs() {
		if program.Protocol() != gateway.ProtocolWebSocket || p.addresses.Data == "" {
			continue
		}
		callback := clientURL("http", p.callbackAddress(), program.API(), program.Stage())
		if first {
			env = append(env, "SALLYPORT_CALLBACK_URL="+callback)
			first = false
		}
		env = append(env, "SALLYPORT_CALLBACK_URL_"+variableName(program)+"="+callback)
	}
	return env
}

// callbackAddress is the listener at which a command beside us makes its callbacks. It need not trust our certificate: with
// TLS it is the admin listener, which is plain HTTP on the same machine.
func (p *process) callbackAddress() string {
	if p.config.TLS.set() {
		return p.addresses.Admin
	}
	return p.addresses.Data
}

// variableName is API and stage in the letters that a variable's name may have.
func variableName(p *router.Program) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, string(p.API())+"_"+strings.TrimPrefix(string(p.Stage()), "$"))
}

// programs are the live programs in the order of API and stage.
func (p *process) programs() []*router.Program {
	programs := slices.Clone(p.live.Load().Programs())
	slices.SortFunc(programs, func(a, b *router.Program) int {
		if c := strings.Compare(string(a.API()), string(b.API())); c != 0 {
			return c
		}
		return strings.Compare(string(a.Stage()), string(b.Stage()))
	})
	return programs
}
