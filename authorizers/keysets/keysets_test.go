package keysets_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/authorizers/keysets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issuer is a real one over HTTP, whose keys and answers tests change.
type issuer struct {
	*httptest.Server
	mu        sync.Mutex
	keys      []jose.JSONWebKey
	discovery map[string]string
	body      []byte // instead of the keys
	down      bool
	fetches   atomic.Int32 // of the keys
}

func newIssuer(t *testing.T, kids ...string) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	i.discovery = map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
	for _, kid := range kids {
		i.rotate(t, kid)
	}
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var err error
	switch {
	case i.down:
		if r.URL.Path == "/keys" {
			i.fetches.Add(1)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/.well-known/openid-configuration":
		err = json.NewEncoder(w).Encode(i.discovery)
	case r.URL.Path == "/keys" && i.body != nil:
		i.fetches.Add(1)
		_, err = w.Write(i.body)
	case r.URL.Path == "/keys":
		i.fetches.Add(1)
		err = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.keys})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	_ = err // the client went away
}

func (i *issuer) rotate(t *testing.T, kid string) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.add(kid, public, "sig")
}

func (i *issuer) add(kid string, key crypto.PublicKey, use string) {
	i.set(func() { i.keys = append(i.keys, jose.JSONWebKey{Key: key, KeyID: kid, Use: use}) })
}

func (i *issuer) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

// memory is a Store.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	broken bool
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.values[key]; ok && !m.broken {
		return v, nil
	}
	return nil, errors.New("nothing stored")
}

func (m *memory) Put(_ context.Context, key string, v []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errors.New("store is away")
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = v
	return nil
}

// clock is a time that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(c.offset.Load()))
}
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func worker(t *testing.T, store keysets.Store, c *clock) *keysets.Cache {
	t.Helper()
	f, err := keysets.NewFetcher(keysets.FetcherConfig{Store: store, Allowed: func(string) bool { return true }, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	cache, err := keysets.NewCache(keysets.CacheConfig{Source: f.Keys, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	return cache
}

func has(t *testing.T, c *keysets.Cache, issuer, kid string) bool {
	t.Helper()
	set, err := c.Keys(t.Context(), keysets.Query{Issuer: issuer, KeyID: kid})
	if err != nil {
		t.Fatal(err)
	}
	_, ok := set.Key(kid)
	return ok
}

func TestRotation(t *testing.T) {
	i, c := newIssuer(t, "a"), &clock{}
	w := worker(t, &memory{}, c)
	for range 2 { // the second time from memory
		if !has(t, w, i.URL, "a") || i.fetches.Load() != 1 {
			t.Fatalf("first key, after %d fetches", i.fetches.Load())
		}
	}
	i.rotate(t, "b")
	if has(t, w, i.URL, "b") {
		t.Error("a new key was fetched at once; the issuer must not be asked again so soon")
	}
	c.advance(keysets.RetryAfter)
	if !has(t, w, i.URL, "b") || i.fetches.Load() != 2 {
		t.Errorf("the new key is not known after %d fetches", i.fetches.Load())
	}
	i.set(func() { i.keys = i.keys[1:] })
	c.advance(keysets.FetchAfter)
	if has(t, w, i.URL, "a") {
		t.Error("a withdrawn key still serves")
	}
}

func TestFloodOfUnknownKeys(t *testing.T) {
	i, c := newIssuer(t, "a"), &clock{}
	w := worker(t, &memory{}, c)
	var flood sync.WaitGroup
	for n := range 200 {
		flood.Go(func() {
			set, err := w.Keys(t.Context(), keysets.Query{Issuer: i.URL, KeyID: "invented" + string(rune('a'+n%26))})
			if err != nil || set == nil {
				t.Errorf("Keys: %v", err)
			}
		})
	}
	flood.Wait()
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for a flood, want 1", n)
	}
	if !has(t, w, i.URL, "a") {
		t.Error("the real key is not found in the flood")
	}
}

func TestIssuerDown(t *testing.T) {
	i, c, store := newIssuer(t, "a"), &clock{}, &memory{}
	if !has(t, worker(t, store, c), i.URL, "a") {
		t.Fatal("no key")
	}
	i.set(func() { i.down = true })
	restarted := worker(t, store, c)
	c.advance(keysets.FetchAfter + time.Second)
	if !has(t, restarted, i.URL, "a") {
		t.Error("stored keys do not serve while the issuer is down")
	}
	c.advance(keysets.MaxAge)
	if _, err := restarted.Keys(t.Context(), keysets.Query{Issuer: i.URL, KeyID: "a"}); err == nil {
		t.Error("keys serve for ever")
	}
	i.set(func() { i.down = false })
	c.advance(keysets.RetryAfter)
	if !has(t, restarted, i.URL, "a") {
		t.Error("the issuer is back, its keys are not")
	}
}

func TestWorkersShareTheStore(t *testing.T) {
	i, c, store := newIssuer(t, "a"), &clock{}, &memory{}
	for range 3 {
		if !has(t, worker(t, store, c), i.URL, "a") {
			t.Fatal("no key")
		}
	}
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("%d fetches by three workers", n)
	}
	store.broken = true // the keys are got all the same
	if !has(t, worker(t, store, c), i.URL, "a") {
		t.Error("no key without a store")
	}
}

func TestOnlyUsableKeys(t *testing.T) {
	i, c := newIssuer(t), &clock{}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.add("ec", private.Public(), "")
	i.add("private", private, "sig")
	i.add("enc", private.Public(), "enc")
	i.add("secret", []byte("0123456789abcdef0123456789abcdef"), "sig")
	i.add("", private.Public(), "sig")
	w := worker(t, &memory{}, c)
	for kid, want := range map[string]bool{"ec": true, "private": false, "enc": false, "secret": false, "": false} {
		if has(t, w, i.URL, kid) != want {
			t.Errorf("key %q: usable is not %v", kid, want)
		}
	}
}

func TestBadIssuers(t *testing.T) {
	for name, spoil := range map[string]func(*issuer){
		"another issuer's document": func(i *issuer) { i.discovery["issuer"] = "https://evil.example.com" },
		"keys in a file":            func(i *issuer) { i.discovery["jwks_uri"] = "file:///etc/passwd" },
		"no keys' address":          func(i *issuer) { i.discovery["jwks_uri"] = "" },
		"no JSON":                   func(i *issuer) { i.body = []byte("<html>") },
		"no keys":                   func(i *issuer) { i.body = []byte(`{"keys":[]}`) },
		"an unknown kind alone":     func(i *issuer) { i.body = []byte(`{"keys":[{"kty":"XX","kid":"a"}]}`) },
		"too large":                 func(i *issuer) { i.body = make([]byte, keysets.MaxBytes+1) },
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, "a")
			spoil(i)
			if set, err := worker(t, &memory{}, &clock{}).Keys(t.Context(), keysets.Query{Issuer: i.URL, KeyID: "a"}); err == nil {
				t.Errorf("got %+v", set)
			}
		})
	}
}

func TestOnlyAllowedIssuersAreCalled(t *testing.T) {
	i := newIssuer(t, "a")
	f, err := keysets.NewFetcher(keysets.FetcherConfig{Store: &memory{}, Allowed: func(string) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Keys(t.Context(), keysets.Query{Issuer: i.URL, KeyID: "a"}); err == nil || i.fetches.Load() != 0 {
		t.Errorf("%v after %d fetches", err, i.fetches.Load())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"issuer":"i","fetchedAt":"2026-01-01T00:00:00Z","keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := keysets.Decode(data, "i")
		if err != nil {
			return
		}
		b, err := s.Encode()
		if err != nil {
			return // longer than it was: base64 that go-jose wrote anew
		}
		if _, err := keysets.Decode(b, "i"); err != nil {
			t.Errorf("Decode of what Encode wrote: %v", err)
		}
	})
}
