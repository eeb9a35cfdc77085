package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/internal/gcpace"
)

// nodeFlags are common to dev and serve.
type nodeFlags struct {
	Admin           string        `default:"127.0.0.1:8081" placeholder:"ADDRESS" help:"Management, health, metrics and callbacks listen here (${default})."`
	Health          string        `placeholder:"ADDRESS" help:"/healthz, /readyz and /metrics listen here too, and nothing else, for the probes and the Prometheus of other machines."`
	TLSCert         string        `name:"tls-cert" placeholder:"FILE" help:"Clients connect by TLS, with this certificate and its chain (PEM). It is loaded again when the file changes."`
	TLSKey          string        `name:"tls-key" placeholder:"FILE" help:"Key of --tls-cert (PEM)."`
	NATSListen      string        `name:"nats-listen" default:"127.0.0.1:4222" placeholder:"ADDRESS" help:"The embedded NATS server listens here for backends (${default})."`
	NATS            string        `name:"nats" placeholder:"URL" help:"Use this NATS cluster instead of the embedded server."`
	NATSCreds       string        `name:"nats-creds" placeholder:"FILE" help:"Credentials file for --nats."`
	NATSCA          string        `name:"nats-ca" placeholder:"FILE" help:"Certificate authority for --nats."`
	NATSCert        string        `name:"nats-cert" placeholder:"FILE" help:"Client certificate for --nats."`
	NATSKey         string        `name:"nats-key" placeholder:"FILE" help:"Key of the client certificate for --nats."`
	JSDomain        string        `name:"js-domain" placeholder:"NAME" help:"JetStream domain of --nats."`
	Data            string        `default:".sallyport" placeholder:"DIR" help:"The embedded JetStream keeps its state here (${default})."`
	DurableMaxBytes int64         `default:"1073741824" placeholder:"BYTES" help:"Messages of atLeastOnce routes that wait, and dead letters, may take so many bytes each (${default}). Full, they refuse more."`
	DurableMaxAge   time.Duration `default:"168h" placeholder:"DURATION" help:"Messages of atLeastOnce routes that nobody served for so long are dropped (${default})."`
	Prefix          string        `default:"sallyport" placeholder:"TOKEN" help:"First token of every subject (${default})."`
	Roles           []string      `default:"edge,worker,control" placeholder:"ROLE,…" help:"Which parts run in this process: edge, worker, control, which takes deployments (all)."`
	Node            string        `placeholder:"NAME" help:"This process's name (the host's). Processes that run at the same time need different ones."`
	Domain          string        `default:"localhost" placeholder:"NAME" help:"Base of host style addresses, {api}.NAME (${default})."`
	LogFormat       string        `default:"text" enum:"text,json" help:"How log records are written: text or json (${default})."`
	LogLevel        string        `default:"info" enum:"debug,info,warn,error" help:"Log records below this level are left out: debug, info, warn or error (${default}). debug tells why each client was refused."`
}

func (f nodeFlags) config(mode app.Mode, std streams) app.Config {
	roles := make([]app.Role, len(f.Roles))
	for i, r := range f.Roles {
		roles[i] = app.Role(r)
	}
	return app.Config{
		Mode: mode, Admin: f.Admin, Health: f.Health, NATSListen: f.NATSListen, Data: f.Data, Prefix: f.Prefix, Roles: roles, Node: f.Node, Domain: f.Domain,
		NATS:      app.NATSConfig{URL: f.NATS, Creds: f.NATSCreds, CA: f.NATSCA, Cert: f.NATSCert, Key: f.NATSKey, JSDomain: f.JSDomain},
		Durable:   app.DurableConfig{MaxBytes: f.DurableMaxBytes, MaxAge: f.DurableMaxAge},
		TLS:       app.TLSConfig{Cert: f.TLSCert, Key: f.TLSKey},
		LogFormat: app.LogFormat(f.LogFormat), LogLevel: logLevel(f.LogLevel), Version: version().Version, Getenv: os.Getenv, Environ: os.Environ, Stdout: std.out, Stderr: std.err,
	}
}

// logLevel is the level of a name that the flag's enum lets through.
func logLevel(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// runNode runs a gateway. Unless GOGC is set, how often memory is collected follows the load.
func runNode(ctx context.Context, config app.Config) error {
	if config.Getenv("GOGC") != "" {
		return app.Run(ctx, config)
	}
	ctx, cancel := context.WithCancel(ctx)
	var pacing sync.WaitGroup
	defer pacing.Wait()
	defer cancel()
	pacing.Go(func() { gcpace.New().Run(ctx) })
	return app.Run(ctx, config)
}
