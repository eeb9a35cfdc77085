package bus

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// routePing and routePingsOut notice a frozen server of the cluster after 6 s; nats-server's own defaults take a minute
	// and a half (nats-facts §7.3).
	routePing     = 2 * time.Second
	routePingsOut = 2
	// meshWait is what a start waits for servers that may be down. A mesh of servers that run forms within the time of one
	// more attempt to connect, 1 s (nats-facts §9.4).
	meshWait = 8 * time.Second
	// clusterPoll is how often a start looks how far the cluster is.
	clusterPoll = 50 * time.Millisecond
	// clusterTell is how often a start that waits says what for.
	clusterTell = 10 * time.Second
	// routeLookup bounds the question to DNS which addresses a route has.
	routeLookup = 2 * time.Second
)

// ClusterConfig makes embedded servers of several processes one NATS cluster with one JetStream.
type ClusterConfig struct {
	// Name is the cluster's, the same for all of its servers; default "sallyport".
	Name string
	// Listen is the host:port for the other servers.
	Listen string
	// Routes are the addresses of the other servers, host:port or URL. The server's own may be among them, so that all
	// processes can be given the same list.
	Routes []string
}

// options fills in the cluster. The server's own route is left out: JetStream takes the number of routes for the number of
// servers that it must see before it elects a leader, so that with its own among them two of three are not enough
// (nats-facts §9.1).
func (c ClusterConfig) options(opts *server.Options) error {
	host, port, err := probe("--nats-cluster-listen", c.Listen)
	if err != nil {
		return err
	}
	opts.Cluster.Name, opts.Cluster.Host, opts.Cluster.Port = c.Name, host, port
	if c.Name == "" {
		opts.Cluster.Name = defaultServerName
	}
	opts.Cluster.PingInterval, opts.Cluster.MaxPingsOut = routePing, routePingsOut
	self := newSelf(host, port)
	seen := make(map[string]bool)
	for _, text := range c.Routes {
		route, err := parseRoute(text)
		if err != nil {
			return err
		}
		if route.User == nil && opts.Cluster.Username != "" {
			if strings.HasPrefix(opts.Cluster.Password, "$2") {
				return fmt.Errorf("--nats-routes %s: name its user and password, since --nats-auth has only the password's hash", text)
			}
			route.User = url.UserPassword(opts.Cluster.Username, opts.Cluster.Password)
		}
		if !seen[route.Host] && !self.is(route) {
			opts.Routes = append(opts.Routes, route)
		}
		seen[route.Host] = true
	}
	if len(opts.Routes) == 0 { // nats-server refuses JetStream then
		return fmt.Errorf("--nats-cluster-listen %s: give --nats-routes with the addresses of the other servers", c.Listen)
	}
	return nil
}

func parseRoute(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	whole := text
	if !strings.Contains(text, "://") {
		whole = "nats-route://" + text
	}
	u, err := url.Parse(whole)
	if err != nil || u.Hostname() == "" || u.Port() == "" {
		return nil, fmt.Errorf("--nats-routes %s: give host:port of the other servers, such as 10.0.0.2:6222", WithoutSecrets(text))
	}
	return u, nil
}

// self knows by which addresses a server reaches itself.
type self struct {
	port     string
	hostname string // "" unless the server listens on every address of the machine
	own      map[netip.Addr]bool
	lookup   func(host string) []netip.Addr
}

func newSelf(host string, port int) *self {
	s := &self{port: fmt.Sprint(port), own: make(map[netip.Addr]bool), lookup: lookup}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		for _, a := range lookup(host) {
			s.own[a] = true
		}
		return s
	}
	s.hostname, _ = os.Hostname() // without a name the addresses must do
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			s.own[p.Addr().Unmap()] = true
		}
	}
	return s
}

// is reports whether a route leads to the server itself. Where DNS does not know the name yet, as when a pod starts before
// it is ready, the name decides: that of the machine, or its first label.
func (s *self) is(route *url.URL) bool {
	if route.Port() != s.port {
		return false
	}
	addresses := s.lookup(route.Hostname())
	for _, a := range addresses {
		if s.own[a] {
			return true
		}
	}
	label, _, _ := strings.Cut(route.Hostname(), ".")
	return len(addresses) == 0 && s.hostname != "" && (strings.EqualFold(route.Hostname(), s.hostname) || strings.EqualFold(label, s.hostname))
}

func lookup(host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), routeLookup)
	defer cancel()
	found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // a name that nobody knows is not ours
	for i, a := range found {
		found[i] = a.Unmap()
	}
	return found
}

// AwaitCluster waits until the servers of the cluster that run are connected, so that this one knows who serves what and
// tells nobody that nobody does, and until their JetStream has a leader. It waits for that as long as ctx allows, since a
// minority of the servers can do nothing. Without a cluster it returns at once.
func (e *Embedded) AwaitCluster(ctx context.Context) error {
	if !e.clustered {
		return nil
	}
	tick := time.NewTicker(clusterPoll)
	defer tick.Stop()
	start, told := time.Now(), time.Now()
	for {
		connected, leader := e.server.NumRemotes(), e.metaLeader()
		if leader != "" && (connected >= e.routes || time.Since(start) >= meshWait) {
			e.logger.Info("the embedded NATS server is part of a cluster", slog.String("cluster", e.server.ClusterName()),
				slog.Int("connected", connected), slog.Int("routes", e.routes), slog.String("leader", leader))
			return nil
		}
		if time.Since(told) >= clusterTell {
			told = time.Now()
			e.logger.Warn("waiting for the other servers of the NATS cluster", slog.Int("connected", connected), slog.Int("routes", e.routes))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the NATS cluster has no leader: %d of the %d other servers of --nats-routes are connected: %w", connected, e.routes, context.Cause(ctx))
		}
	}
}

// metaLeader is the name of the server that leads JetStream in the cluster, or "".
func (e *Embedded) metaLeader() string {
	js, err := e.server.Jsz(nil)
	if err != nil || js.Meta == nil {
		return ""
	}
	return js.Meta.Leader
}

// ClusterAddr is where the other servers of the cluster connect, or "" without a cluster.
func (e *Embedded) ClusterAddr() string {
	if addr := e.server.ClusterAddr(); addr != nil {
		return addr.String()
	}
	return ""
}
