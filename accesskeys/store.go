package accesskeys

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
)

const (
	// bucketSuffix ends the name of the bucket, {prefix}-access-keys.
	bucketSuffix = "access-keys"
	// maxKeys bounds what each process holds in memory; far above one key per backend.
	maxKeys = 10_000
	// maxAPIs and maxDescription bound one key below maxSealedBytes.
	maxAPIs        = 64
	maxDescription = 256
	// rewatchPause is the wait before a watch that was cut begins anew: deletions are seen within seconds.
	rewatchPause = time.Second
	// idRandomBytes and secretBytes give the lengths that Amazon's have: 20 characters with the head, and 40.
	idRandomBytes = 10
	secretBytes   = 30
	// idHead tells people what a key is for; AKIA would make secret scanners report it to Amazon.
	idHead = "SPKA"
)

// Request is what a new key is to be good for.
type Request struct {
	Description string
	APIs        []gateway.APIID
	Actions     []Action
}

// Config is what a Store needs. Bucket may be nil: then there is the root key at most, which is enough for tests and tools.
type Config struct {
	// Root is the root key; the zero Key means none.
	Root Key
	// Bucket holds the sealed keys; OpenBucket makes it.
	Bucket *bus.Bucket
	// Logger hears of keys that don't open; nil is silent.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// BucketConfig says which NATS keeps the access keys of a deployment.
type BucketConfig struct {
	Conn *bus.Conn
	// Prefix, Domain and Replicas are those of bus.BucketConfig.
	Prefix, Domain string
	Replicas       int
	Logger         *slog.Logger
}

// OpenBucket opens the bucket that a Store of the deployment keeps its keys in. It waits for JetStream until ctx ends.
func OpenBucket(ctx context.Context, c BucketConfig) (*bus.Bucket, error) {
	return bus.OpenBucket(ctx, bus.BucketConfig{
		Conn: c.Conn, Prefix: c.Prefix, Name: bucketSuffix, Domain: c.Domain, MaxValueBytes: maxSealedBytes, Replicas: c.Replicas, Logger: c.Logger,
		Description: "Sallyport: access keys, sealed with the root secret",
	})
}

// Store keeps access keys. Its methods may be called concurrently. Key answers from memory, so that no signature costs a
// round trip; what another process does is seen as soon as the watch tells, within seconds.
type Store struct {
	root   Key
	bucket *bus.Bucket
	seal   *sealer // nil without a root key
	logger *slog.Logger
	now    func() time.Time

	cancel  context.CancelFunc
	running sync.WaitGroup

	mu   sync.RWMutex
	keys map[string]Key
}

// Open returns a Store that knows the keys of the bucket. Close ends its watch.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{root: c.Root, bucket: c.Bucket, logger: c.Logger, now: c.Now, keys: map[string]Key{}, cancel: func() {}}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if c.Root.ID == "" || c.Root.Secret == "" {
		s.root = Key{}
		return s, nil // what is stored can't be opened
	}
	s.root.Root = true
	var err error
	if s.seal, err = newSealer(c.Root.Secret); err != nil {
		return nil, err
	}
	if s.bucket == nil {
		return s, nil
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	current := make(chan struct{})
	s.running.Go(func() { s.watch(watching, current) })
	select {
	case <-current:
		return s, nil
	case <-ctx.Done():
		s.Close()
		return nil, fmt.Errorf("access keys: the bucket did not answer: %w", ctx.Err())
	}
}

// Close ends the watch and waits for it. Key answers on from what is known.
func (s *Store) Close() {
	s.cancel()
	s.running.Wait()
}

// watch keeps the copy until ctx ends. It closes current when it has all that was there at first.
func (s *Store) watch(ctx context.Context, current chan struct{}) {
	once := sync.OnceFunc(func() { close(current) })
	for {
		fresh := map[string]Key{} // until it is complete, the old copy answers
		unreadable := 0
		err := s.bucket.Watch(ctx, func(c bus.BucketChange) {
			switch {
			case c.Current:
				s.mu.Lock()
				s.keys, fresh = fresh, nil
				s.mu.Unlock()
				if unreadable > 0 { // one line, however many: a changed root secret makes it all of them
					s.logger.Error(unreadableText, "keys", unreadable)
				}
				once()
			case fresh != nil:
				if !s.change(fresh, c) {
					unreadable++
				}
			default:
				s.mu.Lock()
				opened := s.change(s.keys, c)
				s.mu.Unlock()
				if !opened {
					s.logger.Error(unreadableText, "id", c.Key)
				}
			}
		})
		if ctx.Err() != nil {
			return
		}
		s.logger.Warn("access keys can't be followed now; the known ones stay good", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(rewatchPause):
		}
	}
}

// unreadableText tells what a changed root secret does, and what can be done.
const unreadableText = "stored access keys do not open with the secret in " + EnvRootSecret + ": they were sealed with another one, or are damaged, " +
	"and calls that are signed with them are refused. Start all nodes with the secret that sealed them, or remove them " +
	"(access-keys ls, access-keys rm) and make new ones (access-keys create)"

// change brings one key up to date, and reports whether what is stored could be read.
func (s *Store) change(keys map[string]Key, c bus.BucketChange) bool {
	if c.Value == nil {
		delete(keys, c.Key)
		return true
	}
	k, err := s.seal.open(c.Key, c.Value)
	if err != nil {
		k = Key{ID: c.Key, Unreadable: true} // also one that was good and is overwritten by something else
	}
	if _, known := keys[c.Key]; !known && len(keys) >= maxKeys {
		s.logger.Error("too many access keys; this one is not known here", "id", c.Key, "limit", maxKeys)
		return true
	}
	keys[c.Key] = k
	return err == nil
}

// Key returns the key of an id, or ErrUnknown. It is answered from memory.
func (s *Store) Key(_ context.Context, id string) (Key, error) {
	if s.root.ID != "" && id == s.root.ID {
		return s.root, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if k, ok := s.keys[id]; ok && !k.Unreadable {
		return k, nil
	}
	return Key{}, ErrUnknown
}

// List returns all stored keys without their secrets: first what is Unreadable, then the others, oldest first. The root key
// is not among them.
func (s *Store) List(context.Context) ([]Key, error) {
	s.mu.RLock()
	keys := make([]Key, 0, len(s.keys))
	for _, k := range s.keys {
		k.Secret = ""
		keys = append(keys, k)
	}
	s.mu.RUnlock()
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return keys, nil
}

// Create makes a key and returns it: the only time that anybody is told its secret. The Codes of its errors:
// CodeBadRequest (the request, or no root key), CodeUnavailable.
func (s *Store) Create(ctx context.Context, r Request) (Key, error) {
	if s.seal == nil || s.bucket == nil {
		return Key{}, gateway.Errorf(gateway.CodeBadRequest, "%s", errNoRoot)
	}
	if err := r.check(); err != nil {
		return Key{}, err
	}
	s.mu.RLock()
	full := len(s.keys) >= maxKeys
	s.mu.RUnlock()
	if full {
		return Key{}, gateway.Errorf(gateway.CodeBadRequest, "there are %d access keys already; remove some", maxKeys)
	}
	k := Key{ID: newID(), Secret: newSecret(), Description: r.Description, APIs: r.APIs, Actions: r.Actions, CreatedAt: s.now().UTC()}
	sealed, err := s.seal.seal(k)
	if err != nil {
		return Key{}, gateway.Errorf(gateway.CodeInternal, "Internal Server Error").Because(err)
	}
	// Good here at once, not only when the watch has told; and known before it is stored, so that the watch's news of its
	// deletion can't come before.
	s.mu.Lock()
	s.keys[k.ID] = k
	s.mu.Unlock()
	if err := s.bucket.Create(ctx, k.ID, sealed); err != nil {
		s.forget(k.ID)
		return Key{}, publicError(err)
	}
	return k, nil
}

// Delete removes a key; here it is refused at once, elsewhere within seconds. The Codes of its errors: CodeNotFound,
// CodeBadRequest (the root key), CodeUnavailable.
func (s *Store) Delete(ctx context.Context, id string) error {
	switch {
	case s.root.ID != "" && id == s.root.ID:
		return gateway.Errorf(gateway.CodeBadRequest, "the root key is set by %s and %s; it can't be removed here", EnvRootID, EnvRootSecret)
	case s.bucket == nil || !validID(id):
		return gateway.Errorf(gateway.CodeNotFound, "there is no such access key")
	}
	if _, err := s.bucket.Get(ctx, id); err != nil {
		return publicError(err)
	}
	if err := s.bucket.Delete(ctx, id); err != nil {
		return publicError(err)
	}
	s.forget(id)
	return nil
}

func (s *Store) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}

// publicError words what a bucket says.
func publicError(err error) error {
	if errors.Is(err, bus.ErrNoKey) {
		return gateway.Errorf(gateway.CodeNotFound, "there is no such access key")
	}
	return err
}

func (r Request) check() error {
	switch {
	case len(r.Description) > maxDescription:
		return gateway.Errorf(gateway.CodeBadRequest, "a description has at most %d bytes", maxDescription)
	case strings.ContainsFunc(r.Description, func(c rune) bool { return c < ' ' || c == 0x7F }):
		return gateway.Errorf(gateway.CodeBadRequest, "a description is one line of text")
	case len(r.APIs) > maxAPIs:
		return gateway.Errorf(gateway.CodeBadRequest, "a key names at most %d APIs; one without any is good for all", maxAPIs)
	}
	for _, api := range r.APIs {
		if !api.Valid() || api.Reserved() {
			return gateway.Errorf(gateway.CodeBadRequest, "%.60q is no API id", string(api))
		}
	}
	for _, a := range r.Actions {
		if !slices.Contains(Actions(), a) {
			return gateway.Errorf(gateway.CodeBadRequest, "%.60q is no action; the actions are %s, %s and %s", string(a), ActionInvoke, ActionManageConnections, ActionManage)
		}
	}
	return nil
}

func newID() string {
	return idHead + base32.StdEncoding.EncodeToString(randomBytes(idRandomBytes))
}

func newSecret() string { return base64.StdEncoding.EncodeToString(randomBytes(secretBytes)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}
