package test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFormOfThreeEmbeddedServers: three processes of the same command are one gateway, and two go on when the third is
// killed.
func TestFormOfThreeEmbeddedServers(t *testing.T) {
	const nodes, patience = 3, 60 * time.Second
	dir := t.TempDir()
	definition := filepath.FromSlash("../examples/chat/chat.yaml")
	var routes, admins []string
	for i := range 2 * nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if i < nodes {
			routes = append(routes, l.Addr().String())
		} else {
			admins = append(admins, l.Addr().String())
		}
		_ = l.Close()
	}
	var all []*gatewayProcess
	for i := range nodes {
		all = append(all, runProcess(t, "serve", definition, "--node", fmt.Sprintf("n%d", i), "--data", filepath.Join(dir, fmt.Sprint(i)),
			"--nats-cluster-listen", routes[i], "--nats-routes", strings.Join(routes, ","), "--nats-listen", "127.0.0.1:0",
			"--listen", "127.0.0.1:0", "--admin", admins[i]))
	}
	ready := func(admin string) bool {
		r, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	}
	await := func(admin string) {
		t.Helper()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(patience); !ready(admin); <-tick.C {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not ready after %s", admin, patience)
			}
		}
	}
	for _, admin := range admins {
		await(admin)
	}
	all[0].kill()
	for _, admin := range admins[1:] {
		await(admin)
	}
}
