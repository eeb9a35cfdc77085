package bus

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrRevision says that a key has changed since the revision that was given.
var ErrRevision = errors.New("bus: the key of the bucket has another revision")

// The two codes by which JetStream refuses a compare-and-set: the second while another write is under way (nats-facts §5.3).
const (
	wrongLastSequence        jetstream.ErrorCode = 10071
	wrongLastSequencePending jetstream.ErrorCode = 10164
)

// BucketEntry is a key as it stands in a bucket.
type BucketEntry struct {
	Key string
	// Value is nil from Each, which reads none.
	Value []byte
	// Revision grows with every write to the bucket.
	Revision uint64
	// Created is when the value was put.
	Created time.Time
}

// Update sets the value of a key that still has the revision, 0 for none, and returns its new one; or it returns
// ErrRevision. After any other error the value may be set all the same: read it.
func (b *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	var fresh uint64
	var err error
	if revision == 0 {
		fresh, err = b.kv.Create(ctx, key, value)
	} else {
		fresh, err = b.kv.Update(ctx, key, value, revision)
	}
	if err = revisionError(err); errors.Is(err, ErrKeyExists) {
		err = ErrRevision
	}
	return fresh, err
}

// DeleteRevision is Delete of a key that still has the revision, or ErrRevision.
func (b *Bucket) DeleteRevision(ctx context.Context, key string, revision uint64) error {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	return revisionError(b.kv.Purge(ctx, key, jetstream.LastRevision(revision)))
}

func revisionError(err error) error {
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (refused.ErrorCode == wrongLastSequence || refused.ErrorCode == wrongLastSequencePending) {
		return ErrRevision
	}
	return bucketError(err)
}

// Each calls tell for each key that the bucket has, without its value. A watcher says that it has told all there is when
// the server's count of what is left reaches 0, and that count errs while keys are written; so what the stream knows and the
// watcher did not tell is read key by key.
func (b *Bucket) Each(ctx context.Context, tell func(BucketEntry)) error {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	head := bucketSubjects(b.name)
	stream, err := b.js.Stream(ctx, bucketStream(b.name))
	if err != nil {
		return bucketError(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(head+">"))
	if err != nil {
		return bucketError(err)
	}
	told, err := b.told(ctx)
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		key := strings.TrimPrefix(subject, head)
		if _, ok := told[key]; ok {
			continue
		}
		e, err := b.Read(ctx, key)
		switch {
		case errors.Is(err, ErrNoKey): // deleted meanwhile, or a mark of a deletion
			continue
		case err != nil:
			return err
		}
		e.Value = nil
		tell(e)
	}
	for key, e := range told {
		if key == e.Key {
			tell(e)
		}
	}
	return nil
}

// told is what a watcher tells before it says that this was all. A key that was deleted has the zero entry.
func (b *Bucket) told(ctx context.Context) (map[string]BucketEntry, error) {
	watcher, err := b.kv.WatchAll(ctx, jetstream.MetaOnly())
	if err != nil {
		return nil, bucketError(err)
	}
	defer b.endWatch(ctx, watcher)
	told := make(map[string]BucketEntry)
	for {
		select {
		case <-ctx.Done():
			return nil, bucketError(ctx.Err())
		case e, ok := <-watcher.Updates():
			switch {
			case !ok:
				return nil, errWatchCut()
			case e == nil: // nats.go's sign that this is all
				return told, nil
			case e.Operation() == jetstream.KeyValuePut:
				told[e.Key()] = BucketEntry{Key: e.Key(), Revision: e.Revision(), Created: e.Created()}
			default:
				told[e.Key()] = BucketEntry{}
			}
		}
	}
}

// WatchKey is Watch of one key.
func (b *Bucket) WatchKey(ctx context.Context, key string, tell func(BucketChange)) error {
	watcher, err := b.kv.Watch(ctx, key)
	return b.follow(ctx, watcher, err, tell)
}
