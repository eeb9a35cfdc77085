package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/authorizers/keysets"
	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/connstore/journal"
	"github.com/sallyport/sallyport/edge"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/internal/telemetry"
	"github.com/sallyport/sallyport/router"
)

const (
	// startTimeout bounds the start of NATS and of what waits for it.
	startTimeout = 30 * time.Second
	// clusterStartTimeout bounds the wait for the other machines of an embedded cluster, which may all be starting. Whoever
	// watches over the process starts it anew then.
	clusterStartTimeout = 5 * time.Minute
	// clusterReplicas keep what is stored when one server of a cluster is lost.
	clusterReplicas = 3
	// stopTimeout is what a stop may take beyond the drain; then it gives up what is left (DESIGN §4).
	stopTimeout = 5 * time.Second
)

// process is one running gateway.
type process struct {
	config  Config
	logger  *slog.Logger
	console *Console
	life    lifecycle
	routine sync.WaitGroup // the goroutines that start makes; stop waits for them

	telemetry   *telemetry.Telemetry
	embedded    *bus.Embedded // nil with --nats
	conn        *bus.Conn
	replicas    int // of each stream and bucket
	subjects    bus.Subjects
	opening     openings
	store       *journal.Store
	keys        *accesskeys.Store
	definitions *definitions
	live        router.Live
	worker      *integrations.Worker
	durable     *bus.Durable
	tap         *bus.Tap
	accessLog   *accesslog.Sink
	keySets     *keysets.Cache         // of the edge role
	certificate edge.CertificateSource // nil without TLS
	edge        *edgeSlot
	command     *command
	node        *node // nil in dev
	addresses   Addresses
	notifier    *notifier // nil where no service manager listens
	started     atomic.Bool
	stopping    atomic.Bool
}

// Run runs a gateway until ctx ends, or until a part of it fails for good. What was started is stopped in any case,
// last first, within the drain timeout and stopTimeout.
func Run(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	p := &process{config: c, logger: newLogger(c.Stderr, c.LogFormat, c.LogLevel), console: NewConsole(c.Stdout, c.Getenv), subjects: bus.Subjects{Prefix: c.Prefix}}
	p.life.logger = p.logger
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	err := p.start(ctx, fail)
	if err == nil {
		p.started.Store(true)
		p.announce()
		p.notifier.ready(p.status)
		<-ctx.Done()
		p.stopping.Store(true)
		p.notifier.stopping(p.config.DrainTimeout + stopTimeout)
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}
	return errors.Join(err, p.stop(ctx))
}

// start is the house in the order in which it comes to life. Each step leaves its undoing in p.life. fail ends the
// process from inside, for what can't be mended while it runs.
func (p *process) start(ctx context.Context, fail context.CancelCauseFunc) error {
	for _, step := range []func(context.Context, context.CancelCauseFunc) error{
		p.startTelemetry,
		p.startNotify,
		p.startHealth,
		p.startNATS,
		p.startOpening,
		p.startDefinitions,
		p.startDurable,
		p.startWorker,
		p.startStore,
		p.startAccess,
		p.startKeySets,
		p.startCommand,
		p.startTap,
		p.startAccessLog,
		p.startCatalog,
		p.startRemote,
		p.startTLS,
		p.startAdmin,
		p.startEdge,
		p.startWatching,
	} {
		if err := step(ctx, fail); err != nil {
			return err
		}
	}
	return p.command.launch(p.commandEnv())
}

func (p *process) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.DrainTimeout+stopTimeout)
	defer cancel()
	err := p.life.stop(ctx)
	p.routine.Wait()
	return err
}

func (p *process) startTelemetry(ctx context.Context, _ context.CancelCauseFunc) error {
	t, err := telemetry.New(ctx, telemetry.Config{Getenv: p.config.Getenv, Version: p.config.Version, Node: p.config.Node, Console: p.config.Stderr})
	if err != nil {
		return err
	}
	p.telemetry = t
	p.life.onStop("telemetry", func(ctx context.Context) error {
		if err := t.Shutdown(ctx); err != nil {
			p.logger.Warn("telemetry was not flushed", "error", err) // a collector that is away is no failure of ours
		}
		return nil
	})
	return nil
}

func (p *process) startNATS(ctx context.Context, fail context.CancelCauseFunc) error {
	n := p.config.NATS
	settings := bus.ConnConfig{URL: n.URL, Name: "sallyport " + p.config.Node, Creds: n.Creds, CA: n.CA, Cert: n.Cert, Key: n.Key, Logger: p.logger}
	if n.URL == "" {
		if err := p.startEmbedded(ctx); err != nil {
			return err
		}
		settings.Embedded = p.embedded
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := bus.Connect(ctx, settings)
	if err != nil {
		return err
	}
	p.conn = conn
	if p.replicas = p.config.Replicas; p.replicas == 0 && conn.Cluster() != "" {
		p.replicas = clusterReplicas
	}
	p.addresses.NATS = p.natsURL()
	p.life.onStop("NATS connection", func(context.Context) error { conn.Close(); return nil })
	stopped := make(chan struct{})
	p.life.onStop("NATS watch", func(context.Context) error { close(stopped); return nil })
	p.routine.Go(func() {
		select {
		case <-stopped:
		case <-conn.Closed():
			fail(errors.New("the NATS connection was closed for good"))
		}
	})
	return nil
}

// startEmbedded starts the NATS server of this process. As part of a cluster it takes connections of its peers before it
// waits for them.
func (p *process) startEmbedded(ctx context.Context) error {
	settings := bus.EmbeddedConfig{DataDir: p.config.Data, Listen: p.config.NATSListen, Auth: p.config.NATSAuth, Subjects: p.subjects, Logger: p.logger}
	if c := p.config.Cluster; c.Listen != "" {
		settings.Name = p.config.Node
		settings.Cluster = &bus.ClusterConfig{Name: c.Name, Listen: c.Listen, Routes: c.Routes}
	}
	embedded, err := bus.StartEmbedded(settings)
	if err != nil {
		return err
	}
	p.embedded = embedded
	p.life.onStop("embedded NATS", func(context.Context) error { embedded.Shutdown(); return nil })
	ctx, cancel := context.WithTimeout(ctx, clusterStartTimeout)
	defer cancel()
	return embedded.AwaitCluster(ctx)
}

func (p *process) startStore(context.Context, context.CancelCauseFunc) (err error) {
	p.store, err = p.opening.store.wait()
	return err
}

func (p *process) openStore(ctx context.Context) (*journal.Store, error) {
	loss := journal.LossFence
	if p.config.NATSLoss == LossKeep {
		loss = journal.LossKeep
	}
	store, err := journal.Open(ctx, journal.Config{
		Loss: loss,
		Conn: p.conn.NATS(), Prefix: p.config.Prefix, Domain: p.config.NATS.JSDomain, Replicas: p.replicas, Logger: p.logger,
		Alive: func(ctx context.Context, edge gateway.EdgeID) (bool, error) {
			return p.conn.Ping(ctx, p.subjects, edge)
		},
	})
	if err != nil {
		if p.replicas > 1 {
			err = fmt.Errorf("%w (%d servers with JetStream are needed to create it, see --replicas)", err, p.replicas)
		}
		return nil, fmt.Errorf("connection store: %w", err)
	}
	return store, nil
}

func newLogger(out io.Writer, format LogFormat, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == LogJSON {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}
