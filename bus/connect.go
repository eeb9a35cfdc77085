package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// headerRoom is what a body leaves for the headers within max_payload, which counts both (nats-facts §3.7): AWS
	// allows 10 KiB of client headers, the context takes the rest.
	headerRoom = 64 << 10
	// dialTimeout bounds one attempt to connect.
	dialTimeout = 5 * time.Second
	// clientPing and clientPingsOut notice a frozen server after 30 s (nats-facts §7.3).
	clientPing     = 10 * time.Second
	clientPingsOut = 2
	// reconnectWait and reconnectJitter: soon enough for a restart, spread enough for a cluster of gateways.
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	// flushWait bounds the round trip after new subscriptions.
	flushWait = 5 * time.Second
	// closeWait bounds Close: the last publishes go out, then nats.go reports that it is done.
	closeWait = 2 * time.Second
	// maxPEMBytes bounds the CA file, which is read before it is parsed.
	maxPEMBytes = 4 << 20

	// minServerMajor and minServerMinor: per-message TTL and what goes with it (libraries §3.2).
	minServerMajor = 2
	minServerMinor = 12
)

// ConnConfig says which NATS to use, and as whom.
type ConnConfig struct {
	// URL is that of a NATS server, or several with commas. Exactly one of URL and Embedded is set.
	URL string
	// Embedded is the server of our own process; the connection has no socket.
	Embedded *Embedded
	// Name shows in the server's connection list, for example "sallyport edge".
	Name string
	// Creds is a NATS credentials file, CA the file of the certificates to trust, Cert and Key the files of our own
	// certificate. Each may be empty.
	Creds, CA, Cert, Key string
	// Logger receives what happens to the connection; nil is no log.
	Logger *slog.Logger
}

// Conn is one NATS connection. It reconnects for ever, and while it is away publishes fail at once: nothing stale is
// sent later. All methods may be called concurrently.
type Conn struct {
	nc     *nats.Conn
	logger *slog.Logger
	closed chan struct{}
	limit  atomic.Int64 // PayloadCap with the server connected to last
}

// Connect returns a usable connection, or an error that names the flag that would help. It makes one attempt, which
// takes at most until ctx's deadline.
func Connect(ctx context.Context, c ConnConfig) (*Conn, error) {
	if (c.URL == "") == (c.Embedded == nil) {
		return nil, errors.New("bus.Connect: set either URL or Embedded")
	}
	conn := &Conn{logger: orDiscard(c.Logger).With(slog.String("component", "nats")), closed: make(chan struct{})}
	opts, err := conn.options(ctx, c)
	if err != nil {
		return nil, err
	}
	if conn.nc, err = nats.Connect(c.URL, opts...); err != nil {
		if c.Embedded != nil {
			return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
		}
		return nil, fmt.Errorf("--nats %s: can't connect: %w", WithoutSecrets(c.URL), err)
	}
	if err := conn.check(); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (c *Conn) options(ctx context.Context, cfg ConnConfig) ([]nats.Option, error) {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil || timeout <= 0 {
		return nil, fmt.Errorf("connect to NATS: %w", context.Cause(ctx))
	}
	opts := []nats.Option{
		nats.Name(cfg.Name),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.PingInterval(clientPing),
		nats.MaxPingsOutstanding(clientPingsOut),
		nats.ErrorHandler(c.onError),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.logger.Warn("NATS connection lost, reconnecting", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.logger.Info("NATS connection is back", slog.String("server", nc.ConnectedServerName()))
			if err := c.check(); err != nil {
				c.logger.Error("the NATS server is not usable", slog.Any("error", err))
			}
		}),
		nats.ClosedHandler(func(nc *nats.Conn) {
			if err := nc.LastError(); err != nil {
				c.logger.Error("NATS connection closed for good", slog.Any("error", err))
			}
			close(c.closed)
		}),
	}
	if cfg.Embedded != nil {
		opts = append(opts, nats.InProcessServer(cfg.Embedded.InProcess()))
		if cfg.Embedded.auth != nil {
			opts = append(opts, cfg.Embedded.auth.login())
		}
	}
	if cfg.Creds != "" {
		opts = append(opts, nats.UserCredentials(cfg.Creds))
	}
	if cfg.CA != "" || cfg.Cert != "" || cfg.Key != "" {
		config, err := tlsConfig(cfg)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Secure(config))
	}
	return opts, nil
}

func tlsConfig(c ConnConfig) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		info, err := os.Stat(c.CA)
		if err != nil {
			return nil, fmt.Errorf("--nats-ca: %w", err)
		}
		if info.Size() > maxPEMBytes {
			return nil, fmt.Errorf("--nats-ca %s: larger than %d bytes", c.CA, maxPEMBytes)
		}
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("--nats-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--nats-ca %s: no certificate in it", c.CA)
		}
	}
	if c.Cert != "" || c.Key != "" {
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("--nats-cert, --nats-key: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}

// WithoutSecrets shows a server list without the user names, passwords and tokens that it may hold.
func WithoutSecrets(list string) string {
	var shown []string
	for one := range strings.SplitSeq(list, ",") {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(one), "://")
		if !ok {
			scheme, rest = "nats", scheme
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = rest[at+1:]
		}
		shown = append(shown, scheme+"://"+rest)
	}
	return strings.Join(shown, ",")
}

// check refuses servers that lack what the product needs.
func (c *Conn) check() error {
	version := c.nc.ConnectedServerVersion()
	if !versionAtLeast(version, minServerMajor, minServerMinor) {
		return fmt.Errorf("--nats: the NATS server at %s is version %s; version %d.%d or newer is needed",
			WithoutSecrets(c.nc.ConnectedUrlRedacted()), version, minServerMajor, minServerMinor)
	}
	if !c.nc.HeadersSupported() {
		return fmt.Errorf("--nats: the NATS server at %s has headers switched off", WithoutSecrets(c.nc.ConnectedUrlRedacted()))
	}
	if limit := c.nc.MaxPayload(); limit <= headerRoom {
		return fmt.Errorf("--nats: the NATS server's max_payload of %d bytes is too small; more than %d are needed", limit, headerRoom)
	}
	c.limit.Store(c.nc.MaxPayload() - headerRoom)
	return nil
}

func versionAtLeast(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(second)
	return errA == nil && errB == nil && (a > major || a == major && b >= minor)
}

// onError logs what nats.go reports on the side: permissions, slow consumers, junk headers.
func (c *Conn) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	attrs := []any{slog.Any("error", err)}
	if sub != nil {
		attrs = append(attrs, slog.String("subject", sub.Subject))
		if dropped, dropErr := sub.Dropped(); dropErr == nil && dropped > 0 {
			attrs = append(attrs, slog.Int("dropped", dropped))
		}
	}
	c.logger.Error("NATS reports an error", attrs...)
}

// NATS gives the connection itself to the packages that use JetStream.
func (c *Conn) NATS() *nats.Conn { return c.nc }

// PayloadCap is the most bytes that the body of a message may have on this NATS now.
func (c *Conn) PayloadCap() int { return int(c.limit.Load()) }

// Cluster is the name of the NATS cluster that the server connected to belongs to, or "" when it stands alone.
func (c *Conn) Cluster() string { return c.nc.ConnectedClusterName() }

// Connected reports whether the connection is up now.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// Closed is closed when the connection has ended for good: by Close, or because the server refused it in a way from
// which nats.go does not recover (nats-facts §1.4). The owner then builds everything anew or ends.
func (c *Conn) Closed() <-chan struct{} { return c.closed }

// Ping asks an edge whether it lives. (false, nil) is NATS's word that nobody answers for it; a time-out is an error,
// since it proves nothing (nats-facts §5.6). ctx should have a deadline.
func (c *Conn) Ping(ctx context.Context, s Subjects, edge gateway.EdgeID) (bool, error) {
	_, err := c.nc.RequestWithContext(ctx, s.EdgePing(edge), nil)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, nats.ErrNoResponders):
		return false, nil
	}
	return false, fmt.Errorf("ping edge %s: %w", edge, err)
}

// Close sends what was published and ends the connection. It may be called more than once.
func (c *Conn) Close() {
	if c.nc.IsConnected() {
		if err := c.nc.FlushTimeout(closeWait); err != nil {
			c.logger.Warn("NATS connection closed before everything was sent", slog.Any("error", err))
		}
	}
	c.nc.Close()
	select {
	case <-c.closed:
	case <-time.After(closeWait):
	}
}

// subscribed waits until the server knows the subscriptions made before, and reports one of them that it refused.
// Without this a worker without permission looks healthy and hears nothing (nats-facts §1.7). before is what LastError
// gave before the first of them.
func (c *Conn) subscribed(before error, subjects map[string]bool) error {
	if err := c.nc.FlushTimeout(flushWait); err != nil {
		return fmt.Errorf("subscribe on NATS: %w", err)
	}
	last := c.nc.LastError()
	if last == nil || last == before || !errors.Is(last, nats.ErrPermissionViolation) {
		return nil
	}
	// The server's text is: Permissions Violation for Subscription to "subject" using queue "q".
	if _, rest, ok := strings.Cut(last.Error(), `Subscription to "`); ok {
		if subject, _, _ := strings.Cut(rest, `"`); subjects[subject] {
			return fmt.Errorf("the NATS user may not subscribe: %w", last)
		}
	}
	return nil
}
