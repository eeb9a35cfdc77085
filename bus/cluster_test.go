package bus

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// clusterPatience bounds waits for a cluster: an election takes up to 9 s (nats-facts §9.3).
const clusterPatience = 40 * time.Second

// freeAddresses are loopback addresses that nobody listens on.
func freeAddresses(t testing.TB, n int) []string {
	t.Helper()
	var all []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

// startCluster starts embedded servers that know each other and waits for them.
func startCluster(t testing.TB, n int) []*Embedded {
	t.Helper()
	addresses := freeAddresses(t, n)
	var all []*Embedded
	for i, listen := range addresses {
		e, err := StartEmbedded(EmbeddedConfig{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Name: fmt.Sprintf("node%d", i), Cluster: &ClusterConfig{Listen: listen, Routes: addresses}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Shutdown)
		all = append(all, e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), clusterPatience)
	defer cancel()
	for _, e := range all {
		if err := e.AwaitCluster(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestEmbeddedCluster(t *testing.T) {
	all := startCluster(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), clusterPatience)
	defer cancel()
	conns := make([]*Conn, len(all))
	for i, e := range all {
		if n := e.server.NumRemotes(); n != 2 || e.routes != 2 {
			t.Errorf("server %d: %d remotes by %d routes; want 2 by 2", i, n, e.routes)
		}
		conns[i] = connect(t, e)
		if conns[i].Cluster() != "sallyport" {
			t.Errorf("cluster %q", conns[i].Cluster())
		}
	}
	open := func(conn *Conn, replicas int) *Bucket {
		t.Helper()
		b, err := OpenBucket(ctx, BucketConfig{Conn: conn, Prefix: "p", Name: "n", MaxValueBytes: 64, Replicas: replicas})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// A bucket of one server is raised when it is opened for three.
	if err := open(conns[0], 1).Put(ctx, "key", []byte("value")); err != nil {
		t.Fatal(err)
	}
	open(conns[1], 3)
	stream := func(conn *Conn) *jetstream.StreamInfo {
		js, err := jetstream.New(conn.NATS())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(ctx, bucketCall)
		defer cancel()
		s, err := js.Stream(ctx, "KV_p-n")
		if err != nil {
			return nil
		}
		return s.CachedInfo()
	}
	within(t, "three replicas are current", func() bool {
		info := stream(conns[2])
		if info == nil || info.Config.Replicas != 3 || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != 2 {
			return false
		}
		return info.Cluster.Replicas[0].Current && info.Cluster.Replicas[1].Current
	})
	if b := open(conns[2], 1); b != nil && stream(conns[2]).Config.Replicas != 3 {
		t.Error("opened for one, it was lowered")
	}
	// It outlives the server that leads it.
	leader := stream(conns[0]).Cluster.Leader
	left := -1
	for i, e := range all {
		if e.server.Name() == leader {
			conns[i].Close()
			e.Shutdown()
		} else {
			left = i
		}
	}
	b := open(conns[left], 3)
	within(t, "the value is read from the rest", func() bool {
		got, err := b.Get(ctx, "key")
		return err == nil && string(got) == "value"
	})
	within(t, "the rest takes writes", func() bool { return b.Put(ctx, "key", []byte("new")) == nil })
}

// within waits for a cluster, which takes longer than one server.
func within(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(clusterPatience); !f(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", clusterPatience, what)
		}
	}
}

func TestLoneServerOfAClusterWaits(t *testing.T) {
	addresses := freeAddresses(t, 3)
	e, err := StartEmbedded(EmbeddedConfig{Listen: "127.0.0.1:0", Name: "a", Cluster: &ClusterConfig{Listen: addresses[0], Routes: addresses}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Shutdown()
	if e.ClusterAddr() != addresses[0] {
		t.Errorf("listens at %q", e.ClusterAddr())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := e.AwaitCluster(ctx); err == nil || !strings.Contains(err.Error(), "0 of the 2 other servers of --nats-routes") {
		t.Error(err)
	}
}

func TestClusterErrorsNameTheFlag(t *testing.T) {
	single, clustered := t.TempDir(), t.TempDir()
	address := freeAddresses(t, 1)[0]
	for dir, cluster := range map[string]*ClusterConfig{single: nil, clustered: {Listen: address, Routes: []string{"127.0.0.1:1"}}} {
		e, err := StartEmbedded(EmbeddedConfig{DataDir: dir, Listen: "127.0.0.1:0", Name: "a", Cluster: cluster})
		if err != nil {
			t.Fatal(err)
		}
		e.Shutdown()
	}
	for _, tc := range []struct {
		config EmbeddedConfig
		want   string
	}{
		{EmbeddedConfig{Listen: "127.0.0.1:0", Cluster: &ClusterConfig{Listen: "127.0.0.1"}}, "--nats-cluster-listen"},
		{EmbeddedConfig{Listen: "127.0.0.1:0", Cluster: &ClusterConfig{Listen: "192.0.2.1:6222"}}, "--nats-cluster-listen"},
		{EmbeddedConfig{Listen: "127.0.0.1:0", Cluster: &ClusterConfig{Listen: address, Routes: []string{"10.0.0.1"}}}, "--nats-routes nats://10.0.0.1"},
		{EmbeddedConfig{Listen: "127.0.0.1:0", Cluster: &ClusterConfig{Listen: address, Routes: []string{"nats://u:secret@h"}}}, "--nats-routes"},
		{EmbeddedConfig{Cluster: &ClusterConfig{Listen: address}}, "--nats-listen"},
		{EmbeddedConfig{DataDir: single, Cluster: &ClusterConfig{Listen: address}}, "--data"},
		{EmbeddedConfig{Listen: "127.0.0.1:0", Cluster: &ClusterConfig{Listen: address, Routes: []string{address}}}, "--nats-routes"},
		{EmbeddedConfig{DataDir: clustered}, "--data"},
	} {
		e, err := StartEmbedded(tc.config)
		if err == nil {
			e.Shutdown()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v; want %q", tc.config, err, tc.want)
		}
	}
}

func TestOwnRouteIsLeftOut(t *testing.T) {
	known := func(host string) []netip.Addr {
		switch host {
		case "a.example":
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}
		case "pod-0.far.example":
			return []netip.Addr{netip.MustParseAddr("10.9.9.9")}
		}
		if ip, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{ip}
		}
		return nil
	}
	everywhere := &self{port: "6222", hostname: "pod-0", own: map[netip.Addr]bool{netip.MustParseAddr("10.0.0.1"): true}, lookup: known}
	for host, own := range map[string]bool{
		"10.0.0.1:6222": true, "10.0.0.1:6223": false, "10.0.0.2:6222": false, "a.example:6222": true,
		"pod-0.sallyport:6222": true, "pod-1.sallyport:6222": false, "POD-0:6222": true, "pod-0.far.example:6222": false,
	} {
		if got := everywhere.is(&url.URL{Host: host}); got != own {
			t.Errorf("%s: own %t", host, got)
		}
	}
	// A server of one address goes by that alone.
	one := newSelf("127.0.0.1", 6222)
	for host, own := range map[string]bool{"127.0.0.1:6222": true, "localhost:6222": true, "127.0.0.2:6222": false, "127.0.0.1:6223": false} {
		if got := one.is(&url.URL{Host: host}); got != own {
			t.Errorf("%s: own %t", host, got)
		}
	}
	opts := &server.Options{}
	routes := []string{"127.0.0.1:1", " 127.0.0.1:2", "nats://127.0.0.1:2", "nats-route://u:p@127.0.0.1:3"}
	if err := (ClusterConfig{Listen: "127.0.0.1:0", Routes: routes}).options(opts); err != nil || len(opts.Routes) != 3 {
		t.Error(opts.Routes, err)
	}
}
