package test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// tokenIssuer is an issuer over HTTP with one key, and what signs its tokens.
func tokenIssuer(t *testing.T) (*httptest.Server, func(change map[string]any) string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	options := (&jose.SignerOptions{}).WithHeader("kid", "k1")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, options)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	answer := func(path string, v any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	answer("/.well-known/openid-configuration", map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/keys"})
	answer("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "k1", Use: "sig"}}})
	return server, func(change map[string]any) string {
		claims := map[string]any{"iss": server.URL, "sub": "ann", "aud": "chat", "scope": "chat", "exp": time.Now().Add(time.Hour).Unix()}
		maps.Copy(claims, change)
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

// TestJWTAuthorizer: tokens of a real issuer open connections, from each place where a client can put one.
func TestJWTAuthorizer(t *testing.T) {
	issuer, token := tokenIssuer(t)
	g := startGateway(t, map[string]string{"chat.yaml": `
name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
authorizers:
  users:
    type: JWT
    identitySource: [route.request.querystring.token, route.request.header.Authorization, route.request.header.Sec-WebSocket-Protocol]
    jwtConfiguration: {issuer: "` + issuer.URL + `", audience: [chat]}
routes:
  $connect: {authorizer: users, authorizationScopes: [chat]}
  who: {integration: {type: NATS}}
stages: {dev: {}}
`}, nil)
	for _, c := range []struct {
		name, query, header, value string
		want                       int
	}{
		{"no token", "", "", "", 401},
		{"query", "?token=" + token(nil), "", "", 101},
		{"Authorization", "", "Authorization", "Bearer " + token(nil), 101},
		{"subprotocols", "", "Sec-WebSocket-Protocol", "chat.v1, bearer, " + token(nil), 101},
		{"another audience", "?token=" + token(map[string]any{"aud": "shop"}), "", "", 401},
		{"expired", "?token=" + token(map[string]any{"exp": 1}), "", "", 401},
		{"without the scope", "?token=" + token(map[string]any{"scope": "shop"}), "", "", 403},
	} {
		header := http.Header{}
		if c.header != "" {
			header.Set(c.header, c.value)
		}
		if _, got := knock(t, g, "/chat/dev"+c.query, header); got != c.want {
			t.Errorf("%s: the client saw %d, want %d", c.name, got, c.want)
		}
	}
	issuer.Close() // cached keys go on
	if _, got := knock(t, g, "/chat/dev?token="+token(nil), nil); got != 101 {
		t.Errorf("while the issuer is down the client saw %d, want 101", got)
	}
}
