package bus

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// TestBucketEachWhileWritten: a listing is complete also while its keys are written, and has no key that was deleted.
func TestBucketEachWhileWritten(t *testing.T) {
	b := testBucket(t, connect(t, startNATS(t)))
	const keys, listings = 12, 100
	for _, key := range []string{"gone", "back"} {
		if err := b.Put(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Put(t.Context(), "back", []byte("1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writing, written sync.WaitGroup
	defer writing.Wait()
	defer cancel()
	for i := range keys {
		written.Add(1)
		writing.Go(func() {
			first := sync.OnceFunc(written.Done)
			defer first()
			for ctx.Err() == nil {
				if err := b.Put(ctx, fmt.Sprint("k", i), []byte("1")); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				first()
			}
		})
	}
	written.Wait()
	short := 0
	for range listings {
		times := make(map[string]int)
		err := b.Each(t.Context(), func(e BucketEntry) {
			times[e.Key]++
			if e.Revision == 0 || e.Created.IsZero() || e.Value != nil {
				t.Errorf("told of %+v", e)
			}
		})
		if err != nil || len(times) != keys+1 || times["back"] != 1 || times["gone"] != 0 {
			t.Fatalf("told of %v, %v", times, err)
		}
		told, err := b.told(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(told) < keys+2 { // with the mark of the deletion
			short++
		}
	}
	t.Logf("a watcher ended too early in %d of %d listings", short, listings)
}
