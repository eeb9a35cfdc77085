package keysets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// FetchAfter is how long workers use keys before they read them again: a key that the issuer withdrew serves no longer.
	FetchAfter = 15 * time.Minute
	// requestTimeout bounds each of the two requests (contract/http-api.md §12.3 has 1.5 s).
	requestTimeout = 1500 * time.Millisecond
	// maxRedirects bounds where an issuer may send us.
	maxRedirects = 3
	// discoveryPath follows the issuer (OpenID Connect Discovery 1.0 §4).
	discoveryPath = "/.well-known/openid-configuration"
)

// Store keeps sets for other workers, and over restarts: *bus.Bucket.
type Store interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
}

// FetcherConfig describes a Fetcher. Store and Allowed are required.
type FetcherConfig struct {
	Store Store
	// Allowed reports whether the keys of an issuer may be fetched: one that a definition names. Else whoever can ask
	// would choose whom we call.
	Allowed func(issuer string) bool
	// Transport makes the requests; nil is one that keeps no connections.
	Transport http.RoundTripper
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// Logger is told when old keys are used for want of new ones; nil is no log.
	Logger *slog.Logger
}

// Fetcher reads key sets from the store and from issuers. It may be used concurrently; a Cache before it bounds how often.
type Fetcher struct {
	store   Store
	allowed func(string) bool
	client  *http.Client
	now     func() time.Time
	logger  *slog.Logger
}

// NewFetcher returns a Fetcher.
func NewFetcher(c FetcherConfig) (*Fetcher, error) {
	if c.Store == nil || c.Allowed == nil {
		return nil, errors.New("keysets: Store or Allowed is missing")
	}
	f := &Fetcher{store: c.Store, allowed: c.Allowed, now: c.Now, logger: c.Logger}
	if f.now == nil {
		f.now = time.Now
	}
	if f.logger == nil {
		f.logger = slog.New(slog.DiscardHandler)
	}
	if c.Transport == nil {
		// Of our own, and it keeps nothing: issuers are asked too seldom for that.
		c.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: requestTimeout, MaxResponseHeaderBytes: MaxBytes}
	}
	f.client = &http.Client{Transport: c.Transport, Timeout: requestTimeout, CheckRedirect: checkRedirect}
	return f, nil
}

// Close ends connections that are not in use.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	return checkURL(r.URL, via[0].URL.Scheme)
}

// checkURL takes http and https, but nothing unprotected behind what was protected.
func checkURL(u *url.URL, before string) error {
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || before == "https") {
		return errors.New("the issuer sends us to an address that is not https")
	}
	return nil
}

// Keys is the Source of a worker's Cache: what another worker has stored, if that helps, else what the issuer gives.
func (f *Fetcher) Keys(ctx context.Context, q Query) (*Set, error) {
	if !f.allowed(q.Issuer) {
		return nil, fmt.Errorf("no definition names the issuer %q", q.Issuer)
	}
	stored, storeErr := f.stored(ctx, q.Issuer)
	if stored != nil {
		age := f.now().Sub(stored.FetchedAt)
		if _, ok := stored.Key(q.KeyID); ok && age < FetchAfter || age < RetryAfter {
			return stored, nil
		}
	}
	set, err := f.fetch(ctx, q.Issuer)
	if err != nil {
		if stored != nil && f.now().Sub(stored.FetchedAt) < MaxAge {
			f.logger.Warn("an issuer's stored keys are used: it gives no new ones", slog.String("issuer", q.Issuer), slog.Any("error", err))
			return stored, nil
		}
		return nil, errors.Join(err, storeErr)
	}
	if err := f.keep(ctx, set); err != nil { // the keys are good; the next worker fetches them itself
		f.logger.Warn("an issuer's keys were not stored", slog.String("issuer", q.Issuer), slog.Any("error", err))
	}
	return set, nil
}

func storeKey(issuer string) string {
	sum := sha256.Sum256([]byte(issuer))
	return hex.EncodeToString(sum[:])
}

// stored returns nil where the store has nothing, or nothing that can be read.
func (f *Fetcher) stored(ctx context.Context, issuer string) (*Set, error) {
	data, err := f.store.Get(ctx, storeKey(issuer))
	if err != nil {
		return nil, fmt.Errorf("stored keys: %w", err)
	}
	return Decode(data, issuer)
}

func (f *Fetcher) keep(ctx context.Context, s *Set) error {
	data, err := s.Encode()
	if err != nil {
		return err
	}
	return f.store.Put(ctx, storeKey(s.Issuer), data)
}

// fetch reads the discovery document and then the keys (OpenID Connect Discovery 1.0 §4).
func (f *Fetcher) fetch(ctx context.Context, issuer string) (*Set, error) {
	base, err := url.Parse(issuer)
	if err != nil || checkURL(base, "") != nil {
		return nil, fmt.Errorf("the issuer %q is no http or https address", issuer)
	}
	data, err := f.get(ctx, strings.TrimSuffix(issuer, "/")+discoveryPath)
	if err != nil {
		return nil, fmt.Errorf("discovery of %s: %w", issuer, err)
	}
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(data, &discovery); err != nil {
		return nil, fmt.Errorf("discovery of %s: %w", issuer, err)
	}
	// A trailing slash is all that may differ (contract/http-api.md §12.3).
	if strings.TrimSuffix(discovery.Issuer, "/") != strings.TrimSuffix(issuer, "/") {
		return nil, fmt.Errorf("discovery of %s: the document is that of %q", issuer, discovery.Issuer)
	}
	keys, err := url.Parse(discovery.JWKSURI)
	if err != nil || checkURL(keys, base.Scheme) != nil {
		return nil, fmt.Errorf("discovery of %s: jwks_uri is no address that may be used", issuer)
	}
	at := f.now()
	if data, err = f.get(ctx, keys.String()); err != nil {
		return nil, fmt.Errorf("keys of %s: %w", issuer, err)
	}
	return parse(data, issuer, at)
}

func (f *Fetcher) get(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // what was read is what counts
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, MaxBytes+1))
	if err == nil && len(data) > MaxBytes {
		err = fmt.Errorf("more than %d bytes", MaxBytes)
	}
	return data, err
}
