package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sallyport/sallyport/bench"
)

// The key that calls are signed with. It is the root key of a server that lives for one run, on loopback.
const (
	keyID  = "benchbenchbenchbench"
	secret = "benchbenchbenchbenchbenchbenchbenchbench"
)

const (
	// stopDelay is how long a run may take to end after it was asked to.
	stopDelay = 30 * time.Second
	// maxComplaint is how much of a failed run's words is shown.
	maxComplaint = 2000
)

// measure lets the servers of s take turns.
func (w *world) measure(ctx context.Context, s *series, rounds int) error {
	for _, server := range s.servers {
		if server.missing != "" {
			fmt.Fprintf(os.Stderr, "%s: %s is left out: %s\n", s.name, server.name, server.missing)
		}
	}
	for round := range rounds {
		for _, server := range s.servers {
			if server.missing != "" {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s: %s, %d of %d\n", s.name, server.name, round+1, rounds)
			report, err := w.runOnce(ctx, server)
			if err != nil {
				return fmt.Errorf("%s: %w", server.name, err)
			}
			for _, warning := range report.Warnings {
				fmt.Fprintf(os.Stderr, "  %s\n", warning)
			}
			server.reports = append(server.reports, report)
		}
	}
	return nil
}

func (w *world) runOnce(ctx context.Context, s *server) (*bench.Report, error) {
	// Each run finds the state of none before it.
	defer os.RemoveAll(filepath.Join(w.data, "state"))
	args := append([]string{"bench"}, s.args...)
	cmd := exec.CommandContext(ctx, w.program(), append(args, "--json", "--start", s.start)...)
	cmd.Env = append(os.Environ(), "SALLYPORT_ROOT_ACCESS_KEY_ID="+keyID, "SALLYPORT_ROOT_SECRET_ACCESS_KEY="+secret, "AWS_ACCESS_KEY_ID="+keyID, "AWS_SECRET_ACCESS_KEY="+secret)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopDelay
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %.*s", err, maxComplaint, strings.TrimSpace(words.String()))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	report := &bench.Report{}
	return report, json.Unmarshal(out.Bytes(), report)
}

// write prints one table for all series.
func write(out io.Writer, all []*series) error {
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| series\t| figure\t| server\t| median\t| lowest – highest\t| first ÷ this\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, s := range all {
		for _, f := range s.figures {
			for i, server := range s.servers {
				values := f.values(server)
				if len(values) == 0 {
					continue
				}
				ratio := "1"
				if i > 0 {
					ratio = ratios(f.values(s.servers[0]), values)
				}
				fmt.Fprintf(table, "| %s\t| %s\t| %s\t| %s %s\t| %s – %s\t| %s\t|\n", s.name, f.name, server.name,
					number(median(values)), f.unit, number(slices.Min(values)), number(slices.Max(values)), ratio)
			}
		}
	}
	return table.Flush()
}

func (f figure) values(s *server) []float64 {
	var list []float64
	for _, r := range s.reports {
		list = append(list, f.of(r))
	}
	return list
}

// ratios is the median of what each turn's ratio was.
func ratios(first, this []float64) string {
	var list []float64
	for i := range min(len(first), len(this)) {
		if this[i] != 0 {
			list = append(list, first[i]/this[i])
		}
	}
	if len(list) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", median(list))
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// number shows three figures, or whole numbers with a comma at each thousand.
func number(v float64) string {
	if v < 100 && v > -100 {
		return fmt.Sprintf("%.3g", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
