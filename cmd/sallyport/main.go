// Command sallyport is the gateway and the tool that talks to it: one file per verb.
//
// The verbs only turn flags into the configuration of internal/app or into a call of control.Client; what they do is
// done there. One path through it: main reads the arguments with kong, gives the verb a context that ends with SIGTERM
// or Ctrl-C, and turns the verb's error into an exit code: 0 fine, 1 failed, 2 bad usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sallyport/sallyport/internal/app"
)

// The exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

type commands struct {
	Dev         devCommand         `cmd:"" help:"Run everything in one process for development: embedded NATS, reload on save, a line per event."`
	Serve       serveCommand       `cmd:"" help:"Run the gateway."`
	Validate    validateCommand    `cmd:"" help:"Report every fault of every definition file."`
	Apply       applyCommand       `cmd:"" help:"Deploy API definitions to a running gateway."`
	APIs        apisCommand        `cmd:"" name:"apis" help:"List and remove what is live."`
	Connections connectionsCommand `cmd:"" help:"List, inspect, push to and close client connections."`
	AccessKeys  accessKeysCommand  `cmd:"" name:"access-keys" help:"Make, list and remove the keys that calls are signed with."`
	Drain       drainCommand       `cmd:"" help:"Make a gateway take no more clients, close those it has evenly, and end."`
	DeadLetters deadLettersCommand `cmd:"" name:"dead-letters" help:"List, inspect, replay and remove messages that atLeastOnce routes gave up."`
	Tail        tailCommand        `cmd:"" help:"Follow live events."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask whether the gateway takes traffic: exit code 0 if so."`
	Template    templateCommand    `cmd:"" help:"Try mapping templates."`
	Bench       benchCommand       `cmd:"" help:"Measure a WebSocket or HTTP server: this gateway or any other."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	Config kong.ConfigFlag `placeholder:"FILE" help:"YAML or JSON file with the flags' names as keys."`
}

// streams are where a verb reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once, for those who do not want to wait for the drain.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run is the whole program without the process.
func run(ctx context.Context, args []string, std streams) int {
	var cli commands
	exited := -1 // what --help asked for
	parser, err := kong.New(&cli,
		kong.Name("sallyport"),
		kong.Description("Amazon API Gateway's job as one binary on NATS: keep your backends and SDK calls, change the URL.\n\nStart with: sallyport dev examples/chat/*.yaml --run \"go run ./examples/chat/backend\""),
		kong.DefaultEnvars("SALLYPORT"),
		kong.Configuration(loadConfig),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "sallyport:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	verb, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(std.err, "sallyport: %v\nTry: sallyport --help\n", err)
		return exitUsage
	}
	switch err := verb.Run(); {
	case err == nil:
		return exitFine
	case errors.Is(err, app.ErrUsage):
		fmt.Fprintln(std.err, "sallyport:", err)
		return exitUsage
	case errors.Is(err, errReported):
		return exitFailed
	default:
		fmt.Fprintln(std.err, "sallyport:", err)
		return exitFailed
	}
}

// errReported says that the verb has already told what went wrong.
var errReported = errors.New("reported")
