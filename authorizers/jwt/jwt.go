package jwt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport/authorizers/keysets"
	"github.com/sallyport/sallyport/gateway"
)

// algorithms are the signatures that are taken: Amazon's RS family, and EC and Edwards curves beyond it. A symmetric one
// would turn a public key into a secret (RFC 8725 §2.1), so HS and none are never in this list.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// maxKeyIDBytes bounds a kid, which the client chooses, before anybody is asked for it: a question that is too long would
// fail, and others wait for the next one. Issuers' are hashes or names.
const maxKeyIDBytes = 1 << 10

// Keys finds the keys of issuers: *keysets.Cache.
type Keys interface {
	Keys(ctx context.Context, q keysets.Query) (*keysets.Set, error)
}

// Config says which tokens an Authorizer takes. All but Now is required.
type Config struct {
	// Issuer is what iss must be, exactly.
	Issuer string
	// Audience lists the values of which aud must have one; client_id is asked where there is no aud.
	Audience []string
	// Identity returns the values of the identity sources that are there, in their order: (*router.Authorizer).Identity.
	Identity func(*gateway.Event) ([]string, error)
	// Keys is shared by the authorizers of a process.
	Keys Keys
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Authorizer is a JWT authorizer. It may be used concurrently.
type Authorizer struct {
	config Config
	oidc   *oidc.Config
}

var _ gateway.Authorizer = (*Authorizer)(nil)

// New returns an Authorizer.
func New(c Config) (*Authorizer, error) {
	if c.Issuer == "" || len(c.Audience) == 0 || c.Identity == nil || c.Keys == nil {
		return nil, errors.New("authorizers/jwt: a field of Config is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &Authorizer{config: c}
	names := make([]string, len(algorithms))
	for i, alg := range algorithms {
		names[i] = string(alg)
	}
	// The audience has a rule of its own here (client_id), so the library does not check it.
	a.oidc = &oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: names, Now: c.Now}
	return a, nil
}

// Authorize checks the first token of the identity sources. The error's code is CodeUnauthorized, or CodeInternal where the
// issuer's keys can't be had. No error holds any of the token.
func (a *Authorizer) Authorize(ctx context.Context, r *gateway.AuthorizationRequest) (*gateway.Authorization, error) {
	values, err := a.config.Identity(r.Event)
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		if token := Token(value); token != "" {
			return a.Verify(ctx, token)
		}
	}
	return nil, unauthorized("there is no token")
}

// Verify checks a token, bare or with "Bearer " before it. Its errors are those of Authorize.
func (a *Authorizer) Verify(ctx context.Context, token string) (*gateway.Authorization, error) {
	if token = Token(token); token == "" {
		return nil, unauthorized("the token has not the form of one")
	}
	keys := &signature{config: &a.config}
	verified, err := oidc.NewVerifier(a.config.Issuer, keys, a.oidc).Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case err == nil:
		return a.judge(verified)
	case keys.fault != nil:
		return nil, keys.fault
	case errors.As(err, &expired):
		return nil, unauthorized("the token has expired, or has no exp")
	}
	// The library's texts may quote the token, so ours says less.
	return nil, unauthorized("the token is malformed, or its algorithm, signature or issuer is wrong")
}

// signature is go-oidc's KeySet for one token. It remembers its error, which the library turns into a text.
type signature struct {
	config *Config
	fault  *gateway.Error
}

// VerifySignature checks the signature with the key that the token names and returns its payload.
func (s *signature) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, fault := s.verify(ctx, token)
	if fault != nil {
		s.fault = fault
		return nil, fault
	}
	return payload, nil
}

func (s *signature) verify(ctx context.Context, token string) ([]byte, *gateway.Error) {
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, unauthorized("the token is malformed, or signed by an algorithm that is not taken")
	}
	header := jws.Signatures[0].Protected
	if header.KeyID == "" || len(header.KeyID) > maxKeyIDBytes {
		return nil, unauthorized("the token names no key")
	}
	set, err := s.config.Keys.Keys(ctx, keysets.Query{Issuer: s.config.Issuer, KeyID: header.KeyID})
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(fmt.Errorf("authorizers/jwt: keys of %s: %w", s.config.Issuer, err))
	}
	key, ok := set.Key(header.KeyID)
	switch {
	case !ok:
		return nil, unauthorized("the issuer has no key of the token's kid")
	case key.Algorithm != "" && key.Algorithm != header.Algorithm:
		return nil, unauthorized("the token's algorithm is not that of its key")
	}
	payload, err := jws.Verify(key.Key)
	if err != nil {
		return nil, unauthorized("the token's signature is wrong")
	}
	return payload, nil
}

func unauthorized(reason string) *gateway.Error {
	return gateway.Errorf(gateway.CodeUnauthorized, "Unauthorized").Because(errors.New("authorizers/jwt: " + reason))
}

// judge checks what the library does not, or checks less strictly, and makes the consent.
func (a *Authorizer) judge(t *oidc.IDToken) (*gateway.Authorization, error) {
	c, err := readClaims(t)
	if err != nil {
		return nil, unauthorized("the token's claims can't be read")
	}
	now := a.config.Now()
	switch {
	case t.Issuer != a.config.Issuer: // the library lets Google's two spellings pass
		return nil, unauthorized("the token is of another issuer")
	case !t.Expiry.After(now):
		return nil, unauthorized("the token has expired")
	case c.NotBefore != nil && c.NotBefore.time().After(now):
		return nil, unauthorized("the token is not valid yet")
	case t.IssuedAt.After(now):
		return nil, unauthorized("the token was issued in the future")
	case len(t.Audience) > 0 && !slices.ContainsFunc(t.Audience, a.accepts):
		return nil, unauthorized("the token is for another audience")
	case len(t.Audience) == 0 && !a.accepts(c.ClientID):
		return nil, unauthorized("the token is for another client")
	}
	flat, err := c.flat(t.Subject)
	if err != nil {
		return nil, unauthorized("the token's claims can't be read")
	}
	return &gateway.Authorization{Context: flat, Scopes: c.scopes(), ExpiresAt: t.Expiry}, nil
}

func (a *Authorizer) accepts(audience string) bool {
	return slices.Contains(a.config.Audience, audience)
}
