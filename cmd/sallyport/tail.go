package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/schemas/event"
)

type tailCommand struct {
	reachFlags
	API   string `placeholder:"ID" help:"Of this API only."`
	Route string `placeholder:"KEY" help:"Of this route only."`
	JSON  bool   `help:"Print each event as a JSON object on a line of its own."`
}

// Help shows an example.
func (tailCommand) Help() string {
	return `Example:

    sallyport tail --api chat --route send

Shows what became of each event: API, route, connection, status, latency. It reads copies, so it takes
no event from a backend. Bodies and headers are not among them.`
}

// Run follows events until ctx ends.
func (c tailCommand) Run(ctx context.Context, std streams) error {
	console := app.NewConsole(std.out, os.Getenv)
	fmt.Fprintln(std.err, "waiting for events; Ctrl-C ends it")
	err := c.with(ctx, func(r *app.Reach) error {
		return r.Tail(ctx, gateway.APIID(c.API), gateway.RouteKey(c.Route), func(line json.RawMessage) bool {
			if c.JSON {
				console.Println(string(line))
				return true
			}
			var record event.Record
			if json.Unmarshal(line, &record) != nil {
				return true // from a gateway of another version
			}
			console.Event(record)
			return true
		})
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
