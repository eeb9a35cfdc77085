package control

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// drainOf is a process that tells these.
func drainOf(statuses ...DrainStatus) func(context.Context, func(DrainStatus) bool) error {
	return func(_ context.Context, yield func(DrainStatus) bool) error {
		for _, s := range statuses {
			if !yield(s) {
				break
			}
		}
		return nil
	}
}

func TestDrain(t *testing.T) {
	want := []DrainStatus{{Node: "n", Clients: 2, Open: 2}, {Node: "n", Clients: 2, Closing: 1, Disconnects: 1}, {Node: "n", Clients: 2, Drained: true}}
	client := start(t, Config{Access: AccessOpen, Drain: drainOf(want...)}).client(t)
	var got []DrainStatus
	if err := client.Drain(t.Context(), func(s DrainStatus) bool { got = append(got, s); return true }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	seen := 0
	if err := client.Drain(t.Context(), func(DrainStatus) bool { seen++; return false }); err != nil || seen != 1 {
		t.Errorf("a drain that is not watched to its end: %d, %v", seen, err)
	}
}

// A stream that ends before its last line says nothing of the process.
func TestDrainOfAProcessThatGoesAway(t *testing.T) {
	client := start(t, Config{Access: AccessOpen, Drain: drainOf(DrainStatus{Open: 1})}).client(t)
	if err := client.Drain(t.Context(), func(DrainStatus) bool { return true }); gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Error(err)
	}
}

func TestDrainIsManagement(t *testing.T) {
	asked := false
	drain := func(context.Context, func(DrainStatus) bool) error { asked = true; return nil }
	r := start(t, Config{Drain: drain})
	if status, body, _ := r.ask(t, http.MethodPost, pathDrain); status != http.StatusForbidden {
		t.Errorf("unsigned: %d %s", status, body)
	}
	open := start(t, Config{Access: AccessOpen, Drain: drain})
	for _, test := range []struct {
		method, path string
		status       int
	}{{http.MethodGet, pathDrain, http.StatusMethodNotAllowed}, {http.MethodPost, pathDrain + "?now=1", http.StatusBadRequest}} {
		if status, body, _ := open.ask(t, test.method, test.path); status != test.status {
			t.Errorf("%s %s: %d %s", test.method, test.path, status, body)
		}
	}
	if asked {
		t.Error("a refused call began a drain")
	}
	if status, _, _ := start(t, Config{Access: AccessOpen}).ask(t, http.MethodPost, pathDrain); status != http.StatusNotFound {
		t.Errorf("without a drain: %d", status)
	}
}

// A drain may take longer than a request has to come in, and outlives the other streams.
func TestDrainIsWatchedToItsEnd(t *testing.T) {
	last := make(chan struct{})
	r := start(t, Config{Access: AccessOpen, Drain: func(ctx context.Context, yield func(DrainStatus) bool) error {
		yield(DrainStatus{Open: 1})
		select {
		case <-last:
			yield(DrainStatus{Drained: true})
		case <-ctx.Done():
		}
		return nil
	}})
	client, seen := r.client(t), 0
	err := client.Drain(t.Context(), func(s DrainStatus) bool {
		if seen++; !s.Drained {
			r.stop()
			close(last)
		}
		return true
	})
	if err != nil || seen != 2 {
		t.Errorf("%d lines, %v", seen, err)
	}
}
