package jwt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/authorizers/jwt"
	"github.com/sallyport/sallyport/authorizers/keysets"
	"github.com/sallyport/sallyport/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Unix(1_800_000_000, 0)

type noStore struct{}

func (noStore) Get(context.Context, string) ([]byte, error) { return nil, errors.New("nothing stored") }
func (noStore) Put(context.Context, string, []byte) error   { return nil }

// issuer signs tokens and gives its public keys over HTTP.
type issuer struct {
	*httptest.Server
	private map[string]crypto.Signer
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{private: map[string]crypto.Signer{}}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	i.private["rsa"] = must(t, r, err)
	for kid, curve := range map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()} {
		e, err := ecdsa.GenerateKey(curve, rand.Reader)
		i.private[kid] = must(t, e, err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	i.private["ed"] = must(t, ed, err)
	var set jose.JSONWebKeySet
	for kid, key := range i.private {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
	}
	set.Keys = append(set.Keys, jose.JSONWebKey{Key: r.Public(), KeyID: "rs256 only", Use: "sig", Algorithm: "RS256"})
	i.private["rs256 only"] = r
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	serve := func(path string, v any) {
		data, err := json.Marshal(v)
		data = must(t, data, err)
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if _, err := w.Write(data); err != nil {
				t.Log(err)
			}
		})
	}
	serve("/.well-known/openid-configuration", map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	serve("/keys", set)
	return i
}

func (i *issuer) claims(change map[string]any) map[string]any {
	c := map[string]any{"iss": i.URL, "sub": "u1", "aud": "chat", "exp": now.Unix() + 60, "iat": now.Unix()}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (i *issuer) sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	s = must(t, s, err)
	data, err := json.Marshal(claims)
	signed, err2 := s.Sign(must(t, data, err))
	token, err := must(t, signed, err2).CompactSerialize()
	return must(t, token, err)
}

func (i *issuer) token(t testing.TB, change map[string]any) string {
	t.Helper()
	return i.sign(t, jose.RS256, i.private["rsa"], "rsa", i.claims(change))
}

func (i *issuer) authorizer(t testing.TB, values ...string) *jwt.Authorizer {
	t.Helper()
	clock := func() time.Time { return now }
	f, err := keysets.NewFetcher(keysets.FetcherConfig{Store: noStore{}, Allowed: func(string) bool { return true }, Now: clock})
	f = must(t, f, err)
	t.Cleanup(f.Close)
	c, err := keysets.NewCache(keysets.CacheConfig{Source: f.Keys, Now: clock})
	c = must(t, c, err)
	t.Cleanup(c.Close)
	a, err2 := jwt.New(jwt.Config{
		Issuer: i.URL, Audience: []string{"web", "chat"}, Keys: c, Now: clock,
		Identity: func(*gateway.Event) ([]string, error) { return values, nil },
	})
	return must(t, a, err2)
}

// refused checks the code, and that no part of the token is shown.
func refused(t *testing.T, a *jwt.Authorizer, token string, code gateway.Code) {
	t.Helper()
	got, err := a.Verify(t.Context(), token)
	if gateway.ErrorCode(err) != code {
		t.Fatalf("%+v, %v; want %s", got, err, code)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 4 && strings.Contains(err.Error(), part) {
			t.Errorf("the error shows the token: %v", err)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	i := newIssuer(t)
	a := i.authorizer(t)
	for alg, kid := range map[jose.SignatureAlgorithm]string{
		jose.RS256: "rsa", jose.RS384: "rsa", jose.RS512: "rsa", jose.ES256: "p256", jose.ES384: "p384", jose.ES512: "p521", jose.EdDSA: "ed",
	} {
		if _, err := a.Verify(t.Context(), i.sign(t, alg, i.private[kid], kid, i.claims(nil))); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestRefusedSignatures(t *testing.T) {
	i := newIssuer(t)
	a := i.authorizer(t)
	other := newIssuer(t)
	part := func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) }
	payload := strings.Split(i.token(t, nil), ".")[1]
	public, err := json.Marshal(jose.JSONWebKey{Key: i.private["rsa"].Public()})
	public = must(t, public, err)
	good := strings.Split(i.token(t, nil), ".")
	for name, token := range map[string]string{
		"HS256 with the public key":  i.sign(t, jose.HS256, public, "rsa", i.claims(nil)),
		"none":                       part(`{"alg":"none","kid":"rsa"}`) + "." + payload + ".AA",
		"none without signature":     part(`{"alg":"none","kid":"rsa"}`) + "." + payload + ".",
		"PS256":                      i.sign(t, jose.PS256, i.private["rsa"], "rsa", i.claims(nil)),
		"another's key":              i.sign(t, jose.RS256, other.private["rsa"], "rsa", i.claims(nil)),
		"unknown kid":                i.sign(t, jose.RS256, i.private["rsa"], "invented", i.claims(nil)),
		"a kid without end":          i.sign(t, jose.RS256, i.private["rsa"], strings.Repeat("k", 2000), i.claims(nil)),
		"no kid":                     i.sign(t, jose.RS256, i.private["rsa"], "", i.claims(nil)),
		"a key of another kind":      i.sign(t, jose.RS256, i.private["rsa"], "p256", i.claims(nil)),
		"an algorithm not the key's": i.sign(t, jose.RS512, i.private["rsa"], "rs256 only", i.claims(nil)),
		"other claims":               good[0] + "." + part(`{"iss":"x"}`) + "." + good[2],
		"no token":                   "opaque-token-value",
		"JSON":                       `{"payload":"x"}`,
		"too long":                   good[0] + "." + strings.Repeat("A", jwt.MaxTokenBytes) + "." + good[2],
		"empty":                      "",
	} {
		t.Run(name, func(t *testing.T) { refused(t, a, token, gateway.CodeUnauthorized) })
	}
}

func TestClaims(t *testing.T) {
	i := newIssuer(t)
	a := i.authorizer(t)
	for name, c := range map[string]struct {
		change map[string]any
		ok     bool
	}{
		"as usual":              {nil, true},
		"one of the audiences":  {map[string]any{"aud": []string{"x", "web"}}, true},
		"client_id":             {map[string]any{"aud": nil, "client_id": "chat"}, true},
		"aud before client_id":  {map[string]any{"aud": "x", "client_id": "chat"}, false},
		"another client_id":     {map[string]any{"aud": nil, "client_id": "x"}, false},
		"neither":               {map[string]any{"aud": nil}, false},
		"another issuer":        {map[string]any{"iss": "https://evil.example.com"}, false},
		"issuer with a slash":   {map[string]any{"iss": i.URL + "/"}, false},
		"no issuer":             {map[string]any{"iss": nil}, false},
		"expired":               {map[string]any{"exp": now.Unix() - 1}, false},
		"expires now":           {map[string]any{"exp": now.Unix()}, false},
		"no exp":                {map[string]any{"exp": nil}, false},
		"not yet":               {map[string]any{"nbf": now.Unix() + 1}, false},
		"since now":             {map[string]any{"nbf": now.Unix()}, true},
		"from the future":       {map[string]any{"iat": now.Unix() + 1}, false},
		"without iat":           {map[string]any{"iat": nil}, true},
		"nbf of the wrong type": {map[string]any{"nbf": "soon"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			token := i.token(t, c.change)
			if !c.ok {
				refused(t, a, token, gateway.CodeUnauthorized)
			} else if _, err := a.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestConsent(t *testing.T) {
	i := newIssuer(t)
	got, err := i.authorizer(t).Verify(t.Context(), i.token(t, map[string]any{
		"scope": "read write", "admin": true, "groups": []string{"a", "b"}, "n": nil, "principalId": "forged",
	}))
	got = must(t, got, err)
	var context map[string]string
	if err := json.Unmarshal(got.Context, &context); err != nil {
		t.Fatalf("the context is not flat: %v: %s", err, got.Context)
	}
	want := map[string]string{
		"principalId": "u1", "sub": "u1", "iss": i.URL, "aud": "chat", "exp": "1800000060", "iat": "1800000000",
		"scope": "read write", "admin": "true", "groups": "[a b]",
	}
	if !maps.Equal(context, want) {
		t.Errorf("context %v, want %v", context, want)
	}
	if !slices.Equal(got.Scopes, []string{"read", "write"}) || !got.ExpiresAt.Equal(now.Add(time.Minute)) {
		t.Errorf("scopes %v, end %v", got.Scopes, got.ExpiresAt)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		want   []string
	}{
		"scp text": {map[string]any{"scp": "a b"}, []string{"a", "b"}},
		"scp list": {map[string]any{"scp": []string{"a", "b"}}, []string{"a", "b"}},
		"none":     {nil, []string{}},
	} {
		got, err := i.authorizer(t).Verify(t.Context(), i.token(t, c.claims))
		if got = must(t, got, err); got.Scopes == nil || !slices.Equal(got.Scopes, c.want) {
			t.Errorf("%s: %#v", name, got.Scopes)
		}
	}
}

func TestSources(t *testing.T) {
	i := newIssuer(t)
	token := i.token(t, nil)
	for name, values := range map[string][]string{
		"bare": {token}, "Bearer": {"Bearer " + token}, "bearer": {"bearer " + token}, "second source": {"chat.v1, json", token},
		"subprotocol list": {"bearer, " + token}, "beside others": {"chat.v1, bearer, " + token + ", json"},
		"subprotocol": {"token." + token}, "subprotocol beside others": {"json,token." + token},
	} {
		if _, err := i.authorizer(t, values...).Authorize(t.Context(), &gateway.AuthorizationRequest{Event: &gateway.Event{}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, values := range map[string][]string{
		"nothing": nil, "Basic": {"Basic " + token}, "no token": {"bearer, "}, "a list without a mark": {"json, " + token}, "words": {"a b c"},
	} {
		if _, err := i.authorizer(t, values...).Authorize(t.Context(), &gateway.AuthorizationRequest{Event: &gateway.Event{}}); gateway.ErrorCode(err) != gateway.CodeUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIssuerDown(t *testing.T) {
	i := newIssuer(t)
	warm, cold, token := i.authorizer(t), i.authorizer(t), i.token(t, nil)
	if _, err := warm.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	i.Close()
	if _, err := warm.Verify(t.Context(), token); err != nil {
		t.Errorf("cached keys do not serve: %v", err)
	}
	refused(t, cold, token, gateway.CodeInternal)
}

func FuzzToken(f *testing.F) {
	for _, seed := range []string{"a.b.c", "Bearer a.b.c", "bearer, a.b.c", "token.a.b.c, json", "a.b.", ",,,", "token."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token := jwt.Token(value)
		if token == "" {
			return
		}
		if !strings.Contains(value, token) || strings.Count(token, ".") != 2 || strings.ContainsAny(token, ", \t\r\n\x00") {
			t.Errorf("Token(%q) = %q", value, token)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	i := newIssuer(b)
	a, token := i.authorizer(b), i.token(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
