package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/bench"
)

func TestTable(t *testing.T) {
	report := func(v float64) *bench.Report { return &bench.Report{Messages: bench.Messages{PerSecond: v}} }
	s := &series{
		name: "echo",
		servers: []*server{
			{name: "a", reports: []*bench.Report{report(50_000), report(90_000), report(70_000)}},
			{name: "b", reports: []*bench.Report{report(100_000), report(90_000), report(35_000)}},
			{name: "absent", missing: "b"},
			{name: "silent", reports: []*bench.Report{report(0)}},
		},
		figures: []figure{{"messages", "/s", func(r *bench.Report) float64 { return r.Messages.PerSecond }}},
	}
	var out bytes.Buffer
	if err := write(&out, []*series{s}); err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for line := range strings.Lines(out.String()) {
		var cells []string
		for _, cell := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		got = append(got, cells[2:])
	}
	want := [][]string{
		{"server", "median", "lowest – highest", "first ÷ this"},
		{"---", "---", "---", "---"},
		{"a", "70,000 /s", "50,000 – 90,000", "1"},
		{"b", "90,000 /s", "35,000 – 100,000", "1.00"},
		{"silent", "0 /s", "0 – 0", "–"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1.234: "1.23", 99.94: "99.9", 100: "100", 9999: "9,999", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := number(v); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median %v", got)
	}
}

// Every series has Sallyport first, something to count, and says which programs it lacks.
func TestSeries(t *testing.T) {
	w := world{bin: t.TempDir(), node: t.TempDir(), data: t.TempDir(), seconds: 1}
	for _, s := range w.series() {
		if len(s.figures) == 0 || s.servers[0].name != "sallyport" {
			t.Errorf("%s: %+v", s.name, s)
		}
		for _, server := range s.servers {
			if server.missing == "" && server.name != "nchan" { // it may be installed
				t.Errorf("%s: the program of %s is not missing", s.name, server.name)
			}
			for _, f := range s.figures {
				if v := f.of(&bench.Report{}); v != 0 {
					t.Errorf("%s: an empty report has %s %v", s.name, f.name, v)
				}
			}
		}
	}
	if err := os.WriteFile(filepath.Join(w.bin, "sallyport"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := w.series()[0].servers[0]; s.missing != "" {
		t.Errorf("still missing: %s", s.missing)
	}
}
