package deploy

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// TestComposeServers has nats-server read the configuration of compose.yaml's servers, and runs three of them as they are but
// for what only their containers have: names, ports and a disk.
func TestComposeServers(t *testing.T) {
	names := []string{"nats-1", "nats-2", "nats-3"}
	var all []*server.Options
	var routes []*url.URL
	for _, name := range names {
		t.Setenv("NAME", name)
		options, err := server.ProcessConfigFile(filepath.Join(root, "deploy/compose/nats.conf"))
		if err != nil {
			t.Fatal(err)
		}
		if options.ServerName != name || !options.JetStream || options.StoreDir != "/data" || len(options.Routes) != len(names) {
			t.Errorf("name %s, JetStream %t in %s, %d routes", options.ServerName, options.JetStream, options.StoreDir, len(options.Routes))
		}
		// 10 MiB of a body, and its headers.
		if options.MaxPayload < 10<<20+64<<10 {
			t.Errorf("%s: max_payload %d", name, options.MaxPayload)
		}
		options.Host, options.Port, options.HTTPPort, options.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
		options.Cluster.Host, options.Cluster.Port = "127.0.0.1", freePort(t)
		options.NoSigs, options.NoLog = true, true
		routes = append(routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Cluster.Port))})
		all = append(all, options)
	}
	var servers []*server.Server
	for _, options := range all {
		options.Routes = routes
		s, err := server.NewServer(options)
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
		s.Start()
		defer func() {
			s.Shutdown()
			s.WaitForShutdown()
		}()
	}
	for i, s := range servers {
		if !s.ReadyForConnections(startPatience) {
			t.Errorf("%s does not start", names[i])
		}
	}
	if meta := leader(t, servers[0]); meta == "" {
		t.Error("their JetStream finds no leader")
	}
}

// leader waits for JetStream's.
func leader(t *testing.T, s *server.Server) string {
	t.Helper()
	give := time.After(startPatience)
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		if js, err := s.Jsz(nil); err == nil && js.Meta != nil && js.Meta.Leader != "" {
			return js.Meta.Leader
		}
		select {
		case <-look.C:
		case <-give:
			return ""
		}
	}
}

// freePort is a port that nobody listens on now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing was sent
	return l.Addr().(*net.TCPAddr).Port
}
