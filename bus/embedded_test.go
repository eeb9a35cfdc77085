package bus

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

func TestEmbeddedListens(t *testing.T) {
	var log logBuffer
	e, err := StartEmbedded(EmbeddedConfig{Listen: "127.0.0.1:0", Logger: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	tmp := e.remove
	defer e.Shutdown()
	conn, err := Connect(t.Context(), ConnConfig{URL: e.ClientURL(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if conn.NATS().ConnectedServerName() != "sallyport" || e.JetStreamReady() != nil {
		t.Error(conn.NATS().ConnectedServerName(), e.JetStreamReady())
	}
	conn.Close()
	conn.Close()
	select {
	case <-conn.Closed():
	default:
		t.Error("closed, but not told")
	}
	e.Shutdown()
	if _, err := os.Stat(tmp); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is left: %v", err)
	}
	if log.String() != "" {
		t.Errorf("a start is worth no line:\n%s", log.String())
	}
}

func TestEmbeddedKeepsItsData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	for i := range 2 {
		e, err := StartEmbedded(EmbeddedConfig{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if e.ClientURL() != "" {
			t.Error("it listens")
		}
		conn := connect(t, e)
		js, err := jetstream.New(conn.NATS())
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.Msgs; n != uint64(i) {
			t.Errorf("start %d finds %d messages", i, n)
		}
		if _, err := js.Publish(t.Context(), "s", nil); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		e.Shutdown()
	}
}

func TestEmbeddedErrorsNameTheFlag(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	first, err := StartEmbedded(EmbeddedConfig{DataDir: used})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Shutdown()
	for _, tc := range []struct {
		name   string
		config EmbeddedConfig
		want   []string
	}{
		{"port in use", EmbeddedConfig{Listen: taken.Addr().String()}, []string{"--nats-listen", "in use"}},
		{"no port", EmbeddedConfig{Listen: "localhost"}, []string{"--nats-listen"}},
		{"port name", EmbeddedConfig{Listen: "127.0.0.1:nats"}, []string{"--nats-listen", "no port number"}},
		{"foreign address", EmbeddedConfig{Listen: "192.0.2.1:4222"}, []string{"--nats-listen"}},
		{"no directory", EmbeddedConfig{DataDir: filepath.Join(file, "x")}, []string{"--data"}},
		{"a file", EmbeddedConfig{DataDir: file}, []string{"--data"}},
		{"in use", EmbeddedConfig{DataDir: used}, []string{"--data", "used by another process"}},
		{"prefix", EmbeddedConfig{Subjects: Subjects{Prefix: "a b"}}, []string{"prefix"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := StartEmbedded(tc.config)
			if err == nil {
				e.Shutdown()
				t.Fatal("it started")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %q", err, want)
				}
			}
		})
	}
	if runtime.GOOS != "windows" && os.Getuid() != 0 {
		locked := t.TempDir()
		if err := os.Chmod(locked, 0o500); err != nil {
			t.Fatal(err)
		}
		if _, err := StartEmbedded(EmbeddedConfig{DataDir: locked}); err == nil || !strings.Contains(err.Error(), "--data") {
			t.Errorf("not writable: %v", err)
		}
	}
	// The lock goes with its holder, although the file stays.
	first.Shutdown()
	again, err := StartEmbedded(EmbeddedConfig{DataDir: used})
	if err != nil {
		t.Fatal(err)
	}
	again.Shutdown()
}

func TestConnectErrorsNameTheFlag(t *testing.T) {
	e := startNATS(t)
	pem := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pem, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		config ConnConfig
		want   string
	}{
		{ConnConfig{}, "either"},
		{ConnConfig{URL: "nats://x", Embedded: e}, "either"},
		{ConnConfig{URL: "nats://user:secret@127.0.0.1:1, tok@127.0.0.1:1"}, "--nats nats://127.0.0.1:1,nats://127.0.0.1:1"},
		{ConnConfig{Embedded: e, CA: "/nowhere"}, "--nats-ca"},
		{ConnConfig{Embedded: e, CA: pem}, "--nats-ca"},
		{ConnConfig{Embedded: e, Cert: pem, Key: pem}, "--nats-cert"},
	} {
		c, err := Connect(t.Context(), tc.config)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "tok@") {
			t.Errorf("%+v: %v", tc.config, err)
		}
	}
}

func TestServerVersions(t *testing.T) {
	for version, good := range map[string]bool{"2.12.0": true, "2.15.2": true, "3.0.0": true, "2.12.1-beta.1": true, "2.11.9": false,
		"1.99.0": false, "": false, "x.y": false} {
		if versionAtLeast(version, 2, 12) != good {
			t.Error(version)
		}
	}
}

func TestSmallServerIsRefused(t *testing.T) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, MaxPayload: 4096})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Shutdown()
	_, err = Connect(t.Context(), ConnConfig{Embedded: &Embedded{server: s}})
	if err == nil || !strings.Contains(err.Error(), "max_payload") {
		t.Error(err)
	}
}

// A server that does not let us subscribe must be noticed at the start, not by silence (nats-facts §1.7).
func TestMissingPermissionIsNoticed(t *testing.T) {
	deny := &server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{"sallyport.>"}}}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "u", Password: "p", Permissions: deny}}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(patience) {
		t.Fatal("not ready")
	}
	conn, err := Connect(t.Context(), ConnConfig{URL: strings.Replace(s.ClientURL(), "://", "://u:p@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "may not subscribe") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = NewClient(ClientConfig{Conn: conn, Edge: testEdge})
	refused("client", err)
	_, err = NewTap(conn, Subjects{})
	refused("tap", err)
	_, err = ServeConnections(ConnectionsConfig{Conn: conn, Edge: testEdge, Local: newSockets()})
	refused("connections", err)
	srv := newServer(t, ServerConfig{Conn: conn, Handler: gateway.InvokerFunc(nil)})
	for range 2 {
		refused("server", srv.Serve([]ServedRoute{joinRoute(true)}))
	}
}

func TestConnComesBack(t *testing.T) {
	dir := t.TempDir()
	e, err := StartEmbedded(EmbeddedConfig{DataDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	url := e.ClientURL()
	var log logBuffer
	conn, err := Connect(t.Context(), ConnConfig{URL: url, Logger: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	client := newClient(t, ClientConfig{Conn: conn})
	e.Shutdown()
	eventually(t, "away", func() bool { return !conn.Connected() })
	_, err = outcomeOf(t, client, message("x"))
	wantCode(t, err, gateway.CodeUnavailable)
	e, err = StartEmbedded(EmbeddedConfig{DataDir: dir, Listen: strings.TrimPrefix(url, "nats://")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Shutdown)
	respond(t, outside(t, e), joinSubject, func(m *nats.Msg) { _ = m.Respond([]byte("back")) })
	eventually(t, "connected", conn.Connected)
	if r, err := outcomeOf(t, client, message("x")); err != nil || string(r.Body) != "back" {
		t.Errorf("%+v %v", r, err)
	}
	eventually(t, "both are logged", func() bool {
		return strings.Contains(log.String(), "reconnecting") && strings.Contains(log.String(), "is back")
	})
}

// The server ends a connection for good whose control line is too long; the owner must learn of it.
func TestOwnerLearnsOfTheEnd(t *testing.T) {
	e := startNATS(t)
	conn := connect(t, e)
	if err := conn.NATS().Publish(strings.Repeat("a", 5000), nil); err != nil {
		t.Fatal(err)
	}
	receive(t, conn.Closed())
}
