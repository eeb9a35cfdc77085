package bus

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

const authAccounts = `
SECRET: "chat-secret"
accounts {
  SALLYPORT {
    users: [ {
      user: chat, password: $SECRET
      permissions: {
        publish: ["sallyport.chat.*.@connections.>"]
        subscribe: ["sallyport.chat.*.ws.> backend", "_INBOX.>"]
        allow_responses: { max: 1, expires: "35s" }
      }
    } ]
  }
  OTHER { users: [ { user: other, password: other } ] }
}
cluster { authorization { user: route, password: route-secret } }
`

func writeAuth(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A backend of one API serves it and pushes to its connections, and has no part in another API.
func TestAuthSeparatesBackends(t *testing.T) {
	e, err := StartEmbedded(EmbeddedConfig{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Auth: writeAuth(t, authAccounts)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	conn := connect(t, e)
	if _, err := OpenBucket(t.Context(), BucketConfig{Conn: conn, Prefix: "p", Name: "n", MaxValueBytes: 64}); err != nil {
		t.Errorf("JetStream: %v", err)
	}
	if _, err := nats.Connect(e.ClientURL()); err == nil {
		t.Error("a client without credentials was let in")
	}
	refused := make(chan error, 4)
	backend, err := nats.Connect(e.ClientURL(), nats.UserInfo("chat", "chat-secret"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	respond(t, backend, joinSubject, func(m *nats.Msg) { _ = m.Respond([]byte("hello")) })
	client := newClient(t, ClientConfig{Conn: conn})
	if r, err := outcomeOf(t, client, message("x")); err != nil || string(r.Body) != "hello" {
		t.Errorf("%+v %v", r, err)
	}
	// The mapping for plain publishers stands in the account.
	pushed := make(chan string, 1)
	sub, err := conn.NATS().Subscribe("sallyport.*.*.@connections.AbC_.>", func(m *nats.Msg) { pushed <- m.Subject })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := conn.NATS().Flush(); err != nil {
		t.Fatal(err)
	}
	if err := backend.Publish("sallyport.chat.dev.@connections.AbC_xxxxxxxxxxx=", nil); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, pushed); got != "sallyport.chat.dev.@connections.AbC_.AbC_xxxxxxxxxxx=" {
		t.Error(got)
	}
	for what, try := range map[string]func() error{
		"push to another API": func() error { return backend.Publish("sallyport.shop.dev.@connections.AbC_xxxxxxxxxxx=", nil) },
		"event of its own":    func() error { return backend.Publish(joinSubject, nil) },
		"events of another API": func() error {
			_, err := backend.QueueSubscribe("sallyport.shop.dev.ws.>", "backend", func(*nats.Msg) {})
			return err
		},
		"pushes of its own API":       func() error { _, err := backend.SubscribeSync("sallyport.chat.*.@connections.>"); return err },
		"an answer that nobody asked": func() error { return backend.Publish("sallyport.@edge.AbC_.r.token", nil) },
	} {
		if err := try(); err != nil {
			t.Fatal(what, err)
		}
		if err := backend.Flush(); err != nil {
			t.Fatal(what, err)
		}
		if err := receive(t, refused); !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
			t.Errorf("%s: %v", what, err)
		}
	}
	select {
	case subject := <-pushed:
		t.Errorf("%s came through", subject)
	default:
	}
	// Another account sees nothing of it.
	other, err := nats.Connect(e.ClientURL(), nats.UserInfo("other", "other"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	if _, err := other.Request(joinSubject, nil, patience); err != nats.ErrNoResponders {
		t.Errorf("from another account: %v", err)
	}
}

func TestAuthWithoutAccounts(t *testing.T) {
	e, err := StartEmbedded(EmbeddedConfig{Listen: "127.0.0.1:0", Auth: writeAuth(t, "authorization { user: u, password: p }")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	conn := connect(t, e)
	backend, err := nats.Connect(e.ClientURL(), nats.UserInfo("u", "p"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	respond(t, backend, joinSubject, func(m *nats.Msg) { _ = m.Respond([]byte("hello")) })
	if r, err := outcomeOf(t, newClient(t, ClientConfig{Conn: conn}), message("x")); err != nil || string(r.Body) != "hello" {
		t.Errorf("%+v %v", r, err)
	}
}

// Servers of a cluster show the credentials of the file to each other.
func TestAuthOfACluster(t *testing.T) {
	addresses := freeAddresses(t, 3)
	file := writeAuth(t, authAccounts)
	start := func(name, listen, file string) *Embedded {
		e, err := StartEmbedded(EmbeddedConfig{Listen: "127.0.0.1:0", Name: name, Auth: file, Cluster: &ClusterConfig{Listen: listen, Routes: addresses}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Shutdown)
		return e
	}
	a, b := start("a", addresses[0], file), start("b", addresses[1], file)
	stranger := start("c", addresses[2], writeAuth(t, strings.Replace(authAccounts, "route-secret", "guess", 1)))
	ctx, cancel := context.WithTimeout(t.Context(), clusterPatience)
	defer cancel()
	for _, e := range []*Embedded{a, b} {
		if err := e.AwaitCluster(ctx); err != nil {
			t.Fatal(err)
		}
		for e.server.NumRemotes() != 1 && ctx.Err() == nil { // a stranger counts until its password is looked at
			runtime.Gosched()
		}
		if n := e.server.NumRemotes(); n != 1 {
			t.Errorf("%d servers joined, want 1", n)
		}
	}
	if n := stranger.server.NumRemotes(); n != 0 {
		t.Errorf("the stranger is connected to %d", n)
	}
}

func TestAuthErrorsSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "no user",
		"port: 4222":                           "port",
		"\n\nhttp: 1":                          "line 3",
		"cluster { listen: \"0.0.0.0:6222\" }": "cluster.listen",
		"accounts { A { users: [{user: a, password: a}] } }": AuthAccount,
		"authorization { token: geheim }":                    "token",
		"authorization {":                                    "",
	} {
		e, err := StartEmbedded(EmbeddedConfig{Auth: writeAuth(t, text)})
		if err == nil {
			e.Shutdown()
		}
		if err == nil || !strings.Contains(err.Error(), "--nats-auth") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	if _, err := StartEmbedded(EmbeddedConfig{Auth: "/nowhere"}); err == nil || !strings.Contains(err.Error(), "--nats-auth") {
		t.Error(err)
	}
	// A cluster for other machines needs to know its members.
	open := &auth{options: nil}
	loaded, err := loadAuth(writeAuth(t, "authorization { user: u, password: p }"))
	if err != nil {
		t.Fatal(err)
	}
	open.options = loaded.options
	open.options.Cluster.Host = "0.0.0.0"
	if err := open.checkCluster("0.0.0.0:6222"); err == nil || !strings.Contains(err.Error(), "--nats-cluster-listen") {
		t.Error(err)
	}
	open.options.Cluster.Username = "route"
	if err := open.checkCluster("0.0.0.0:6222"); err != nil {
		t.Error(err)
	}
}
