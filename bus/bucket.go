package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// bucketAttempt bounds one attempt to prepare a bucket; creating a replicated stream takes up to a second
	// (nats-facts §9.1).
	bucketAttempt = 5 * time.Second
	// bucketRetry is the pause between two attempts while JetStream is not ready yet.
	bucketRetry = 250 * time.Millisecond
	// bucketCall bounds one read or write whose context has no earlier end: a leader election takes seconds.
	bucketCall = 5 * time.Second
)

// The errors of a bucket that callers decide by. Others are *gateway.Error of CodeUnavailable or CodeTooLarge.
var (
	// ErrNoKey says that the bucket has nothing under the key.
	ErrNoKey = errors.New("bus: the bucket has no such key")
	// ErrKeyExists says that Create found the key taken.
	ErrKeyExists = errors.New("bus: the bucket has the key already")
)

// BucketConfig describes a bucket. Conn, Prefix, Name and MaxValueBytes are required.
type BucketConfig struct {
	Conn *Conn
	// Prefix is that of the deployment's subjects; Name is what follows it in the bucket's name, letters and dashes.
	Prefix, Name string
	// Domain is the JetStream domain that holds the bucket, or "".
	Domain string
	// Description is for people who look at the stream.
	Description string
	// MaxValueBytes bounds a value, headers included.
	MaxValueBytes int32
	// TTL drops a value so long after it was put; 0 keeps it.
	TTL time.Duration
	// Replicas are how many servers of a cluster keep the bucket; 0 means 1. One that exists with fewer is raised.
	Replicas int
	// Logger is told when a watch has to begin anew; nil is no log.
	Logger *slog.Logger
}

// Bucket is a JetStream key-value bucket: small state that every process of a deployment shares. Its methods may be called
// concurrently. Keys hold only -/_=.a-zA-Z0-9 (nats-facts §1.5).
type Bucket struct {
	kv     jetstream.KeyValue
	js     jetstream.JetStream
	name   string
	api    string // the head of JetStream's subjects
	logger *slog.Logger
}

// OpenBucket finds the bucket or creates it. It waits for JetStream until ctx ends. What exists is taken as it is, but for
// the replicas; it is no error when they can't be raised now.
func OpenBucket(ctx context.Context, c BucketConfig) (*Bucket, error) {
	switch {
	case c.Conn == nil:
		return nil, errors.New("bus.OpenBucket: Conn is missing")
	case c.Prefix == "" || c.Name == "":
		return nil, errors.New("bus.OpenBucket: Prefix or Name is missing")
	case c.MaxValueBytes <= 0:
		return nil, errors.New("bus.OpenBucket: MaxValueBytes is missing")
	}
	js, err := jetstream.New(c.Conn.nc)
	if c.Domain != "" {
		js, err = jetstream.NewWithDomain(c.Conn.nc, c.Domain)
	}
	if err != nil {
		return nil, fmt.Errorf("bus.OpenBucket: %w", err)
	}
	name := bucketName(c.Prefix, c.Name)
	logger := orDiscard(c.Logger).With(slog.String("bucket", name))
	for {
		kv, err := prepareBucket(ctx, js, name, c)
		if err == nil {
			if err := raiseReplicas(ctx, js, bucketStream(name), c.Replicas); err != nil {
				logger.Warn("the replicas of a bucket can't be raised now", slog.Int("replicas", c.Replicas), slog.Any("error", err))
			}
			return &Bucket{kv: kv, js: js, name: name, api: streamAPI(c.Domain), logger: logger}, nil
		}
		if !notReady(err) || sleep(ctx, bucketRetry) != nil {
			return nil, fmt.Errorf("bucket %s: %w", name, err)
		}
	}
}

func prepareBucket(ctx context.Context, js jetstream.JetStream, name string, c BucketConfig) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, bucketAttempt)
	defer cancel()
	kv, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: name, Description: c.Description, MaxValueSize: c.MaxValueBytes, TTL: c.TTL, Replicas: c.Replicas,
			Storage: jetstream.FileStorage,
		})
	}
	return kv, err
}

// raiseReplicas makes sure that a stream has so many replicas at least.
func raiseReplicas(ctx context.Context, js jetstream.JetStream, name string, replicas int) error {
	if replicas <= 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bucketAttempt)
	defer cancel()
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	if config.Replicas >= replicas {
		return nil
	}
	config.Replicas = replicas
	_, err = js.UpdateStream(ctx, config)
	return err
}

// The codes of JetStream's API that decide whether an attempt to create is worth repeating.
const (
	// noPeers: fewer servers run than there shall be replicas.
	noPeers jetstream.ErrorCode = 10005
	// noReplicas: the server stands alone and will not have several.
	noReplicas jetstream.ErrorCode = 10074
)

// notReady reports whether JetStream may answer better in a moment, or another process was faster.
func notReady(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode != noReplicas && (api.Code >= 500 || api.ErrorCode == noPeers) {
		return true
	}
	for _, known := range []error{
		context.DeadlineExceeded, jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled,
		jetstream.ErrStreamNameAlreadyInUse, jetstream.ErrBucketExists,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// bucketStream is the stream that holds a bucket, and bucketSubjects the head of its keys' subjects (nats-facts §5).
func bucketStream(name string) string { return "KV_" + name }

func bucketSubjects(name string) string { return "$KV." + name + "." }

// bucketName escapes what names of buckets do not take, as connstore/journal does: each prefix has its own.
func bucketName(prefix, name string) string {
	var b strings.Builder
	for i := range len(prefix) {
		switch c := prefix[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02X", c)
		}
	}
	return b.String() + "-" + name
}

// Get returns the value of a key, or ErrNoKey. Any server that keeps the bucket may answer, also one that has not heard of
// the newest writes; Read knows them.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	entry, err := b.kv.Get(ctx, key)
	if err != nil {
		return nil, bucketError(err)
	}
	return entry.Value(), nil
}

// Put sets the value of a key.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	_, err := b.kv.Put(ctx, key, value)
	return bucketError(err)
}

// Create sets the value of a key that has none, or returns ErrKeyExists.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	_, err := b.kv.Create(ctx, key, value)
	return bucketError(err)
}

// Delete removes a key and its value from the disk; it is no error when there is none.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, bucketCall)
	defer cancel()
	return bucketError(b.kv.Purge(ctx, key))
}

// BucketChange is one thing that a watch tells.
type BucketChange struct {
	Key string
	// Value is the key's value; nil when it was deleted.
	Value []byte
	// Revision is that of the change.
	Revision uint64
	// Current, alone in its change, says that everything which stood in the bucket when the watch began has been told.
	Current bool
}

// Watch tells of every key that the bucket has and then of every change, in order, until ctx ends, which it returns nil
// for. It goes on over lost connections. tell is called by one goroutine, and holds up the watch as long as it takes. An
// error means that the watch could not begin or was cut for good: begin again.
func (b *Bucket) Watch(ctx context.Context, tell func(BucketChange)) error {
	watcher, err := b.kv.WatchAll(ctx)
	return b.follow(ctx, watcher, err, tell)
}

// follow is a watch that has begun, or could not.
func (b *Bucket) follow(ctx context.Context, watcher jetstream.KeyWatcher, err error, tell func(BucketChange)) error {
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return bucketError(err)
	}
	defer b.endWatch(ctx, watcher)
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok && ctx.Err() != nil:
				return nil
			case !ok:
				return errWatchCut()
			case entry == nil: // nats.go's sign that the beginning is over
				tell(BucketChange{Current: true})
			case entry.Operation() == jetstream.KeyValuePut:
				value := entry.Value()
				if value == nil {
					value = []byte{}
				}
				tell(BucketChange{Key: entry.Key(), Value: value, Revision: entry.Revision()})
			default:
				tell(BucketChange{Key: entry.Key(), Revision: entry.Revision()})
			}
		}
	}
}

func (b *Bucket) endWatch(ctx context.Context, watcher jetstream.KeyWatcher) {
	if err := watcher.Stop(); err != nil && ctx.Err() == nil {
		b.logger.Debug("a watch was not ended in order", slog.Any("error", err))
	}
}

func errWatchCut() error {
	return gateway.Errorf(gateway.CodeUnavailable, "the watch of a bucket was cut")
}

func bucketError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return ErrNoKey
	case errors.Is(err, jetstream.ErrKeyExists):
		return ErrKeyExists
	case errors.Is(err, jetstream.ErrInvalidKey):
		return gateway.Errorf(gateway.CodeBadRequest, "the key can't stand in a bucket").Because(err)
	case errors.Is(err, nats.ErrMaxPayload):
		return gateway.Errorf(gateway.CodeTooLarge, "the value is too large").Because(err)
	}
	return gateway.Errorf(gateway.CodeUnavailable, "JetStream can't be reached").Because(err)
}

// sleep waits, or returns ctx's error when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
