package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport/sallyport/control"
)

type drainCommand struct {
	adminFlags
}

// Help shows an example.
func (drainCommand) Help() string {
	return `Example:

    sallyport drain --admin http://127.0.0.1:8081

The process does what SIGTERM makes it do: it is not ready from that moment on, takes no more clients,
closes those it has evenly over its --drain-timeout, each when its messages are answered, runs
$disconnect and ends with 0. The command shows how far it is and ends when the edge is empty; Ctrl-C
ends the command, not the drain. The call is signed like access-keys.`
}

// Run drains the process at --admin.
func (c drainCommand) Run(ctx context.Context, std streams) error {
	err := c.with(func(client *control.Client) error {
		return client.Drain(ctx, func(s control.DrainStatus) bool {
			fmt.Fprintln(std.out, drainLine(s))
			return true
		})
	})
	if ctx.Err() != nil {
		return errors.New("the drain goes on without being watched")
	}
	return err
}

// drainLine is one status for people.
func drainLine(s control.DrainStatus) string {
	if s.Drained {
		return fmt.Sprintf("%s: drained", s.Node)
	}
	return fmt.Sprintf("%s: %d of %d clients open, %d closing, %d connecting, %d $disconnect events under way",
		s.Node, s.Open, s.Clients, s.Closing, s.Connecting, s.Disconnects)
}
