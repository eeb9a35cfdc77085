package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBenchWords(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		code int
		err  string
	}{
		{"nobody there", []string{"echo", "ws://127.0.0.1:1/x"}, exitFailed, "nothing listens at ws://127.0.0.1:1/x"},
		{"no URL", []string{"echo"}, exitUsage, "<url>"},
		{"bad source", []string{"echo", "ws://127.0.0.1:1/", "--source", "127.0.0.9-127.0.0.2"}, exitUsage, "--source"},
		{"bad rate", []string{"echo", "ws://127.0.0.1:1/", "--rate", "-1"}, exitUsage, "--rate"},
		{"too many", []string{"idle", "ws://127.0.0.1:1/", "--connections", "9000000"}, exitUsage, "--processes"},
		{"deaf without a rate", []string{"push", "ws://127.0.0.1:1/", "--deaf", "10"}, exitUsage, "--deaf needs --rate"},
		{"both ways to a server", []string{"http", "http://127.0.0.1:1/", "--pid", "1", "--start", "x"}, exitUsage, "--start and --pid"},
		{"no address", []string{"serve", "--listen", "8080"}, exitUsage, "--listen 8080"},
		{"unknown engine", []string{"serve", "--engine", "kqueue"}, exitUsage, "--engine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, err := call(t, "", append([]string{"bench"}, test.args...)...)
			if code != test.code || !strings.Contains(err, test.err) || out != "" {
				t.Errorf("exit %d, want %d with %q\nstdout: %s\nstderr: %s", code, test.code, test.err, out, err)
			}
		})
	}
}

// The floor and the generator, from flags to the report.
func TestBenchHTTP(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listening := &firstLine{got: make(chan string, 1)}
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"bench", "serve", "--engine", "http", "--listen", "127.0.0.1:0"}, streams{strings.NewReader(""), &bytes.Buffer{}, listening})
	}()
	address := strings.TrimSpace(strings.TrimPrefix(<-listening.got, "listening on "))
	args := []string{"bench", "http", "http://" + address + "/x", "--connections", "3", "--rate", "200", "--warmup", "0s", "--duration", "200ms", "--method", "POST", "--body", "x"}
	if code, out, err := call(t, "", args...); code != exitFine || !strings.Contains(out, "40 sent") || !strings.Contains(out, "latency, from schedule") {
		t.Errorf("exit %d\n%s%s", code, out, err)
	}
	code, out, err := call(t, "", append(args, "--json")...)
	var report struct{ Messages struct{ Sent int } }
	if json.Unmarshal([]byte(out), &report) != nil || code != exitFine || report.Messages.Sent != 40 {
		t.Errorf("exit %d\n%s%s", code, out, err)
	}
	stop()
	if code := <-ended; code != exitFine {
		t.Errorf("serve ended with exit code %d", code)
	}
}

func TestAddresses(t *testing.T) {
	got, err := addresses([]string{"127.0.0.254-127.0.1.1", "10.0.0.1"})
	var want []netip.Addr
	for _, a := range []string{"127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1", "10.0.0.1"} {
		want = append(want, netip.MustParseAddr(a))
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, text := range []string{"", "x", "127.0.0.1-", "127.0.0.2-127.0.0.1", "127.0.0.0-127.2.0.0"} {
		if _, err := addresses([]string{text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// The definition that is measured is a sound one.
func TestBenchDefinition(t *testing.T) {
	if code, _, err := call(t, "", "validate", "../../bench/testdata/bench.yaml"); code != exitFine || !strings.Contains(err, "no fault") {
		t.Errorf("exit %d: %s", code, err)
	}
}
