package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable prints the report for people.
func (r *Report) WriteTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row(string(r.Scenario), "%s", strings.Join(r.URLs, " "))
	if r.StartSeconds > 0 {
		row("start", "%s to the first accepted connection", micros(r.StartSeconds*1e6))
	}
	c := &r.Connections
	row("connections", "%d opened, %d failed, %d lost", c.Opened, c.Failed, c.Lost)
	if c.OpenSeconds > 0 {
		row("", "in %.2f s, %.0f a second", c.OpenSeconds, c.PerSecond)
	}
	for _, causes := range []map[string]int64{c.Failures, c.Losses} {
		for _, cause := range slices.Sorted(maps.Keys(causes)) {
			row("", "%d × %s", causes[cause], cause)
		}
	}
	if c.Pings > 0 || c.Checked > 0 {
		row("pings", "%d from the server; %d of %d answered ours", c.Pings, c.Alive, c.Checked)
	}
	if m := &r.Messages; m.Sent > 0 || m.Received > 0 {
		row("messages", "%d sent, %d received in %.2f s", m.Sent, m.Received, m.Seconds)
		row("rate", "%.0f a second", m.PerSecond)
		for _, status := range slices.Sorted(maps.Keys(m.Statuses)) {
			row("status "+status, "%d", m.Statuses[status])
		}
		if m.Unanswered+m.Unsent+m.Unexpected > 0 {
			row("", "%d unanswered, %d unsent, %d unexpected", m.Unanswered, m.Unsent, m.Unexpected)
		}
	}
	r.writeLatencies(row)
	r.writeUse(row)
	for _, warning := range r.Warnings {
		row("note", "%s", warning)
	}
	return table.Flush()
}

func (r *Report) writeLatencies(row func(name, format string, args ...any)) {
	for _, l := range []struct {
		name    string
		figures *Latency
	}{
		{"latency, from schedule", corrected(r.Latency, r.Corrected)}, {"latency", corrected(r.Latency, !r.Corrected)},
		{"latency, from send", r.Service}, {"handshake", r.Handshake}, {"call", r.Call}, {"last of a round", r.Last},
	} {
		if f := l.figures; f != nil {
			row(l.name, "p50 %s  p90 %s  p99 %s  p99.9 %s  max %s", micros(f.P50), micros(f.P90), micros(f.P99), micros(f.P999), micros(f.Max))
		}
	}
}

func corrected(l *Latency, show bool) *Latency {
	if show {
		return l
	}
	return nil
}

func (r *Report) writeUse(row func(name, format string, args ...any)) {
	for _, u := range []struct {
		name string
		use  *CPU
	}{{"server", r.Server}, {"generator", r.Generator}} {
		if u.use == nil {
			continue
		}
		row(u.name, "%.2f cores (user %.2f s, system %.2f s), %.1f MB resident", u.use.Cores, u.use.UserSeconds, u.use.SystemSeconds, float64(u.use.RSSBytes)/1e6)
		if u.use.MicrosPerMessage > 0 {
			row("", "%.2f µs a message", u.use.MicrosPerMessage)
		}
	}
	for _, m := range r.Memory {
		row(fmt.Sprintf("memory at %d", m.Connections), "%.1f MB resident, %.1f MB in TCP sockets of both ends", m.RSSBytes/1e6, m.TCPBytes/1e6)
	}
	if s := r.Slope; s != nil {
		row("memory a connection", "%.0f B resident, %.0f B in TCP sockets of both ends", s.RSSBytes, s.TCPBytes)
	}
}

// micros shows a duration with three figures.
func micros(v float64) string {
	switch {
	case v < 1000:
		return fmt.Sprintf("%.0f µs", v)
	case v < 1e6:
		return fmt.Sprintf("%.3g ms", v/1e3)
	default:
		return fmt.Sprintf("%.3g s", v/1e6)
	}
}
