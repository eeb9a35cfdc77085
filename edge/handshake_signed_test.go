package edge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sallyport/sallyport/authorizers/iam"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// TestSignedHandshakes: what a presigned URL gets (contract/websocket-api.md §4.2, §10.2), and what its backend sees.
func TestSignedHandshakes(t *testing.T) {
	authorizer, err := iam.New(iam.Config{Keys: callbackKeys})
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10)
	w := newWorld(t, chatAPI(func(a *gateway.API) {
		a.Routes[gateway.RouteConnect].Authorizer = gateway.AuthorizerIAM
		a.KeepHandshake = []gateway.HandshakePart{gateway.HandshakeHeaders, gateway.HandshakeQuery}
		a.Stages["dev"].AccessLog = &gateway.AccessLogSettings{Format: "$context.status $context.requestId $context.rawQueryString"}
	}), func(c *Config) {
		c.Authorizers = func(*router.Program, *router.Authorizer) (gateway.Authorizer, error) { return authorizer, nil }
		c.AccessLog = func(_ string, line []byte) { lines <- string(line) }
	})
	presign := func(key, target string) string {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://test.local:8080"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		empty := sha256.Sum256(nil)
		credentials := aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret-" + key}
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hex.EncodeToString(empty[:]), "execute-api", "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(signed, "http://test.local:8080")
	}
	const target = "/chat/dev?room=a%20b&X-Amz-Expires=60"
	for name, path := range map[string]string{
		"unsigned": "/chat/dev?room=1", "changed": strings.Replace(presign("ALL", target), "room=a", "room=b", 1),
		"unknown key": presign("NOBODY", target), "key of another API": presign("OTHER", target),
	} {
		if _, status, body := w.knock(upgradeRequest(path)); status != http.StatusForbidden || body != `{"message":"Forbidden"}` {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for range 4 {
		<-lines // of the refused
	}
	if _, status, body := w.knock(upgradeRequest(presign("CHAT", target))); status != http.StatusSwitchingProtocols {
		t.Fatalf("%d %s", status, body)
	}
	// The signature is good for a minute: it is told to nobody.
	if got := <-lines; !strings.HasPrefix(got, "200 ") || !strings.HasSuffix(got, " room=a%20b\n") {
		t.Errorf("the access log says %q", got)
	}
	var seen struct {
		RawQueryString string `json:"rawQueryString"`
	}
	ev := w.sender.next(t, gateway.RouteConnect)
	if err := json.Unmarshal(ev.Context, &seen); err != nil {
		t.Fatal(err)
	}
	if seen.RawQueryString != "room=a%20b" || strings.Contains(string(ev.Context), "X-Amz-") {
		t.Errorf("the backend sees %s", ev.Context)
	}
	if !strings.Contains(string(ev.Context), callbackKeys["CHAT"].ARN()) {
		t.Errorf("no caller in %s", ev.Context)
	}
}

// TestSignedHandshakeHeaders: the signature in headers, over everything that the client sends, and what is left of it.
func TestSignedHandshakeHeaders(t *testing.T) {
	authorizer, err := iam.New(iam.Config{Keys: callbackKeys})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, chatAPI(func(a *gateway.API) {
		a.Routes[gateway.RouteConnect].Authorizer = gateway.AuthorizerIAM
		a.KeepHandshake = []gateway.HandshakePart{gateway.HandshakeHeaders}
	}), func(c *Config) {
		c.Authorizers = func(*router.Program, *router.Authorizer) (gateway.Authorizer, error) { return authorizer, nil }
	})
	r, err := http.NewRequest(http.MethodGet, "http://test.local:8080/chat/dev", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Names that events don't have.
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Status": {"1"}, "X-Tenant": {"acme"}}
	empty := sha256.Sum256(nil)
	credentials := aws.Credentials{AccessKeyID: "CHAT", SecretAccessKey: "secret-CHAT"}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(empty[:]), "execute-api", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if signed := r.Header.Get("Authorization"); !strings.Contains(signed, "connection;") || !strings.Contains(signed, "status;") {
		t.Fatalf("the signer left headers out: %s", signed)
	}
	var lines []string
	for _, name := range []string{"Authorization", "X-Amz-Date", "Status", "X-Tenant"} {
		lines = append(lines, name+": "+r.Header.Get(name))
	}
	c := w.connectWith(t, lines...)
	c.say(`{"action":"say"}`)
	for _, route := range []gateway.RouteKey{gateway.RouteConnect, "say"} {
		ev := w.sender.next(t, route)
		if ev.Header.Get("X-Tenant") != "acme" || ev.Header.Get("Authorization") != "" {
			t.Errorf("%s has the headers %v", route, ev.Header)
		}
	}
}

// connectWith is connect for those who look at the $connect event themselves.
func (w *world) connectWith(t *testing.T, lines ...string) *client {
	t.Helper()
	c, status, body := w.knock(upgradeRequest("/chat/dev", lines...))
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %d %s", status, body)
	}
	return c
}
