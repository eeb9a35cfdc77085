package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// keyring is the access keys of the tests.
type keyring map[string]accesskeys.Key

func (k keyring) Key(_ context.Context, id string) (accesskeys.Key, error) {
	if id == "BROKEN" {
		return accesskeys.Key{}, errors.New("no bucket")
	}
	key, ok := k[id]
	if !ok {
		return accesskeys.Key{}, accesskeys.ErrUnknown
	}
	return key, nil
}

var callbackKeys = keyring{
	"ALL":     {ID: "ALL", Secret: "secret-ALL"},
	"CHAT":    {ID: "CHAT", Secret: "secret-CHAT", APIs: []gateway.APIID{"chat"}},
	"OTHER":   {ID: "OTHER", Secret: "secret-OTHER", APIs: []gateway.APIID{"other"}},
	"TWO":     {ID: "TWO", Secret: "secret-TWO", APIs: []gateway.APIID{"chat", "other"}},
	"INVOKER": {ID: "INVOKER", Secret: "secret-INVOKER", Actions: []accesskeys.Action{accesskeys.ActionInvoke}},
}

// signedCall is a callback over real HTTP.
type signedCall struct {
	method, path, body string
	key                string // its secret is "secret-" and its id; "" leaves the call unsigned
	secret             string // another secret
	sent               string // the path that is sent, if it is not the one that is signed
	header             map[string]string
	off                time.Duration // of the caller's clock
}

// do makes the call; path may have {id} in it, for the connection's id as it is.
func (s signedCall) do(t *testing.T, w *world, id gateway.ConnectionID) callbackResult {
	t.Helper()
	at := func(path string) string { return "http://" + w.addr + strings.ReplaceAll(path, "{id}", string(id)) }
	r, err := http.NewRequestWithContext(t.Context(), s.method, at(s.path), strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range s.header {
		r.Header.Set(name, v)
	}
	if s.key != "" {
		if s.secret == "" {
			s.secret = "secret-" + s.key
		}
		sum := sha256.Sum256([]byte(s.body))
		credentials := aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret}
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(sum[:]), "execute-api", "us-east-1", time.Now().Add(s.off)); err != nil {
			t.Fatal(err)
		}
	}
	if s.sent != "" {
		if r.URL, err = url.Parse(at(s.sent)); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Date") == "" {
		t.Error("no Date header, by which SDKs correct their clock") // contract/control-plane.md §1.13
	}
	return callbackResult{res.StatusCode, res.Header.Get("x-amzn-ErrorType"), string(body)}
}

func newSignedWorld(t *testing.T) (*world, *client, *recorder) {
	t.Helper()
	seen := new(recorder)
	w := newWorld(t, chatAPI(), func(c *Config) { c.Callbacks, c.Keys, c.Observe = CallbacksSigned, callbackKeys, seen.observe })
	return w, w.connect(), seen
}

// TestSignedCallbacks pushes to a socket by every form of address that clients sign (contract/websocket-api.md §9.1).
func TestSignedCallbacks(t *testing.T) {
	w, c, _ := newSignedWorld(t)
	for name, call := range map[string]signedCall{
		"@ and =":                       {path: "/chat/dev/@connections/{id}", key: "ALL"},
		"%40 and =":                     {path: "/chat/dev/%40connections/{id}", key: "ALL"},
		"@ and %3D":                     {path: "/chat/dev/@connections/{id}%3D", key: "ALL"},
		"%40 and %3D":                   {path: "/chat/dev/%40connections/{id}%3D", key: "ALL"},
		"two slashes, signed as one":    {path: "/chat/dev/@connections/{id}", sent: "/chat/dev//@connections/{id}", key: "ALL"},
		"without the API":               {path: "/dev/@connections/{id}", key: "ALL"},
		"without the API, by its key":   {path: "/dev/@connections/{id}", key: "CHAT"},
		"without anything":              {path: "/@connections/{id}", key: "CHAT"},
		"by a key of two APIs":          {path: "/chat/dev/@connections/{id}", key: "TWO"},
		"with headers that were signed": {path: "/chat/dev/@connections/{id}", key: "ALL", header: map[string]string{"Content-Type": "application/octet-stream", "Amz-Sdk-Request": "attempt=1;  max=3"}},
		"by a clock four minutes late":  {path: "/chat/dev/@connections/{id}", key: "ALL", off: -4 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			call.method, call.body = http.MethodPost, name
			id := c.id
			if strings.Contains(call.path, "%3D") {
				id = gateway.ConnectionID(strings.TrimSuffix(string(id), "="))
			}
			if got := call.do(t, w, id); got != (callbackResult{Status: http.StatusOK}) {
				t.Fatalf("got %+v", got)
			}
			c.wantText(name)
		})
	}
	if got := (signedCall{method: http.MethodGet, path: "/chat/dev/@connections/{id}", key: "ALL"}).do(t, w, c.id); got.Status != 200 || !strings.HasPrefix(got.Body, `{"connectedAt"`) {
		t.Errorf("GET: %+v", got)
	}
	if got := (signedCall{method: http.MethodDelete, path: "/chat/dev/@connections/{id}?code=4001&reason=good%20bye", key: "ALL"}).do(t, w, c.id); got.Status != 204 {
		t.Errorf("DELETE: %+v", got)
	}
	c.wantClose(4001, "good bye")
}

// TestUnsignedPayload is what the SDK for JavaScript sends of a stream: in chunks, with a signature that leaves them out.
func TestUnsignedPayload(t *testing.T) {
	w, c, _ := newSignedWorld(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.addr+"/chat/dev/@connections/"+string(c.id), io.MultiReader(strings.NewReader("stream")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	credentials := aws.Credentials{AccessKeyID: "ALL", SecretAccessKey: "secret-ALL"}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, "UNSIGNED-PAYLOAD", "execute-api", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	c.wantText("stream")
}

// TestRefusedSignatures is the lower half of the table of contract/websocket-api.md §9.2.
func TestRefusedSignatures(t *testing.T) {
	const path = "/chat/dev/@connections/{id}"
	denied := func(key, resource string) string {
		return `{"Message":"User: ` + callbackKeys[key].ARN() + ` is not authorized to perform: execute-api:ManageConnections on resource: ` +
			`arn:aws:execute-api:us-east-1:********0000:` + resource + `/@connections/{connectionId}"}`
	}
	w, c, seen := newSignedWorld(t)
	for _, test := range []struct {
		name      string
		call      signedCall
		status    int
		errorType string
		body      string // its beginning
	}{
		{"unsigned", signedCall{path: path}, 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"unsigned, of an unknown stage", signedCall{path: "/chat/nowhere/@connections/x"}, 403, "MissingAuthenticationTokenException",
			`{"message":"Missing Authentication Token"}`},
		{"wrong secret", signedCall{path: path, key: "ALL", secret: "guessed"}, 403, "InvalidSignatureException",
			`{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. ` +
				`Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'POST\n/chat/dev/%40connections/` +
				strings.ReplaceAll(string(c.id), "=", "%3D") + `\n\n`},
		{"unknown key", signedCall{path: path, key: "NOBODY"}, 403, "UnrecognizedClientException", `{"message":"The security token included in the request is invalid."}`},
		{"signed for another path", signedCall{path: "/chat/dev/@connections/x", sent: path, key: "ALL"}, 403, "InvalidSignatureException", `{"message":"The request signature`},
		{"encoded after signing", signedCall{path: path, sent: "/chat/dev/%40connections/{id}", key: "ALL"}, 403, "InvalidSignatureException", `{"message":"The request signature`},
		{"query added", signedCall{path: path, sent: path + "?code=4001", key: "ALL"}, 403, "InvalidSignatureException", `{"message":"The request signature`},
		{"old", signedCall{path: path, key: "ALL", off: -6 * time.Minute}, 403, "InvalidSignatureException", `{"message":"Signature expired: `},
		{"of the future", signedCall{path: path, key: "ALL", off: 6 * time.Minute}, 403, "InvalidSignatureException", `{"message":"Signature not yet current: `},
		{"bearer", signedCall{path: path, header: map[string]string{"Authorization": "Bearer s3cret"}}, 403, "IncompleteSignatureException",
			`{"message":"Authorization header requires 'Credential' parameter. `},
		{"key of another API", signedCall{path: path, key: "OTHER"}, 403, "AccessDeniedException", denied("OTHER", "chat/dev/POST")},
		{"key of another action", signedCall{path: path, key: "INVOKER"}, 403, "AccessDeniedException", denied("INVOKER", "chat/dev/POST")},
		{"key of two APIs, none in the address", signedCall{path: "/@connections/{id}", key: "TWO"}, 403, "AccessDeniedException", denied("TWO", "*/*/POST")},
		{"key of another API, none in the address", signedCall{path: "/@connections/{id}", key: "OTHER"}, 410, "GoneException", ""},
		{"unknown stage", signedCall{path: "/chat/nowhere/@connections/{id}", key: "ALL"}, 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"malformed id", signedCall{path: "/chat/dev/@connections/x", key: "ALL"}, 400, "BadRequestException", `{"message":"Invalid connectionId: x"}`},
		{"keys out of reach", signedCall{path: path, key: "BROKEN"}, 503, "ServiceUnavailableException", `{"message":"Service Unavailable"}`},
		{"another method", signedCall{method: http.MethodPut, path: path, key: "ALL"}, 403, "ForbiddenException", `{"message":"Forbidden"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.call.method == "" {
				test.call.method = http.MethodPost
			}
			test.call.body = "x"
			got := test.call.do(t, w, c.id)
			if got.Status != test.status || got.ErrorType != test.errorType || !strings.HasPrefix(got.Body, test.body) {
				t.Errorf("got %+v", got)
			}
		})
	}
	if got := (signedCall{method: http.MethodPost, path: path, key: "ALL", body: "still here"}).do(t, w, c.id); got.Status != 200 {
		t.Errorf("got %+v", got)
	}
	c.wantText("still here") // and nothing before
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, record := range seen.records {
		if text := record.Error + record.Path; strings.Contains(text, "s3cret") || strings.Contains(text, "Canonical") || strings.Contains(text, "secret-") {
			t.Errorf("told %+v", record)
		}
	}
}

// TestPresignedCallback: a link does it too, within its time and for its method.
func TestPresignedCallback(t *testing.T) {
	w, c, _ := newSignedWorld(t)
	target := "http://" + w.addr + "/chat/dev/@connections/" + string(c.id) + "?X-Amz-Expires=60"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := sha256.Sum256(nil)
	credentials := aws.Credentials{AccessKeyID: "CHAT", SecretAccessKey: "secret-CHAT"}
	link, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hex.EncodeToString(empty[:]), "execute-api", "us-east-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	link = strings.TrimPrefix(link, "http://"+w.addr)
	if got := (signedCall{method: http.MethodGet, path: link}).do(t, w, c.id); got.Status != http.StatusOK {
		t.Errorf("got %+v", got)
	}
	if got := (signedCall{method: http.MethodDelete, path: link}).do(t, w, c.id); got.ErrorType != "InvalidSignatureException" {
		t.Errorf("got %+v for another method", got)
	}
}

// endless is a body that must not be read to the end.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) { e.read += len(b); return len(b), nil }
func (e *endless) Close() error               { return nil }

// TestStrangersBodyIsNotRead: who has no key can't make the edge hold megabytes.
func TestStrangersBodyIsNotRead(t *testing.T) {
	world := newCallbackWorld(t)
	verifier, err := newCallbackVerifier(&Config{Callbacks: CallbacksSigned, Keys: callbackKeys})
	if err != nil {
		t.Fatal(err)
	}
	world.cfg.Policy, world.cfg.Verifier = CallbacksSigned, verifier
	body := new(endless)
	r, err := http.NewRequest(http.MethodPost, "http://any/chat/dev/@connections/"+string(world.local), body)
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI = r.URL.RequestURI()
	if got := world.do(t, r); got.ErrorType != "MissingAuthenticationTokenException" || body.read > 0 {
		t.Errorf("read %d bytes, then %+v", body.read, got)
	}
	if record := world.seen.one(t); record.Code != gateway.CodeForbidden || record.Kind != event.KindCallback || record.Error != "Missing Authentication Token" {
		t.Errorf("record %+v", record)
	}
}

func TestSignedCallbacksNeedKeys(t *testing.T) {
	w := prepareWorld(t, chatAPI())
	cfg := w.Server.cfg
	cfg.Callbacks = CallbacksSigned
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "Config.Keys") {
		t.Errorf("error %v", err)
	}
}

// TestCloseByQuery: DELETE takes code and reason as parameters too, which win over the headers.
func TestCloseByQuery(t *testing.T) {
	for query, want := range map[string]string{
		"?code=4001&reason=b%20ye": `delete chat dev AAAAbbbbbbbbbbb= 4001 "b ye"`,
		"?code=4001":               `delete chat dev AAAAbbbbbbbbbbb= 4001 "head"`,
		"?reason=":                 `delete chat dev AAAAbbbbbbbbbbb= 4002 ""`,
		"?other=1":                 `delete chat dev AAAAbbbbbbbbbbb= 4002 "head"`,
		"?code=soon":               "code is not a number",
	} {
		world := newCallbackWorld(t)
		r, err := http.NewRequest(http.MethodDelete, "http://any/chat/dev/@connections/"+string(world.local)+query, bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sallyport-Close-Code", "4002")
		r.Header.Set("Sallyport-Close-Reason", "head")
		got := world.do(t, r)
		if text := strings.Join(world.here.calls, "") + got.Body; !strings.Contains(text, want) {
			t.Errorf("%s: %+v, calls %q", query, got, world.here.calls)
		}
	}
}

// TestEventQuery: the signature of a presigned handshake is no business of the backend (contract/control-plane.md §3.10).
func TestEventQuery(t *testing.T) {
	const query = "room=a%20b&X-Amz-Signature=0f&X-Amz-Date=20260101T000000Z&last"
	for authorizer, want := range map[string]string{"": query, gateway.AuthorizerNone: query, gateway.AuthorizerIAM: "room=a%20b&last"} {
		program := compileChat(t, chatAPI(func(a *gateway.API) { a.Routes[gateway.RouteConnect].Authorizer = authorizer }))
		if got := (&handshake{program: program, query: query}).eventQuery(); got != want {
			t.Errorf("authorizer %q: %q, want %q", authorizer, got, want)
		}
	}
}
