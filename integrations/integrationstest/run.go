package integrationstest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// short is the time limit of an event that must run into it.
	short = 50 * time.Millisecond
	// patience bounds everything that must end by itself; a loaded machine may need a good part of it.
	patience = 20 * time.Second
	// callers and rounds make enough overlap for the race detector.
	callers, rounds = 16, 8
)

// Run checks the contract. Each part is a subtest.
func Run(t *testing.T, k Kit) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Run("parts", func(t *testing.T) {
		t.Run("Success", k.success)
		t.Run("RefusalIsReply", k.refusal)
		t.Run("EventTimeout", k.eventTimeout)
		t.Run("ContextDeadline", k.contextDeadline)
		t.Run("ContextCancelled", k.contextCancelled)
		t.Run("ContextEndedBefore", k.contextEnded)
		t.Run("Unreachable", func(t *testing.T) { k.fails(t, Gone, gateway.CodeUnavailable) })
		t.Run("OversizedAnswer", func(t *testing.T) { k.fails(t, Floods, gateway.CodeIntegration) })
		t.Run("MalformedAnswer", func(t *testing.T) { k.fails(t, Babbles, gateway.CodeIntegration) })
		t.Run("Concurrent", k.concurrent)
		t.Run("BodyGivenBack", k.bodyGivenBack)
	})
	goleak.VerifyNone(t, before)
}

// open skips the part, with the reason, when the kind's backends can't behave so.
func (k Kit) open(t *testing.T, b Behaviour) (gateway.Invoker, Backend) {
	t.Helper()
	if why, lacking := k.Lacks[b]; lacking {
		t.Skipf("a backend of this kind never %s: %s", b, why)
	}
	invoker, backend := k.Open(t)
	backend.Behave(b)
	return invoker, backend
}

func (k Kit) success(t *testing.T) {
	invoker, _ := k.open(t, Succeeds)
	k.works(t, invoker, "first")
	k.works(t, invoker, "second")
	k.works(t, invoker, "")
}

// works checks one good exchange, and that it leaves the event alone.
func (k Kit) works(t *testing.T, invoker gateway.Invoker, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ev, untouched := k.Event(body), k.Event(body)
	reply, err := invoker.Invoke(ctx, ev)
	if err != nil {
		t.Fatalf("Invoke(%q) = %v", body, err)
	}
	if want := k.Answer(body); string(reply.Body) != want || reply.Status != 200 {
		t.Errorf("Invoke(%q) = %d %q, want 200 %q", body, reply.Status, reply.Body, want)
	}
	if diff := cmp.Diff(untouched, ev); diff != "" {
		t.Errorf("the event changed (-before +after):\n%s", diff)
	}
}

func (k Kit) refusal(t *testing.T) {
	invoker, backend := k.open(t, Refuses)
	reply, err := invoker.Invoke(t.Context(), k.Event("x"))
	if err != nil {
		t.Fatalf("a backend's refusal is an error: %v", err)
	}
	if reply.Status != RefusedStatus {
		t.Errorf("status %d, want %d", reply.Status, RefusedStatus)
	}
	backend.Behave(Succeeds)
	k.works(t, invoker, "after a refusal")
}

func (k Kit) eventTimeout(t *testing.T) {
	invoker, backend := k.open(t, Hangs)
	ev := k.Event("x")
	ev.Timeout = short
	start := time.Now()
	_, err := invoker.Invoke(t.Context(), ev)
	k.failed(t, err, gateway.CodeTimeout)
	if took := time.Since(start); took < short || took > patience {
		t.Errorf("took %v with a limit of %v", took, short)
	}
	backend.Behave(Succeeds)
	k.works(t, invoker, "after a timeout")
}

func (k Kit) contextDeadline(t *testing.T) {
	invoker, backend := k.open(t, Hangs)
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	ev := k.Event("x")
	ev.Timeout = patience
	_, err := invoker.Invoke(ctx, ev)
	k.failed(t, err, gateway.CodeTimeout)
	backend.Behave(Succeeds)
	k.works(t, invoker, "after a deadline")
}

// contextCancelled cancels when the backend has the event.
func (k Kit) contextCancelled(t *testing.T) {
	invoker, backend := k.open(t, Hangs)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := invoker.Invoke(ctx, k.Event("x"))
		done <- err
	}()
	await(t, "the backend to take the event", backend.Taken())
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a cancelled call succeeded")
		}
		k.isKnown(t, err)
	case <-time.After(patience):
		t.Fatal("Invoke goes on after its context has ended")
	}
	backend.Behave(Succeeds)
	k.works(t, invoker, "after a cancellation")
}

func (k Kit) contextEnded(t *testing.T) {
	invoker, _ := k.open(t, Succeeds)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := invoker.Invoke(ctx, k.Event("x")); err == nil {
		t.Error("an event was run under a context that had ended")
	} else {
		k.isKnown(t, err)
	}
	k.works(t, invoker, "with another context")
}

func (k Kit) fails(t *testing.T, b Behaviour, want gateway.Code) {
	invoker, backend := k.open(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 2 { // the second may meet what the first left behind
		_, err := invoker.Invoke(ctx, k.Event("x"))
		k.failed(t, err, want)
	}
	backend.Behave(Succeeds)
	k.works(t, invoker, "after a backend that "+string(b))
}

func (k Kit) failed(t *testing.T, err error, want gateway.Code) {
	t.Helper()
	if got := gateway.ErrorCode(err); got != want {
		t.Errorf("error %v has code %q, want %q", err, got, want)
	}
	k.isKnown(t, err)
}

// isKnown checks that the error is one for a boundary: with a known code and something to show.
func (k Kit) isKnown(t *testing.T, err error) {
	t.Helper()
	known, ok := err.(*gateway.Error) //nolint:errorlint // the contract says that it is one, not that it wraps one
	if !ok || !known.Code.Known() || known.Message == "" {
		t.Errorf("%T %v is no *gateway.Error with a known code and a message", err, err)
	}
}

// concurrent mixes calls that succeed with calls that run out of time: each gets its own answer.
func (k Kit) concurrent(t *testing.T) {
	invoker, _ := k.open(t, Succeeds)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for round := range rounds {
				body := fmt.Sprintf("caller %d, round %d", caller, round)
				if round%4 == 3 {
					ctx, cancel := context.WithCancel(t.Context())
					cancel()
					_, _ = invoker.Invoke(ctx, k.Event(body))
					continue
				}
				k.works(t, invoker, body)
			}
		})
	}
	all.Wait()
}

// bodyGivenBack writes to an event's body as soon as Invoke is over, which the race detector sees when anybody still
// reads it. The backend refuses without need of the body, or hangs.
func (k Kit) bodyGivenBack(t *testing.T) {
	for _, b := range []Behaviour{Refuses, Hangs} {
		if _, lacking := k.Lacks[b]; lacking {
			continue
		}
		invoker, _ := k.open(t, b)
		ev := k.Event("")
		ev.Body = bytes.Repeat([]byte("a"), 8*MaxReplyBytes)
		ev.Timeout = short
		_, _ = invoker.Invoke(t.Context(), ev)
		for i := range ev.Body {
			ev.Body[i] = 'b'
		}
	}
}

func await(t *testing.T, what string, signal <-chan struct{}) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}
