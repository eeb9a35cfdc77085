package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestStopsLastFirstAndAll(t *testing.T) {
	l := lifecycle{logger: slog.New(slog.DiscardHandler)}
	var order []string
	for _, name := range []string{"nats", "store", "edge"} {
		l.onStop(name, func(context.Context) error {
			order = append(order, name)
			if name == "store" {
				return errors.New("disk full")
			}
			return nil
		})
	}
	err := l.stop(context.Background())
	if err == nil || !strings.Contains(err.Error(), "stop store: disk full") {
		t.Errorf("error %v does not name the step", err)
	}
	if want := []string{"edge", "store", "nats"}; !slices.Equal(order, want) {
		t.Errorf("stopped in order %v, want %v", order, want)
	}
	if err := l.stop(context.Background()); err != nil || len(order) != 3 {
		t.Error("a second stop ran steps again")
	}
}

func TestConfigCheck(t *testing.T) {
	good := func() Config {
		return Config{Mode: ModeDev, Files: []string{"a.yaml"}, Listen: "127.0.0.1:8080", Admin: "127.0.0.1:8081", NATSListen: "127.0.0.1:4222", Prefix: "sallyport", Node: "n"}
	}
	tests := []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"all is well", func(*Config) {}, ""},
		{"IPv6 loopback", func(c *Config) { c.Listen = "[::1]:0" }, ""},
		{"localhost", func(c *Config) { c.Listen = "localhost:0" }, ""},
		{"dev on all interfaces", func(c *Config) { c.Listen = ":8080" }, "--listen"},
		{"serve on all interfaces", func(c *Config) { c.Mode = ModeServe; c.Listen = ":8080" }, ""},
		{"open admin", func(c *Config) { c.Admin = "0.0.0.0:8081" }, "--admin"},
		{"open NATS", func(c *Config) { c.NATSListen = "0.0.0.0:4222" }, "--nats-listen"},
		{"own cluster needs no NATS listener", func(c *Config) { c.NATSListen = "0.0.0.0:4222"; c.NATS.URL = "nats://n:4222" }, ""},
		{"credentials without a URL", func(c *Config) { c.NATS.Creds = "x.creds" }, "--nats URL"},
		{"NATS with users", func(c *Config) { c.NATSListen, c.NATSAuth = "0.0.0.0:4222", "users.conf" }, ""},
		{"users of another NATS", func(c *Config) { c.NATS.URL, c.NATSAuth = "nats://n:4222", "users.conf" }, "--nats-auth"},
		{"cluster", func(c *Config) {
			c.Cluster = ClusterConfig{Name: "x", Listen: "127.0.0.1:6222", Routes: []string{"127.0.0.1:6223"}}
		}, ""},
		{"cluster of no name", func(c *Config) {
			c.Cluster = ClusterConfig{Listen: "127.0.0.1:6222", Routes: []string{"127.0.0.1:6223"}}
		}, "--nats-cluster-name"},
		{"open cluster", func(c *Config) {
			c.Cluster = ClusterConfig{Name: "x", Listen: ":6222", Routes: []string{"127.0.0.1:6223"}}
		}, "--nats-cluster-listen"},
		{"routes without a cluster", func(c *Config) { c.Cluster.Routes = []string{"h:6222"} }, "--nats-cluster-listen"},
		{"two clusters", func(c *Config) {
			c.NATS.URL, c.Cluster = "nats://n:4222", ClusterConfig{Name: "x", Listen: "127.0.0.1:6222", Routes: []string{"127.0.0.1:6223"}}
		}, "--nats"},
		{"server name with a space", func(c *Config) {
			c.Node, c.Cluster = "a b", ClusterConfig{Name: "x", Listen: "127.0.0.1:6222", Routes: []string{"127.0.0.1:6223"}}
		}, "--node"},
		{"too many replicas", func(c *Config) { c.Replicas = 7 }, "--replicas"},
		{"certificate and key", func(c *Config) { c.TLS = TLSConfig{Cert: "c.pem", Key: "k.pem"} }, ""},
		{"certificate without key", func(c *Config) { c.TLS.Cert = "c.pem" }, "give --tls-key too"},
		{"key without certificate", func(c *Config) { c.TLS.Key = "k.pem" }, "give --tls-cert too"},
		{"dev without files", func(c *Config) { c.Files = nil }, "definition file"},
		{"serve without files", func(c *Config) { c.Mode = ModeServe; c.Files = nil }, ""},
		{"unknown role", func(c *Config) { c.Roles = []Role{"controller"} }, `"controller"`},
		{"prefix of two tokens", func(c *Config) { c.Prefix = "a.b" }, "--prefix"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := good()
			test.change(&c)
			err := c.check()
			switch {
			case test.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.says != "" && (!errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), test.says)):
				t.Errorf("error %v, want a usage error with %q", err, test.says)
			}
		})
	}
}
