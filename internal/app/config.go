package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// Mode is how open a process is.
type Mode string

// The modes: dev trusts everybody who reaches it and so binds loopback only; serve trusts nobody unasked.
const (
	ModeDev   Mode = "dev"
	ModeServe Mode = "serve"
)

// Role is a part of the gateway that a process may run.
type Role string

// The roles. A process runs all of them unless told otherwise.
const (
	RoleEdge   Role = "edge"
	RoleWorker Role = "worker"
	// RoleControl takes deployments.
	RoleControl Role = "control"
)

// Config is everything that one process is told, by flags, SALLYPORT_ variables or a file. The zero value of each
// field that has a default means that default.
type Config struct {
	Mode  Mode
	Files []string

	// Listen is the data plane's address, Admin that of management, health and metrics, NATSListen that of the embedded
	// NATS server for backends.
	Listen, Admin, NATSListen string
	// Health is one more address for health, readiness and metrics alone, which other machines may reach; empty for none.
	Health string
	// TLS makes the data plane speak TLS, and nothing else.
	TLS TLSConfig
	// NATS chooses an existing cluster instead of the embedded server.
	NATS NATSConfig
	// NATSAuth is a file of users for the embedded server, in nats-server's format; without one it asks for no credentials.
	NATSAuth string
	// Cluster joins the embedded servers of several processes to one NATS cluster.
	Cluster ClusterConfig
	// Replicas are how many NATS servers keep each stream and bucket; 0 is 3 in a cluster and else 1.
	Replicas int
	// Durable bounds what is stored of atLeastOnce routes.
	Durable DurableConfig
	// Data is the directory of the embedded JetStream.
	Data string
	// Prefix begins every subject.
	Prefix string
	Roles  []Role
	// Node names this process to the others and finds what a former life of it left behind.
	Node string
	// Domain is the base of host style addresses, {api}.{domain}.
	Domain string
	// NATSLoss says what becomes of clients when the lease can't be refreshed; empty means LossClose.
	NATSLoss LossPolicy
	// DrainTimeout is how long a stop may spread the closing of clients; 0 closes them all at once.
	DrainTimeout time.Duration
	// DrainCode is the close code of clients that a stop closes: 1001, also when it is 0, or 1012.
	DrainCode int
	// AddressRate is how many connections a second one client address may open, AddressBurst how many at once after a pause;
	// a rate of 0 is no limit.
	AddressRate  float64
	AddressBurst int
	// Run is a command to keep running beside the gateway; empty for none.
	Run string
	// LogFormat is how log records are written.
	LogFormat LogFormat
	// LogLevel leaves out the log records below it; the zero value is slog.LevelInfo.
	LogLevel slog.Level

	Version string
	Getenv  func(string) string
	Environ func() []string
	// Stdout takes the start lines and events, Stderr the log.
	Stdout, Stderr io.Writer
	// Reopen asks for the files of access logs to be opened anew, which whoever rotates them has renamed; nil for never.
	Reopen <-chan os.Signal
	// Started is told the addresses once everything is up; nil when nobody asks.
	Started func(Addresses)
}

// NATSConfig says how to reach an existing cluster.
type NATSConfig struct{ URL, Creds, CA, Cert, Key, JSDomain string }

// LossPolicy says what becomes of an edge's clients when NATS is away for longer than a lease may go unrefreshed.
type LossPolicy string

// The policies.
const (
	// LossClose closes them with 1013, before anybody tells the backend that they are gone.
	LossClose LossPolicy = "close"
	// LossKeep keeps them until another edge has told the backend so.
	LossKeep LossPolicy = "keep"
)

// ClusterConfig is the embedded server's part in a cluster: where it listens for the other servers, and where they are.
// Without Listen it stands alone.
type ClusterConfig struct {
	Name, Listen string
	Routes       []string
}

// maxReplicas is the most that JetStream takes.
const maxReplicas = 5

// DurableConfig bounds the messages of atLeastOnce routes that wait for a worker: how many bytes of them there may be, and how
// old they become. 0 means the bus' defaults.
type DurableConfig struct {
	MaxBytes int64
	MaxAge   time.Duration
}

// LogFormat is how log records are written.
type LogFormat string

// The log formats.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Addresses are where a process listens, with the ports that the system chose: two times host:port, and NATS' URL.
// Data is empty without the edge role, Health without a listener of its own.
type Addresses struct{ Data, Admin, NATS, Health string }

// ErrUsage marks an error of how the program was called, which no state of the machine would mend: exit code 2. Usagef
// makes such errors.
var ErrUsage = errors.New("wrong usage")

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error      { return e.error }

// Usagef returns an error that is ErrUsage to errors.Is and reads as formatted.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// defaultStage is the stage of a definition that names none.
func (m Mode) defaultStage() gateway.StageName {
	if m == ModeDev {
		return "dev"
	}
	return gateway.StageDefault
}

// check completes c and refuses what can't work.
func (c *Config) check() error {
	if c.Node == "" {
		name, err := os.Hostname()
		if err != nil {
			return Usagef("the machine has no host name (%w): give --node", err)
		}
		c.Node = name
	}
	if len(c.Roles) == 0 {
		c.Roles = []Role{RoleEdge, RoleWorker, RoleControl}
	}
	for _, r := range c.Roles {
		if r != RoleEdge && r != RoleWorker && r != RoleControl {
			return Usagef("--roles: unknown role %q; the roles are edge, worker and control", r)
		}
	}
	if strings.ContainsAny(c.Prefix, ".*> \t\r\n") || c.Prefix == "" {
		return Usagef("--prefix %q: it must be one NATS subject token, without dots, wildcards or spaces", c.Prefix)
	}
	if c.Mode == ModeDev && len(c.Files) == 0 {
		return Usagef("dev needs at least one definition file")
	}
	if c.Mode == ModeDev && c.has(RoleEdge) && !loopback(c.Listen) {
		return Usagef("--listen %s: dev is open to everybody who reaches it and so binds loopback only; use 127.0.0.1, or serve", c.Listen)
	}
	if err := c.TLS.check(); err != nil {
		return err
	}
	if !loopback(c.Admin) {
		return Usagef("--admin %s: the admin listener takes loopback addresses only, since it has no TLS and shows health and metrics to everybody", c.Admin)
	}
	if err := c.checkAddressLimit(); err != nil {
		return err
	}
	if c.NATS.URL == "" && !loopback(c.NATSListen) && c.NATSAuth == "" {
		return Usagef("--nats-listen %s: the embedded NATS server asks for no credentials and so binds loopback only; give --nats-auth FILE, or run a NATS cluster with accounts and give --nats URL", c.NATSListen)
	}
	if c.NATS.URL != "" && c.NATSAuth != "" {
		return Usagef("--nats-auth is for the embedded NATS server, and --nats uses another one: give one of them")
	}
	if c.Durable.MaxBytes < 0 || c.Durable.MaxAge < 0 {
		return Usagef("--durable-max-bytes and --durable-max-age can't be negative")
	}
	if c.NATS.URL == "" && c.NATS != (NATSConfig{}) {
		return Usagef("--nats-creds, --nats-ca, --nats-cert, --nats-key and --js-domain belong to --nats URL, which is not given")
	}
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		return Usagef("--replicas %d: give 1 to %d, or 0 for 3 in a cluster and else 1", c.Replicas, maxReplicas)
	}
	return c.checkCluster()
}

func (c *Config) checkCluster() error {
	switch {
	case c.Cluster.Listen == "" && len(c.Cluster.Routes) > 0:
		return Usagef("--nats-routes belongs to --nats-cluster-listen, which is not given")
	case c.Cluster.Listen == "":
		return nil
	case c.NATS.URL != "":
		return Usagef("--nats-cluster-listen makes a cluster of embedded servers, and --nats uses another one: give one of them")
	case len(c.Cluster.Routes) == 0:
		return Usagef("--nats-cluster-listen: give --nats-routes with the addresses of the other servers")
	case c.NATSListen == "":
		return Usagef("--nats-cluster-listen needs --nats-listen too")
	case !loopback(c.Cluster.Listen) && c.NATSAuth == "":
		return Usagef("--nats-cluster-listen %s: the embedded NATS server asks for no credentials and so binds loopback only; give --nats-auth FILE, or run a NATS cluster with accounts and give --nats URL", c.Cluster.Listen)
	case strings.ContainsAny(c.Node, " \t\r\n"):
		return Usagef("--node %q: the name of a server in a NATS cluster has no spaces", c.Node)
	case c.Cluster.Name == "" || strings.ContainsAny(c.Cluster.Name, " \t\r\n"):
		return Usagef("--nats-cluster-name %q: give a name without spaces", c.Cluster.Name)
	}
	return nil
}

// checkAddressLimit refuses what no bucket could count.
func (c *Config) checkAddressLimit() error {
	const longest = 24 * 3600 // seconds that a bucket may take to fill: far more than anybody waits
	switch {
	case c.AddressRate == 0:
		return nil
	case !(c.AddressRate >= 1.0/longest && c.AddressRate <= 1e9): // NaN too
		return Usagef("--address-rate %v: give connections a second, more than one a day", c.AddressRate)
	case c.AddressBurst < 1 || float64(c.AddressBurst)/c.AddressRate > longest:
		return Usagef("--address-burst %d: with a rate it is at least 1, and at most what --address-rate gives in a day", c.AddressBurst)
	}
	return nil
}

func (c *Config) has(r Role) bool { return slices.Contains(c.Roles, r) }

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // the listener itself says better what is wrong with the address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
