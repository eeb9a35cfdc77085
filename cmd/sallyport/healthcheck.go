package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport/sallyport/control"
)

type healthcheckCommand struct {
	Admin   string        `default:"http://127.0.0.1:8081" placeholder:"URL" help:"The gateway's admin listener (${default})."`
	Timeout time.Duration `default:"3s" help:"How long an answer may take (${default})."`
}

// Help shows an example.
func (healthcheckCommand) Help() string {
	return `Example:

    sallyport healthcheck && echo "takes traffic"

It asks /readyz and exits with 0 when the gateway takes traffic, with 1 when it does not or gives no
answer. It needs no access key, no shell and no curl, so an image without them can be checked by it.`
}

// Run asks once.
func (c healthcheckCommand) Run(ctx context.Context, std streams) error {
	client, err := control.NewClient(control.ClientConfig{Admin: c.Admin})
	if err != nil {
		return public(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	reasons, err := client.Ready(ctx)
	switch {
	case err != nil:
		return public(err)
	case len(reasons) > 0:
		fmt.Fprintln(std.err, "sallyport: not ready:", strings.Join(reasons, "; "))
		return errReported
	}
	_, err = fmt.Fprintln(std.out, "ready")
	return err
}
