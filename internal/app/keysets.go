package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/authorizers/jwt"
	"github.com/sallyport/sallyport/authorizers/keysets"
	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

const (
	// keySetBucket is the name of the bucket with the keys of token issuers.
	keySetBucket = "keysets"
	// edgeRefresh is how long an edge uses keys before it asks a worker again, which answers from memory.
	edgeRefresh = time.Minute
)

// startKeySets makes the worker role fetch the keys of token issuers, and the edge role ask for them over NATS: also where
// both are one process.
func (p *process) startKeySets(context.Context, context.CancelCauseFunc) error {
	if p.config.has(RoleWorker) {
		if err := p.serveKeySets(); err != nil {
			return fmt.Errorf("keys of token issuers: %w", err)
		}
	}
	var err error
	p.keySets, err = keysets.NewCache(keysets.CacheConfig{Source: p.askKeySet, RefreshAfter: edgeRefresh, Logger: p.logger})
	if err != nil {
		return err
	}
	p.life.onStop("questions about token issuers", func(context.Context) error { p.keySets.Close(); return nil })
	return nil
}

// openKeySetBucket opens what workers share; edges alone need none.
func (p *process) openKeySetBucket(ctx context.Context) (*bus.Bucket, error) {
	if !p.config.has(RoleWorker) {
		return nil, nil //nolint:nilnil // nobody asks for it
	}
	return bus.OpenBucket(ctx, bus.BucketConfig{
		Conn: p.conn, Prefix: p.config.Prefix, Name: keySetBucket, Domain: p.config.NATS.JSDomain, Replicas: p.replicas,
		Description: "public keys of token issuers", MaxValueBytes: keysets.MaxRecordBytes, TTL: keysets.MaxAge, Logger: p.logger,
	})
}

func (p *process) serveKeySets() error {
	bucket, err := p.opening.keySets.wait()
	if err != nil {
		return err
	}
	fetcher, err := keysets.NewFetcher(keysets.FetcherConfig{Store: bucket, Allowed: p.trustsIssuer, Logger: p.logger})
	if err != nil {
		return err
	}
	cache, err := keysets.NewCache(keysets.CacheConfig{Source: fetcher.Keys, Logger: p.logger})
	if err != nil {
		return err
	}
	server, err := bus.ServeKeySets(bus.KeySetConfig{
		Conn: p.conn, Subjects: p.subjects, Logger: p.logger,
		Handler: func(ctx context.Context, q bus.KeySetQuery) ([]byte, error) {
			if !p.trustsIssuer(q.Issuer) { // before the cache, so that it holds only what definitions name
				return nil, gateway.Errorf(gateway.CodeForbidden, "no definition of this worker names the issuer")
			}
			set, err := cache.Keys(ctx, keysets.Query{Issuer: q.Issuer, KeyID: q.KeyID})
			if err != nil {
				return nil, err
			}
			return set.Encode()
		},
	})
	if err != nil {
		return err
	}
	p.life.onStop("keys of token issuers", func(context.Context) error {
		cache.Close() // first: what the server answers may wait for it
		server.Close()
		fetcher.Close()
		return nil
	})
	return nil
}

// askKeySet is the Source of the edge's cache.
func (p *process) askKeySet(ctx context.Context, q keysets.Query) (*keysets.Set, error) {
	data, err := p.conn.KeySet(ctx, p.subjects, bus.KeySetQuery{Issuer: q.Issuer, KeyID: q.KeyID})
	if err != nil {
		return nil, err
	}
	return keysets.Decode(data, q.Issuer)
}

// trustsIssuer reports whether a live definition takes tokens of the issuer.
func (p *process) trustsIssuer(issuer string) bool {
	for _, program := range p.live.Load().Programs() {
		if a := program.Authorizer(); a != nil && a.Type() == gateway.AuthorizerJWT && a.Settings().JWTConfiguration.Issuer == issuer {
			return true
		}
	}
	return false
}

// jwtAuthorizer makes a JWT authorizer of an edge.
func (p *process) jwtAuthorizer(a *router.Authorizer) (gateway.Authorizer, error) {
	c := a.Settings().JWTConfiguration
	return jwt.New(jwt.Config{Issuer: c.Issuer, Audience: c.Audience, Identity: a.Identity, Keys: p.keySets})
}
