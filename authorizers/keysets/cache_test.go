package keysets_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/authorizers/keysets"
)

// asker is a Source whose answers a test gives.
type asker struct {
	asked   chan context.Context
	answers chan error
	set     *keysets.Set
}

func (a *asker) source(ctx context.Context, _ keysets.Query) (*keysets.Set, error) {
	a.asked <- ctx
	select {
	case err := <-a.answers:
		if err != nil {
			return nil, err
		}
		return a.set, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newAsker(t *testing.T) (*asker, *keysets.Cache) {
	t.Helper()
	a := &asker{asked: make(chan context.Context, 1), answers: make(chan error, 1), set: &keysets.Set{FetchedAt: time.Now()}}
	c, err := keysets.NewCache(keysets.CacheConfig{Source: a.source})
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

var query = keysets.Query{Issuer: "https://id.example.com", KeyID: "k"}

// An asker waits no longer than its own context lets it; the question goes on, and the next has its answer.
func TestAskersGiveUpAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newAsker(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Keys(ctx, query); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want the end of the asker's own second", err, time.Since(start))
		}
		if asking := <-a.asked; asking.Err() != nil {
			t.Error("the question ended with the asker")
		}
		var others sync.WaitGroup
		for range 3 {
			others.Go(func() {
				if set, err := c.Keys(t.Context(), query); set != a.set || err != nil {
					t.Errorf("got %v, %v", set, err)
				}
			})
		}
		synctest.Wait()
		a.answers <- nil
		others.Wait()
		c.Close()
		if set, err := c.Keys(t.Context(), query); set != a.set || err != nil {
			t.Errorf("what is in memory does not serve after the end: %v", err)
		}
	})
}

// While a question is repeated, nobody gets the old answer instead of the new one.
func TestRepeatedQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newAsker(t)
		defer c.Close()
		away := errors.New("the issuer is away")
		a.answers <- away
		if _, err := c.Keys(t.Context(), query); !errors.Is(err, away) {
			t.Fatal(err)
		}
		<-a.asked
		if _, err := c.Keys(t.Context(), query); !errors.Is(err, away) {
			t.Errorf("asked again at once: %v", err)
		}
		<-time.After(keysets.RetryAfter)
		var askers sync.WaitGroup
		for range 2 {
			askers.Go(func() {
				if set, err := c.Keys(t.Context(), query); set != a.set || err != nil {
					t.Errorf("got %v, %v while the second question was under way", set, err)
				}
			})
			synctest.Wait()
		}
		a.answers <- nil
		askers.Wait()
	})
}

// A question that nobody answers ends in time, for all who wait, and is not repeated by each of them.
func TestUnansweredQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newAsker(t)
		defer c.Close()
		start := time.Now()
		var askers sync.WaitGroup
		for range 3 {
			askers.Go(func() {
				if _, err := c.Keys(t.Context(), query); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		askers.Wait()
		if took := time.Since(start); took != keysets.AskTimeout || len(a.asked) != 1 {
			t.Errorf("%d more questions, %v", len(a.asked), took)
		}
	})
}

// Close ends a question, waits for it, and lets no other begin.
func TestCloseEndsQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newAsker(t)
		failed := make(chan error, 1)
		go func() {
			_, err := c.Keys(t.Context(), query)
			failed <- err
		}()
		asking := <-a.asked
		start := time.Now()
		c.Close()
		if asking.Err() == nil || time.Since(start) > 0 {
			t.Errorf("the question goes on (%v)", time.Since(start))
		}
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		c.Close() // a second time does nothing
		if _, err := c.Keys(t.Context(), keysets.Query{Issuer: "https://other.example.com"}); err == nil || len(a.asked) > 0 {
			t.Errorf("a closed cache asks: %v", err)
		}
	})
}
