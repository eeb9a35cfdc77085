// Command table measures a gateway beside floors and peers and prints a table: what `task bench` runs.
//
// Each series has several servers that do the same work. They take turns, each time in a fresh process, so that what
// else the machine does meets all alike; the table has medians with the lowest and the highest, and the median of each
// turn's ratios. Servers whose program is missing are left out, and named.
//
// One path through it: main finds the programs, series lists what is measured, measure runs `sallyport bench … --json`
// for each server in turn and keeps the figures, and write makes Markdown of them for docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	bin := flag.String("bin", ".sallyport/bench", "`folder` with the programs sallyport and nats")
	node := flag.String("node", "bench/peers/node", "`folder` with the Node servers")
	rounds := flag.Int("rounds", 5, "how often each server takes its turn")
	only := flag.String("only", "", "measure the series whose names match this `expression` alone")
	seconds := flag.Int("seconds", 10, "`seconds` of measuring in each run")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	if *rounds < 1 || *seconds < 1 {
		return fmt.Errorf("--rounds %d --seconds %d: at least 1", *rounds, *seconds)
	}
	data, err := os.MkdirTemp("", "sallyport-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	w := world{bin: *bin, node: *node, data: data, seconds: *seconds}
	var all []*series
	for _, s := range w.series() {
		if !wanted.MatchString(s.name) {
			continue
		}
		if err := w.measure(ctx, s, *rounds); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		all = append(all, s)
	}
	if err := write(os.Stdout, all); err != nil {
		return err
	}
	w.writeVersions(os.Stdout)
	return nil
}
