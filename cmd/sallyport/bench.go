package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sallyport/sallyport/bench"
	"github.com/sallyport/sallyport/bench/load"
	"github.com/sallyport/sallyport/internal/app"
)

type benchCommand struct {
	Connect benchConnect `cmd:"" help:"Open connections: how many a second does the server take?"`
	Idle    benchIdle    `cmd:"" help:"Hold connections: what does one cost the server?"`
	Echo    benchEcho    `cmd:"" help:"Send messages that are answered, and time the answers."`
	Push    benchPush    `cmd:"" help:"Push messages to clients by HTTP or NATS, and time their arrival."`
	Fanout  benchFanout  `cmd:"" help:"Send one message to all clients, and time the last arrival."`
	HTTP    benchHTTP    `cmd:"" name:"http" help:"Send HTTP requests to any server."`
	Serve   benchServe   `cmd:"" help:"Run the least that a server can do, to compare with."`
	Worker  benchWorker  `cmd:"" hidden:"" help:"Be one of the processes of a run."`
}

// Help shows examples.
func (benchCommand) Help() string {
	return `Examples:

    sallyport bench echo ws://127.0.0.1:8080/bench/dev --connections 1000 --rate 20000
    sallyport bench idle ws://127.0.0.1:8080/bench/dev --from 1000 --connections 19000 --pid 4711

docs/performance.md says how to measure, and what the figures mean.`
}

// benchFlags are those of every scenario.
type benchFlags struct {
	URLs        []string      `arg:"" name:"url" help:"Where to connect; several URLs take connections in turn."`
	Connections int           `default:"100" placeholder:"N" help:"Connections of all processes together (${default})."`
	ConnectRate float64       `placeholder:"N" help:"Connect at most so many a second; 0 is as fast as the server accepts."`
	Handshakes  int           `default:"128" placeholder:"N" help:"Handshakes under way at once in each event loop (${default})."`
	Duration    time.Duration `default:"10s" help:"How long to measure (${default})."`
	Warmup      time.Duration `default:"1s" help:"How long to run before it is measured (${default})."`
	Processes   int           `default:"1" placeholder:"N" help:"Processes that share the work; a process has one descriptor for each connection (${default})."`
	Loops       int           `default:"1" placeholder:"N" help:"Event loops in each process; one uses at most one core (${default})."`
	Source      []string      `placeholder:"ADDRESS" help:"Connect from these addresses in turn: a list, or a range such as 127.0.0.2-127.0.0.9; on loopback, more are used by themselves when one has too few ports."`
	Header      []string      `sep:"none" placeholder:"LINE" help:"Add this header, 'Name: value'; may be repeated."`
	Insecure    bool          `help:"Take any certificate of the server."`
	PID         []int         `name:"pid" placeholder:"PID" help:"Report CPU and memory of these processes and their children (Linux)."`
	Start       string        `placeholder:"COMMAND" help:"Start the server with this command, measure it as with --pid, and stop it."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`
}

// config starts a configuration with what all scenarios have in common.
func (f *benchFlags) config(scenario load.Scenario, std streams) (bench.Config, error) {
	sources, err := addresses(f.Source)
	if err != nil {
		return bench.Config{}, app.Usagef("--source: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return bench.Config{}, err
	}
	return bench.Config{
		Job: load.Job{
			Scenario: scenario, URLs: f.URLs, Header: f.Header, Insecure: f.Insecure, Connections: f.Connections, ConnectRate: f.ConnectRate, Handshakes: f.Handshakes,
			Sources: sources, Warmup: f.Warmup, Duration: f.Duration,
		},
		Processes: f.Processes, Loops: f.Loops, PIDs: f.PID, Start: f.Start, ServerOutput: std.err,
		Worker: []string{program, "bench", "worker"},
	}, nil
}

// run runs and prints.
func (f *benchFlags) run(ctx context.Context, std streams, config bench.Config) error {
	bar := newBar(std)
	config.Progress = bar.show
	report, err := bench.Run(ctx, config)
	bar.clear()
	var wrong *bench.ConfigError
	if errors.As(err, &wrong) {
		return app.Usagef("%w", err)
	}
	if err != nil {
		return err
	}
	if f.JSON {
		out := json.NewEncoder(std.out)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return report.WriteTable(std.out)
}

type benchWorker struct{}

// Run works for the process that started it.
func (benchWorker) Run(ctx context.Context, std streams) error {
	return bench.Work(ctx, std.in, std.out)
}

// maxAddresses bounds a range of source addresses.
const maxAddresses = 1 << 16

// addresses reads a list of addresses and ranges.
func addresses(list []string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range list {
		first, last, ranged := strings.Cut(text, "-")
		from, err := netip.ParseAddr(first)
		if err != nil {
			return nil, fmt.Errorf("%q is no address", first)
		}
		to := from
		if ranged {
			if to, err = netip.ParseAddr(last); err != nil || to.Less(from) {
				return nil, fmt.Errorf("%q is no range: write 127.0.0.2-127.0.0.9", text)
			}
		}
		for a := from; !to.Less(a); a = a.Next() {
			if len(all) == maxAddresses {
				return nil, errors.New("more than 65,536 addresses")
			}
			all = append(all, a)
		}
	}
	return all, nil
}

// bar draws progress on standard error when that is a terminal.
type bar struct {
	out   *os.File // nil: not a terminal
	drawn bool
}

const (
	barWidth  = 24
	clearLine = "\r\x1b[K"
)

func newBar(std streams) *bar {
	if f, ok := std.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &bar{out: f}
	}
	return &bar{}
}

func (b *bar) show(p bench.Progress) {
	if b.out == nil {
		return
	}
	done := int(min(max(p.Done, 0), 1) * barWidth)
	line := fmt.Sprintf("%s%-11s [%s%s] %d of %d connections", clearLine, p.Doing, strings.Repeat("█", done), strings.Repeat("·", barWidth-done), p.Now.Opened, p.Wanted)
	if p.Rate > 0 {
		line += fmt.Sprintf(", %.0f a second", p.Rate)
	}
	fmt.Fprint(b.out, line)
	b.drawn = true
}

func (b *bar) clear() {
	if b.drawn {
		fmt.Fprint(b.out, clearLine)
	}
}
