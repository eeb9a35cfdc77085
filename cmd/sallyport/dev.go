package main

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/app"
)

type devCommand struct {
	nodeFlags
	Files        []string      `arg:"" name:"file" help:"API definitions, one API each."`
	Listen       string        `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"Clients connect here (${default})."`
	Command      string        `name:"run" placeholder:"COMMAND" help:"Start this command beside the gateway, with NATS_URL and SALLYPORT_CALLBACK_URL in its environment; start it again when it dies."`
	DrainTimeout time.Duration `default:"0s" help:"How long a stop may spread the closing of clients (${default})."`
}

// Help shows an example.
func (devCommand) Help() string {
	return `Example:

    sallyport dev examples/chat/*.yaml --run "go run ./examples/chat/backend"

Everybody who reaches it may call the callbacks, so it binds loopback only. A definition is
compiled again when its file is saved; one with faults leaves the running one in place.`
}

// Run runs until ctx ends.
func (c devCommand) Run(ctx context.Context, std streams) error {
	files, err := expand(c.Files)
	if err != nil {
		return err
	}
	config := c.config(app.ModeDev, std)
	config.Files, config.Listen, config.Run, config.DrainTimeout = files, c.Listen, c.Command, c.DrainTimeout
	return runNode(ctx, config)
}
