package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// EmbeddedMaxPayload fits the largest HTTP body (10 MiB) with its headers, and a base64 message of the ceiling
	// (nats-facts §3.7, DESIGN §3.10).
	EmbeddedMaxPayload = 12 << 20
	// embeddedPing and embeddedPingsOut drop a frozen worker after 30 s instead of nats-server's six minutes, during
	// which its share of the events would be lost (nats-facts §7.3).
	embeddedPing     = 10 * time.Second
	embeddedPingsOut = 2
	// embeddedPending is what may wait for one client before the server drops its connection as too slow: the default of
	// 64 MiB is six large HTTP bodies that reach one worker at the same time.
	embeddedPending = 256 << 20
	// embeddedReady bounds the start: it takes milliseconds, or seconds when JetStream recovers much data.
	embeddedReady = 30 * time.Second
	// readyPoll is how often the start looks for a fatal error of the server meanwhile.
	readyPoll = 200 * time.Millisecond
	// dataDirMode: the stored records name clients, so other users have no business there.
	dataDirMode     = 0o700
	storeDir        = "nats"
	clusterStoreDir = "nats-cluster"
	lockFile        = "sallyport.lock"

	defaultServerName = "sallyport"
)

// EmbeddedConfig configures the NATS server that runs in our own process.
type EmbeddedConfig struct {
	// DataDir holds JetStream's files; it is created if need be and belongs to one process at a time. Empty is a
	// temporary directory that Shutdown removes.
	DataDir string
	// Listen is the host:port for NATS clients, port 0 for a free one. Empty means in-process connections only, and no
	// cluster.
	Listen string
	// Name is the server's name, unlike all others' in its cluster and the same at each start; default "sallyport".
	Name string
	// Cluster joins the embedded servers of other processes; nil is a server of its own.
	Cluster *ClusterConfig
	// Auth is a file in nats-server's format with accounts, users, permissions and TLS; empty asks nobody for credentials.
	// The gateway's subjects are in the account AuthAccount, or in the global one when the file has no accounts.
	Auth string
	// Subjects says which subject mappings plain publishers need.
	Subjects Subjects
	// Logger receives the server's warnings and errors, and its notices at debug level; nil is no log.
	Logger *slog.Logger
}

// Embedded is a running NATS server with JetStream.
type Embedded struct {
	server   *server.Server
	subjects Subjects
	logger   *slog.Logger
	auth     *auth // nil when nobody needs credentials
	lock     *dirLock
	remove   string // the temporary data directory, or empty

	clustered bool
	routes    int // to other servers of the cluster
}

// StartEmbedded starts a server and returns when it takes connections. Its errors name the flag that would help:
// --nats-listen, --nats-auth, --nats-cluster-listen, --nats-routes or --data. With a cluster, AwaitCluster comes next.
func StartEmbedded(c EmbeddedConfig) (*Embedded, error) {
	if err := c.Subjects.Validate(); err != nil {
		return nil, err
	}
	e := &Embedded{subjects: c.Subjects, logger: orDiscard(c.Logger).With(slog.String("component", "nats-server")), clustered: c.Cluster != nil}
	if err := e.start(c); err != nil {
		e.Shutdown()
		return nil, err
	}
	return e, nil
}

func (e *Embedded) start(c EmbeddedConfig) error {
	dir, err := e.dataDir(c.DataDir)
	if err != nil {
		return err
	}
	store, err := e.storeDir(dir)
	if err != nil {
		return err
	}
	logger := newServerLog(c.Logger)
	opts := &server.Options{}
	if c.Auth != "" {
		if e.auth, err = loadAuth(c.Auth); err != nil {
			return err
		}
		opts = e.auth.options
	}
	opts.ServerName = c.Name
	opts.NoSigs = true // else nats-server takes the signals and calls os.Exit
	opts.JetStream, opts.StoreDir = true, store
	opts.DisableJetStreamBanner = true
	opts.MaxPayload, opts.MaxPending = EmbeddedMaxPayload, embeddedPending
	opts.PingInterval, opts.MaxPingsOut = embeddedPing, embeddedPingsOut
	if opts.ServerName == "" {
		opts.ServerName = defaultServerName
	}
	if err := listenOn(opts, c.Listen); err != nil {
		return err
	}
	if c.Cluster != nil {
		if opts.DontListen { // nats-server opens its routes once it takes clients
			return errors.New("--nats-cluster-listen needs --nats-listen too")
		}
		if err := c.Cluster.options(opts); err != nil {
			return err
		}
		if e.auth != nil {
			if err := e.auth.checkCluster(c.Cluster.Listen); err != nil {
				return err
			}
		}
		e.routes = len(opts.Routes)
	}
	e.server, err = server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("embedded NATS server: %w", err)
	}
	e.server.SetLoggerV2(logger, false, false, false)
	if err := e.ReloadMappings(); err != nil {
		return err
	}
	e.server.Start()
	for deadline := time.Now().Add(embeddedReady); !e.server.ReadyForConnections(readyPoll); {
		if err := logger.fatal(); err != nil {
			return fmt.Errorf("embedded NATS server: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("embedded NATS server: not ready after %v", embeddedReady)
		}
	}
	return e.enableJetStream()
}

// account is the one that holds the gateway's subjects.
func (e *Embedded) account() (*server.Account, error) {
	if e.auth == nil || e.auth.account == "" {
		return e.server.GlobalAccount(), nil
	}
	return e.server.LookupAccount(e.auth.account)
}

// enableJetStream does what an account of a --nats-auth file may have left out; without accounts nats-server does it.
func (e *Embedded) enableJetStream() error {
	account, err := e.account()
	if err != nil || account.JetStreamEnabled() {
		return err
	}
	return account.EnableJetStream(nil, nil)
}

// dataDir prepares and locks the data directory.
func (e *Embedded) dataDir(dir string) (string, error) {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "sallyport-nats-")
		if err != nil {
			return "", fmt.Errorf("temporary data directory: %w", err)
		}
		e.remove = tmp
		return tmp, nil
	}
	if err := os.MkdirAll(dir, dataDirMode); err != nil {
		return "", fmt.Errorf("--data %s: can't create the directory: %w", dir, err)
	}
	lock, err := lockDir(filepath.Join(dir, lockFile))
	if errors.Is(err, errLocked) {
		return "", fmt.Errorf("--data %s: %w: end it, or give this one a directory of its own", dir, err)
	}
	if err != nil {
		return "", fmt.Errorf("--data %s: can't write there: %w", dir, err)
	}
	e.lock = lock
	return dir, nil
}

// storeDir is where JetStream keeps its files. A cluster has a place of its own: a server that comes to one with streams
// that the cluster does not know deletes them. What the other form left is not taken over, so it is refused.
func (e *Embedded) storeDir(dir string) (string, error) {
	own, other, hint := storeDir, clusterStoreDir, "was made by a server of a cluster (--nats-cluster-listen)"
	if e.clustered {
		own, other, hint = clusterStoreDir, storeDir, "was made by a single server, and a cluster does not take that over"
	}
	own, other = filepath.Join(dir, own), filepath.Join(dir, other)
	if exists(other) && !exists(own) {
		return "", fmt.Errorf("--data %s: the state in it %s: give another directory", dir, hint)
	}
	return own, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// listenOn fills in the listener.
func listenOn(opts *server.Options, listen string) error {
	if listen == "" {
		opts.DontListen = true
		return nil
	}
	var err error
	opts.Host, opts.Port, err = probe("--nats-listen", listen)
	return err
}

// probe takes an address apart, and binds it once to say clearly what is wrong with it.
func probe(flag, listen string) (host string, port int, err error) {
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("%s %s: give host:port, such as 127.0.0.1:4222: %w", flag, listen, err)
	}
	port, err = strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%s %s: %q is no port number", flag, listen, portText)
	}
	listener, err := net.Listen("tcp", listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", 0, fmt.Errorf("%s %s: the port is in use; choose another, or use the NATS server there with --nats: %w", flag, listen, err)
	}
	if err != nil {
		return "", 0, fmt.Errorf("%s %s: %w", flag, listen, err)
	}
	_ = listener.Close() // nothing was accepted on it
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// ReloadMappings adds the subject mappings for plain publishers. Adding them again does no harm; whoever reloads the
// server's options must, since a reload drops them (nats-facts §2.4).
func (e *Embedded) ReloadMappings() error {
	account, err := e.account()
	if err != nil {
		return err
	}
	for _, m := range e.subjects.Mappings() {
		if err := account.AddMapping(m.From, m.To); err != nil {
			return fmt.Errorf("subject mapping %s: %w", m.From, err)
		}
	}
	return nil
}

// ClientURL is where NATS clients connect, or "" when the server does not listen.
func (e *Embedded) ClientURL() string {
	if e.server.Addr() == nil {
		return ""
	}
	return e.server.ClientURL()
}

// InProcess gives connections without a socket.
func (e *Embedded) InProcess() nats.InProcessConnProvider { return e.server }

// JetStreamReady reports whether the server's JetStream can be used now; err says why not.
func (e *Embedded) JetStreamReady() error {
	h := e.server.Healthz(&server.HealthzOptions{JSEnabledOnly: true})
	if h.Error != "" {
		return errors.New(h.Error)
	}
	return nil
}

// Shutdown stops the server and gives the data directory free. Close the connections to it first. It does not use lame
// duck mode, which waits for ever without a listener.
func (e *Embedded) Shutdown() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	if e.lock != nil {
		e.lock.release()
		e.lock = nil
	}
	if e.remove != "" {
		_ = os.RemoveAll(e.remove) // temporary: what is left does no harm
		e.remove = ""
	}
}
