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
	w := newWorld(t, chatAPI(func(a *gateway.API) { a.Routes[gateway.RouteConnect].Authorizer = gateway.AuthorizerIAM }), func(c *Config) {
		c.Authorizers = func(*router.Program, *router.Authorizer) (gateway.Authorizer, error) { return authorizer, nil }
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
	if _, status, body := w.knock(upgradeRequest(presign("CHAT", target))); status != http.StatusSwitchingProtocols {
		t.Fatalf("%d %s", status, body)
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
