package bus

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

func testBucket(t *testing.T, conn *Conn) *Bucket {
	t.Helper()
	b, err := OpenBucket(t.Context(), BucketConfig{Conn: conn, Prefix: "a b", Name: "test", MaxValueBytes: 64})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBucketKeepsValues(t *testing.T) {
	conn := connect(t, startNATS(t))
	b, again := testBucket(t, conn), testBucket(t, conn) // the second finds what the first made
	if _, err := b.Get(t.Context(), "k"); !errors.Is(err, ErrNoKey) {
		t.Errorf("Get of nothing: %v", err)
	}
	if err := b.Create(t.Context(), "k", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := again.Create(t.Context(), "k", []byte("2")); !errors.Is(err, ErrKeyExists) {
		t.Errorf("Create of what is there: %v", err)
	}
	if err := again.Put(t.Context(), "k", []byte("3")); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Get(t.Context(), "k"); err != nil || string(v) != "3" {
		t.Errorf("Get: %q, %v", v, err)
	}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Get(t.Context(), "k"); !errors.Is(err, ErrNoKey) {
		t.Errorf("Get of what was deleted: %v", err)
	}
	if err := b.Create(t.Context(), "k", []byte("4")); err != nil {
		t.Errorf("Create after Delete: %v", err)
	}
	if err := b.Put(t.Context(), "no key", nil); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Errorf("Put under a malformed key: %v", err)
	}
	if err := b.Put(t.Context(), "k", []byte(strings.Repeat("x", 100))); err == nil {
		t.Error("a value above MaxValueBytes was taken")
	}
}

func TestBucketWatch(t *testing.T) {
	conn := connect(t, startNATS(t))
	b := testBucket(t, conn)
	if err := b.Put(t.Context(), "old", []byte("1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, ended := make(chan BucketChange, 8), make(chan error, 1)
	go func() { ended <- b.Watch(ctx, func(c BucketChange) { changes <- c }) }()
	next := func() BucketChange {
		t.Helper()
		select {
		case c := <-changes:
			return c
		case err := <-ended:
			t.Fatalf("the watch ended: %v", err)
		}
		return BucketChange{}
	}
	if c := next(); c.Key != "old" || string(c.Value) != "1" {
		t.Errorf("the first change is %+v", c)
	}
	if c := next(); !c.Current {
		t.Errorf("the second change is %+v, want Current", c)
	}
	if err := b.Put(t.Context(), "new", nil); err != nil {
		t.Fatal(err)
	}
	if c := next(); c.Key != "new" || c.Value == nil {
		t.Errorf("an empty value came as %+v", c)
	}
	if err := b.Delete(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if c := next(); c.Key != "old" || c.Value != nil {
		t.Errorf("a deletion came as %+v", c)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch returned %v at the end of its context", err)
	}
}

func TestBucketNeedsJetStreamConfig(t *testing.T) {
	if _, err := OpenBucket(t.Context(), BucketConfig{Prefix: "p", Name: "n", MaxValueBytes: 1}); err == nil {
		t.Error("no Conn, no error")
	}
	if got := bucketName("a.b", "x"); got != "a_2Eb-x" {
		t.Errorf("bucketName: %s", got)
	}
}

func TestBucketRevisions(t *testing.T) {
	b, err := OpenBucket(t.Context(), BucketConfig{Conn: connect(t, startNATS(t)), Prefix: "p", Name: "test", MaxValueBytes: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.Update(t.Context(), "k", []byte("1"), 0)
	if err != nil || first == 0 {
		t.Fatalf("the first value: revision %d, %v", first, err)
	}
	if _, err := b.Update(t.Context(), "k", []byte("x"), 0); !errors.Is(err, ErrRevision) {
		t.Errorf("a second first value: %v", err)
	}
	second, err := b.Update(t.Context(), "k", []byte("2"), first)
	if err != nil || second <= first {
		t.Fatalf("the second value: revision %d after %d, %v", second, first, err)
	}
	if _, err := b.Update(t.Context(), "k", []byte("x"), first); !errors.Is(err, ErrRevision) {
		t.Errorf("an update of an old revision: %v", err)
	}
	e, err := b.Read(t.Context(), "k")
	if err != nil || string(e.Value) != "2" || e.Revision != second || e.Created.IsZero() {
		t.Errorf("Read: %+v, %v", e, err)
	}
	if _, err := b.Read(t.Context(), "none"); !errors.Is(err, ErrNoKey) {
		t.Errorf("Read of nothing: %v", err)
	}
	if err := b.DeleteRevision(t.Context(), "k", first); !errors.Is(err, ErrRevision) {
		t.Errorf("a deletion of an old revision: %v", err)
	}
	if err := b.Put(t.Context(), "other", []byte("3")); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRevision(t.Context(), "k", second); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(t.Context(), "k"); !errors.Is(err, ErrNoKey) {
		t.Errorf("Read of what was deleted: %v", err)
	}
	if e, err := b.Read(t.Context(), "a \x00"); !errors.Is(err, ErrNoKey) {
		t.Errorf("Read under a malformed key: %+v, %v", e, err)
	}
	if got := streamAPI("hub"); got != "$JS.hub.API." {
		t.Errorf("JetStream's API in a domain is %s", got)
	}
	var keys []string
	if err := b.Each(t.Context(), func(e BucketEntry) { keys = append(keys, e.Key) }); err != nil || len(keys) != 1 || keys[0] != "other" {
		t.Errorf("Each told of %v, %v", keys, err)
	}
	if again, err := b.Update(t.Context(), "k", []byte("4"), 0); err != nil || again <= second {
		t.Errorf("a value after the deletion: revision %d, %v", again, err)
	}
}

func TestBucketWatchKey(t *testing.T) {
	b := testBucket(t, connect(t, startNATS(t)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, ended := make(chan BucketChange, 8), make(chan error, 1)
	go func() { ended <- b.WatchKey(ctx, "k", func(c BucketChange) { changes <- c }) }()
	if c := <-changes; !c.Current {
		t.Errorf("the watch of an empty bucket began with %+v", c)
	}
	if err := b.Put(t.Context(), "other", []byte("x")); err != nil {
		t.Fatal(err)
	}
	revision, err := b.Update(t.Context(), "k", []byte("1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if c := <-changes; c.Key != "k" || string(c.Value) != "1" || c.Revision != revision {
		t.Errorf("the change came as %+v", c)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("WatchKey returned %v at the end of its context", err)
	}
}

// TestBucketReadAsksTheLeader: Get asks where any server that keeps the bucket may answer, Read does not.
func TestBucketReadAsksTheLeader(t *testing.T) {
	conn := connect(t, startNATS(t))
	b := testBucket(t, conn)
	if err := b.Put(t.Context(), "k", []byte("1")); err != nil {
		t.Fatal(err)
	}
	anybody, err := conn.nc.SubscribeSync("$JS.API.DIRECT.GET.>")
	if err != nil {
		t.Fatal(err)
	}
	asked := func() int {
		t.Helper()
		if err := conn.nc.Flush(); err != nil {
			t.Fatal(err)
		}
		n, _, err := anybody.Pending()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if e, err := b.Read(t.Context(), "k"); err != nil || string(e.Value) != "1" || asked() != 0 {
		t.Errorf("Read: %+v, %v; anybody was asked %d times", e, err, asked())
	}
	if v, err := b.Get(t.Context(), "k"); err != nil || string(v) != "1" || asked() != 1 {
		t.Errorf("Get: %q, %v; anybody was asked %d times", v, err, asked())
	}
}
