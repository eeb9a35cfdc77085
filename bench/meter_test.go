package bench

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/bench/load"
)

// proc is a /proc with processes 10 ← 11 ← 12, and 20 beside them.
func proc() fstest.MapFS {
	files := fstest.MapFS{
		"net/sockstat": {Data: []byte("sockets: used 15\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 7\nUDP: inuse 0 mem 3\n")},
		"self":         {Data: []byte("x")},
		"13/stat":      {Data: []byte("cut off")},
	}
	for pid, parent := range map[int]int{10: 1, 11: 10, 12: 11, 20: 1} {
		files[fmt.Sprintf("%d/stat", pid)] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d (a ) b) S %d 1 1 0 -1 4194304 98 0 0 0 %d %d 0 0 20 0 1 0 2230706", pid, parent, pid, 2*pid)}
		files[fmt.Sprintf("%d/status", pid)] = &fstest.MapFile{Data: fmt.Appendf(nil, "Name:\tx\nVmRSS:\t    %d kB\nThreads:\t1\n", pid)}
	}
	return files
}

func TestMeter(t *testing.T) {
	const tick = 10 * time.Millisecond
	for _, test := range []struct {
		name          string
		roots, except []int
		want          Usage
	}{
		{"with descendants", []int{10}, nil, Usage{33 * tick, 66 * tick, 33 << 10}},
		{"several", []int{20, 11, 12}, nil, Usage{43 * tick, 86 * tick, 43 << 10}},
		{"without some", []int{10}, []int{11}, Usage{10 * tick, 20 * tick, 10 << 10}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &meter{proc: proc(), roots: test.roots, except: test.except}
			got, err := m.read()
			if d := cmp.Diff(test.want, got); d != "" || err != nil {
				t.Errorf("%v\n%s", err, d)
			}
		})
	}
	if _, err := (&meter{proc: proc(), roots: []int{99}}).read(); err == nil {
		t.Error("a process that is gone was measured")
	}
	if got := kernelTCP(proc()); got != 7*int64(os.Getpagesize()) {
		t.Errorf("TCP memory is %d", got)
	}
}

// On loopback, more addresses are used when one has too few ports.
func TestSources(t *testing.T) {
	loopback, far, chosen := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("127.1.1.1")
	for _, test := range []struct {
		name        string
		connections int
		urls        int
		target      netip.Addr
		chosen      []netip.Addr
		want        int
	}{
		{"few", 1000, 1, loopback, nil, 0},
		{"many", 50_000, 1, loopback, nil, 3},
		{"many to many", 50_000, 3, loopback, nil, 0},
		{"elsewhere", 50_000, 1, far, nil, 0},
		{"chosen", 50_000, 1, loopback, []netip.Addr{chosen}, 1},
	} {
		c := Config{Job: load.Job{Connections: test.connections, URLs: make([]string, test.urls), Sources: test.chosen}}
		got := c.sources(test.target)
		if len(got) != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
		for _, a := range got {
			if !a.IsLoopback() {
				t.Errorf("%s: %s", test.name, a)
			}
		}
	}
}

// A million connections are checked before the first is made.
func TestDescriptorsAreChecked(t *testing.T) {
	limit := descriptorLimit()
	if limit == 0 {
		t.Skip("the limit is not known here")
	}
	for _, test := range []struct {
		scenario    load.Scenario
		connections int
		processes   int
		fits        bool
	}{
		{load.Idle, limit - spareDescriptors, 1, true},
		{load.Idle, limit, 1, false},
		{load.Idle, limit, 2, true},
		{load.Connect, limit - spareDescriptors, 1, false},
	} {
		c := Config{Job: load.Job{Scenario: test.scenario, Connections: test.connections}, Processes: test.processes}
		if err := c.checkDescriptors(); (err == nil) != test.fits {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
