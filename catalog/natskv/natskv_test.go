package natskv

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/catalog/catalogtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, e *bus.Embedded) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(t.Context(), bus.ConnConfig{Embedded: e})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func startNATS(t *testing.T) *bus.Embedded {
	t.Helper()
	e, err := bus.StartEmbedded(bus.EmbeddedConfig{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	return e
}

func TestContract(t *testing.T) {
	e := startNATS(t)
	catalogs := 0
	catalogtest.Run(t, func(*testing.T) func(*testing.T) catalog.Store {
		catalogs++
		prefix := strings.Repeat("p", catalogs)
		return func(t *testing.T) catalog.Store {
			s, err := Open(t.Context(), Config{Conn: connect(t, e), Prefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

// A record of a newer version ends the watch with a word that says so, and is not overlooked.
func TestNewerRecord(t *testing.T) {
	conn := connect(t, startNATS(t))
	s, err := Open(t.Context(), Config{Conn: conn, Prefix: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.bucket.Put(t.Context(), keyLive, []byte(`{"version":9,"apis":{}}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.State(t.Context()); err == nil || !strings.Contains(err.Error(), "update it") {
		t.Errorf("State: %v", err)
	}
	told := 0
	if err := s.Watch(t.Context(), func(catalog.State) { told++ }); err == nil || !strings.Contains(err.Error(), "update it") || told > 0 {
		t.Errorf("Watch told %d times and ended with %v", told, err)
	}
	// What was deleted by hand is not live.
	if err := s.bucket.Delete(t.Context(), keyLive); err != nil {
		t.Fatal(err)
	}
	if state, err := s.State(t.Context()); err != nil || state.Revision != 0 {
		t.Errorf("after the deletion: %+v, %v", state, err)
	}
	if _, err := s.Deployment(t.Context(), "chat", "none"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Deployment: %v", err)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("chat", "d1")
	f.Add("", "a.b")
	f.Add("=2E", "é $")
	f.Fuzz(func(t *testing.T, a, b string) {
		key := escape(a) + "." + escape(b)
		if strings.ContainsFunc(key, func(r rune) bool { return r != '.' && r != '=' && (r > 127 || !plain(byte(r))) }) {
			t.Errorf("%q is no key", key)
		}
		for _, s := range []string{a, b} {
			if back, ok := unescape(escape(s)); !ok || back != s {
				t.Errorf("%q came back as %q", s, back)
			}
			if plain, ok := unescape(s); ok && escape(plain) != s {
				t.Errorf("%q is another way to write %q", s, plain)
			}
		}
	})
}
