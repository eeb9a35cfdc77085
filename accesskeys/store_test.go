package accesskeys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rootSecret = "root secret of the tests"

var root = Key{ID: "ROOT", Secret: rootSecret, Root: true} // never changed

func newBucket(t *testing.T) *bus.Bucket {
	t.Helper()
	e, err := bus.StartEmbedded(bus.EmbeddedConfig{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	conn, err := bus.Connect(t.Context(), bus.ConnConfig{Embedded: e})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b, err := OpenBucket(t.Context(), BucketConfig{Conn: conn, Prefix: "sallyport"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t *testing.T, c Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// eventually waits for what a watch brings.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func TestKeysAreSharedAndDeleted(t *testing.T) {
	b := newBucket(t)
	one, two := open(t, Config{Root: root, Bucket: b}), open(t, Config{Root: root, Bucket: b})
	made, err := one.Create(t.Context(), Request{Description: "ci", APIs: []gateway.APIID{"chat"}, Actions: []Action{ActionInvoke}})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.ID) != 20 || len(made.Secret) != 40 || !validID(made.ID) {
		t.Errorf("made %q with a secret of %d characters", made.ID, len(made.Secret))
	}
	if k, err := one.Key(t.Context(), made.ID); err != nil || k.Secret != made.Secret {
		t.Errorf("the maker does not know the key: %v", err)
	}
	eventually(t, "the other process never saw the key", func() bool {
		k, err := two.Key(t.Context(), made.ID)
		return err == nil && k.Secret == made.Secret && k.Description == "ci" && !k.Root
	})
	// A third that starts later knows it from the beginning.
	three := open(t, Config{Root: root, Bucket: b})
	list, err := three.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != made.ID || list[0].Secret != "" {
		t.Errorf("List: %v, %v", list, err)
	}
	if err := two.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted key stayed good", func() bool {
		_, err := one.Key(t.Context(), made.ID)
		return errors.Is(err, ErrUnknown)
	})
	if err := two.Delete(t.Context(), made.ID); gateway.ErrorCode(err) != gateway.CodeNotFound {
		t.Errorf("a second Delete: %v", err)
	}
}

func TestSealedAtRest(t *testing.T) {
	b := newBucket(t)
	s := open(t, Config{Root: root, Bucket: b})
	k, err := s.Create(t.Context(), Request{Description: "find me"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Get(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte(k.Secret)) || bytes.Contains(raw, []byte("find me")) {
		t.Error("the bucket holds the key in clear")
	}
	// Another root secret, and another id, open nothing. That is logged once, without the content, and they are listed.
	var log bytes.Buffer
	if err := b.Put(t.Context(), "COPY", raw); err != nil {
		t.Fatal(err)
	}
	other := open(t, Config{Root: Key{ID: "ROOT", Secret: "quite another root secret"}, Bucket: b, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, id := range []string{k.ID, "COPY"} {
		if _, err := other.Key(t.Context(), id); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s was opened with another root secret", id)
		}
	}
	listed, err := other.List(t.Context())
	if err != nil || len(listed) != 2 || !listed[0].Unreadable || !listed[1].Unreadable || listed[0].Secret != "" {
		t.Errorf("the list: %v, %v", listed, err)
	}
	if err := other.Delete(t.Context(), "COPY"); err != nil {
		t.Errorf("it can't be removed: %v", err)
	}
	if listed, _ = other.List(t.Context()); len(listed) != 1 || listed[0].ID != k.ID {
		t.Errorf("after one was removed: %v", listed)
	}
	other.Close()
	text := log.String()
	if strings.Count(text, "do not open with the secret in "+EnvRootSecret) != 1 || !strings.Contains(text, "keys=2") || strings.Contains(text, k.Secret) {
		t.Errorf("log: %s", text)
	}
	if err := b.Put(t.Context(), "COPY", raw); err != nil {
		t.Fatal(err)
	}
	late := open(t, Config{Root: root, Bucket: b})
	if _, err := late.Key(t.Context(), "COPY"); !errors.Is(err, ErrUnknown) {
		t.Error("a key was opened under another id")
	}
}

func TestOpenRefusesEveryDamage(t *testing.T) {
	s, err := newSealer(rootSecret)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.seal(Key{ID: "A", Secret: "x", CreatedAt: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if _, err := s.open("A", damaged); !errors.Is(err, errUnsealed) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := s.open("A", sealed[:i]); !errors.Is(err, errUnsealed) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	if k, err := s.open("A", sealed); err != nil || k.Secret != "x" || !k.CreatedAt.Equal(time.Unix(1, 0)) {
		t.Errorf("open: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	s, err := newSealer(rootSecret)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := s.seal(Key{ID: "A", Secret: "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{sealVersion})
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Each process that fuzzes seals anew, so a seed of another is as good as its own.
		if key, err := s.open("A", data); err == nil && key.Secret != "x" {
			t.Errorf("%x opens as another key", data)
		}
	})
}

func TestWithoutRoot(t *testing.T) {
	s := open(t, Config{Bucket: newBucket(t)})
	_, err := s.Create(t.Context(), Request{})
	if gateway.ErrorCode(err) != gateway.CodeBadRequest || !strings.Contains(err.Error(), EnvRootSecret) {
		t.Errorf("Create: %v", err)
	}
	if _, err := s.Key(t.Context(), ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("the empty id is %v", err)
	}
}

func TestRequestsAreChecked(t *testing.T) {
	s := open(t, Config{Root: root, Bucket: newBucket(t)})
	for name, r := range map[string]Request{
		"long description": {Description: strings.Repeat("x", maxDescription+1)},
		"two lines":        {Description: "a\nb"},
		"API":              {APIs: []gateway.APIID{"No Api"}},
		"APIs":             {APIs: make([]gateway.APIID, maxAPIs+1)},
		"action":           {Actions: []Action{"s3:GetObject"}},
	} {
		if _, err := s.Create(t.Context(), r); gateway.ErrorCode(err) != gateway.CodeBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Delete(t.Context(), root.ID); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Errorf("Delete of the root key: %v", err)
	}
	for _, id := range []string{"", "a.b", "a b", "$x", strings.Repeat("a", maxID+1)} {
		if err := s.Delete(t.Context(), id); gateway.ErrorCode(err) != gateway.CodeNotFound {
			t.Errorf("Delete of %q: %v", id, err)
		}
	}
}

func TestOpenGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newBucket(t)
	cancel()
	if s, err := Open(ctx, Config{Root: root, Bucket: b}); err == nil {
		s.Close() // the watch may have been faster than the end of the context
	}
}

func TestAllows(t *testing.T) {
	limited := Key{APIs: []gateway.APIID{"a"}, Actions: []Action{ActionInvoke}}
	for _, c := range []struct {
		key    Key
		action Action
		api    gateway.APIID
		want   bool
	}{
		{Key{}, ActionManage, "", true},
		{Key{Actions: []Action{ActionInvoke}}, ActionManage, "", false},
		{limited, ActionInvoke, "a", true},
		{limited, ActionInvoke, "b", false},
		{limited, ActionInvoke, "", false},
		{limited, ActionManageConnections, "a", false},
		{Key{Root: true, APIs: limited.APIs, Actions: limited.Actions}, ActionManage, "b", true},
	} {
		if got := c.key.Allows(c.action, c.api); got != c.want {
			t.Errorf("%v %v: %s at %q = %v", c.key.APIs, c.key.Actions, c.action, c.api, got)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	k := Key{ID: "AK", Secret: "hush"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), k.String(), log.String()} {
		if strings.Contains(text, "hush") || !strings.Contains(text, "AK") {
			t.Errorf("printed as %s", text)
		}
	}
	if k.ARN() != "arn:aws:iam::000000000000:user/AK" || root.ARN() != "arn:aws:iam::000000000000:root" {
		t.Errorf("ARNs %s, %s", k.ARN(), root.ARN())
	}
}

func TestRootFrom(t *testing.T) {
	for _, c := range []struct {
		id, secret string
		ok         bool
		says       string // of an error
	}{
		{"", "", false, ""},
		{"AK", rootSecret, true, ""},
		{"AK", "", false, EnvRootSecret + " is not"},
		{"", rootSecret, false, EnvRootID + " is not"},
		{"A/K", rootSecret, false, EnvRootID + " must"},
		{"AK", "short", false, EnvRootSecret + " must"},
	} {
		env := map[string]string{EnvRootID: c.id, EnvRootSecret: c.secret}
		k, ok, err := RootFrom(func(name string) string { return env[name] })
		if ok != c.ok || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, %v", c.id, ok, err)
		}
		if err != nil && c.secret != "" && strings.Contains(err.Error(), c.secret) {
			t.Errorf("the error tells the secret: %v", err)
		}
		if ok && !k.Root {
			t.Error("the root key is not Root")
		}
	}
}

func BenchmarkKey(b *testing.B) {
	s, err := Open(b.Context(), Config{Root: root})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Key(b.Context(), root.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func TestKeyAllocatesNothing(t *testing.T) {
	s := open(t, Config{Root: root})
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Key(t.Context(), root.ID) }); n > 0 {
		t.Errorf("Key makes %v allocations", n)
	}
}
