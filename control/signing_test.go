package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/gateway"
)

// keyring is a store of access keys without NATS.
type keyring struct {
	mu   sync.Mutex
	keys map[string]accesskeys.Key
}

func newKeyring(keys ...accesskeys.Key) *keyring {
	k := &keyring{keys: map[string]accesskeys.Key{}}
	for _, key := range keys {
		k.keys[key.ID] = key
	}
	return k
}

func (k *keyring) Key(_ context.Context, id string) (accesskeys.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.keys[id]; ok {
		return key, nil
	}
	return accesskeys.Key{}, accesskeys.ErrUnknown
}

func (k *keyring) List(context.Context) ([]accesskeys.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var keys []accesskeys.Key
	for _, key := range k.keys {
		if key.Secret = ""; !key.Root {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (k *keyring) Create(_ context.Context, r accesskeys.Request) (accesskeys.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := accesskeys.Key{ID: "MADE", Secret: "made secret", Description: r.Description, APIs: r.APIs, Actions: r.Actions}
	k.keys[key.ID] = key
	return key, nil
}

func (k *keyring) Delete(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.keys[id]; !ok {
		return gateway.Errorf(gateway.CodeNotFound, "there is no such access key")
	}
	delete(k.keys, id)
	return nil
}

func signedServer(t *testing.T) *running {
	t.Helper()
	keys := newKeyring(
		accesskeys.Key{ID: "ROOT", Secret: "root secret", Root: true},
		accesskeys.Key{ID: "CHAT", Secret: "chat secret", APIs: []gateway.APIID{"chat"}},
		accesskeys.Key{ID: "PUSH", Secret: "push secret", Actions: []accesskeys.Action{accesskeys.ActionManageConnections}},
		accesskeys.Key{ID: "BOSS", Secret: "boss secret", Actions: []accesskeys.Action{accesskeys.ActionManage}},
	)
	return start(t, Config{Keys: keys, AccessKeys: keys, Connections: listOf(), Subscribe: newEvents().subscribe})
}

func (r *running) clientAs(t *testing.T, id, secret string) *Client {
	t.Helper()
	c, err := NewClient(ClientConfig{Admin: r.url, Credentials: Credentials{id, secret}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestUnsignedManagementIsRefused(t *testing.T) {
	for name, r := range map[string]*running{"with keys": signedServer(t), "without any": start(t, Config{Connections: listOf()})} {
		for _, c := range [][2]string{{"GET", "/v1/connections"}, {"GET", "/v1/tail"}, {"GET", pathAccessKeys}, {"POST", pathAccessKeys}, {"DELETE", pathAccessKeys + "/CHAT"}} {
			status, body, header := r.ask(t, c[0], c[1])
			if status != 403 || header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" || message(t, body) != "Missing Authentication Token" {
				t.Errorf("%s: %s %s: %d %s", name, c[0], c[1], status, body)
			}
		}
	}
	if err := signedServer(t).client(t).List(t.Context(), ConnectionFilter{}, nil); err == nil || !strings.Contains(err.Error(), accesskeys.EnvRootID) {
		t.Errorf("a client without credentials is told %v", err)
	}
}

func TestSignedManagement(t *testing.T) {
	r := signedServer(t)
	chat := ConnectionFilter{API: "chat"}
	for _, c := range []struct {
		name, id, secret string
		filter           ConnectionFilter
		says             string // of the refusal; empty for none
	}{
		{"root", "ROOT", "root secret", ConnectionFilter{}, ""},
		{"management key", "BOSS", "boss secret", chat, ""},
		{"wrong secret", "ROOT", "guess", chat, "the gateway refused the signature"},
		{"unknown key", "NONE", "x", chat, "does not know the access key"},
		{"key for callbacks", "PUSH", "push secret", chat, "is not authorized to perform: sallyport:Manage"},
		{"API key at its API", "CHAT", "chat secret", chat, ""},
		{"API key at another", "CHAT", "chat secret", ConnectionFilter{API: "shop"}, "is not authorized"},
		{"API key at all", "CHAT", "chat secret", ConnectionFilter{}, "is not authorized"},
	} {
		err := r.clientAs(t, c.id, c.secret).List(t.Context(), c.filter, func(gateway.ConnectionStatus) bool { return true })
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && gateway.ErrorCode(err) != gateway.CodeForbidden {
			t.Errorf("%s: code %s", c.name, gateway.ErrorCode(err))
		}
	}
}

func TestAccessKeysOverHTTP(t *testing.T) {
	r := signedServer(t)
	root := r.clientAs(t, "ROOT", "root secret")
	made, err := root.CreateAccessKey(t.Context(), AccessKeyRequest{Description: "ci", APIs: []gateway.APIID{"chat"}, Actions: []accesskeys.Action{accesskeys.ActionInvoke}})
	if err != nil || made.ID != "MADE" || made.Secret != "made secret" || made.APIs[0] != "chat" || made.Actions[0] != accesskeys.ActionInvoke {
		t.Fatalf("created %+v, %v", made, err)
	}
	list, err := root.AccessKeys(t.Context())
	if err != nil || len(list) != 4 {
		t.Errorf("list %v, %v", list, err)
	}
	for _, k := range list {
		if k.Secret != "" {
			t.Errorf("the list tells the secret of %s", k.ID)
		}
	}
	if err := root.DeleteAccessKey(t.Context(), "MADE"); err != nil {
		t.Error(err)
	}
	if err := root.DeleteAccessKey(t.Context(), "MADE"); gateway.ErrorCode(err) != gateway.CodeNotFound {
		t.Errorf("a second deletion: %v", err)
	}
}

// No key makes or removes what is beyond itself.
func TestAccessKeysDoNotGrow(t *testing.T) {
	r := signedServer(t)
	boss := r.clientAs(t, "BOSS", "boss secret")
	for _, actions := range [][]accesskeys.Action{nil, {accesskeys.ActionInvoke}, {accesskeys.ActionManage, accesskeys.ActionInvoke}} {
		if _, err := boss.CreateAccessKey(t.Context(), AccessKeyRequest{Actions: actions}); gateway.ErrorCode(err) != gateway.CodeForbidden {
			t.Errorf("a management key made one for %v: %v", actions, err)
		}
	}
	if _, err := boss.CreateAccessKey(t.Context(), AccessKeyRequest{Actions: []accesskeys.Action{accesskeys.ActionManage}}); err != nil {
		t.Errorf("a key like itself: %v", err)
	}
	chat := r.clientAs(t, "CHAT", "chat secret")
	for _, query := range []string{"", "?api=chat"} { // naming its API opens nothing that belongs to no API
		err := chat.answer(t.Context(), call{method: http.MethodGet, path: pathAccessKeys + query}, nil)
		if err == nil {
			t.Errorf("a key of one API listed the access keys with %q", query)
		}
	}
	if err := chat.DeleteAccessKey(t.Context(), "BOSS"); gateway.ErrorCode(err) != gateway.CodeForbidden {
		t.Errorf("a key of one API removed another: %v", err)
	}
}

func TestAccessKeyRequestsAreBounded(t *testing.T) {
	r := start(t, Config{Access: AccessOpen, AccessKeys: newKeyring()})
	c := r.client(t)
	for body, code := range map[string]gateway.Code{
		`{"api":["chat"]}`:                    gateway.CodeBadRequest, // a misspelt limit would be none
		`[]`:                                  gateway.CodeBadRequest,
		`{"apis":[]}`:                         gateway.CodeBadRequest, // absent alone means all
		`{"apis":null}`:                       gateway.CodeBadRequest,
		`{"apis":["chat"],"actions":[]}`:      gateway.CodeBadRequest,
		`{} {}`:                               gateway.CodeBadRequest,
		strings.Repeat(" ", maxManagedBody+1): gateway.CodeTooLarge,
	} {
		err := c.answer(t.Context(), call{method: http.MethodPost, path: pathAccessKeys, body: []byte(body)}, nil)
		if gateway.ErrorCode(err) != code {
			t.Errorf("%.20q: %v", body, err)
		}
	}
	if _, err := c.CreateAccessKey(t.Context(), AccessKeyRequest{APIs: []gateway.APIID{}}); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Errorf("a key for an empty list of APIs: %v", err)
	}
	if status, _, header := r.ask(t, "PUT", pathAccessKeys); status != 405 || header.Get("Allow") != "GET, POST" {
		t.Errorf("PUT: %d, Allow %q", status, header.Get("Allow"))
	}
	if status, _, _ := r.ask(t, "DELETE", pathAccessKeys+"/a/b"); status != 404 {
		t.Errorf("a path below a key: %d", status)
	}
	if status, _, _ := start(t, Config{Access: AccessOpen}).ask(t, "GET", pathAccessKeys); status != 404 {
		t.Errorf("without a store: %d", status)
	}
}

func TestCredentialsFrom(t *testing.T) {
	env := map[string]string{envAWSID: "aws", envAWSSecret: "s"}
	get := func(name string) string { return env[name] }
	if c := CredentialsFrom(get); c.AccessKeyID != "aws" {
		t.Errorf("took %q", c.AccessKeyID)
	}
	env[accesskeys.EnvRootID] = "root"
	if c := CredentialsFrom(get); c.AccessKeyID != "aws" {
		t.Errorf("half a root key gave %q", c.AccessKeyID)
	}
	env[accesskeys.EnvRootSecret] = "s"
	if c := CredentialsFrom(get); c.AccessKeyID != "root" {
		t.Errorf("took %q instead of the root key", c.AccessKeyID)
	}
}

// brokenKeys can't be asked.
type brokenKeys struct{}

func (brokenKeys) Key(context.Context, string) (accesskeys.Key, error) {
	return accesskeys.Key{}, errors.New("no bucket")
}

func TestBrokenKeysAreNoRefusal(t *testing.T) {
	r := start(t, Config{Keys: brokenKeys{}, Connections: listOf()})
	err := r.clientAs(t, "AK", "x").List(t.Context(), ConnectionFilter{}, nil)
	if gateway.ErrorCode(err) != gateway.CodeUnavailable {
		t.Errorf("%v", err)
	}
}
