package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/internal/app"
)

type serveCommand struct {
	nodeFlags
	Files        []string      `arg:"" optional:"" name:"file" help:"API definitions, one API each."`
	Listen       string        `default:":8080" placeholder:"ADDRESS" help:"Clients connect here (${default})."`
	NATSLoss     string        `name:"nats-loss" default:"close" enum:"close,keep" help:"What becomes of clients when NATS is away for more than 12 s: close closes them with 1013, keep holds them until another edge has told their backend that they are gone (${default})."`
	DrainTimeout time.Duration `default:"5s" help:"How long a stop may spread the closing of clients (${default})."`
	AddressRate  float64       `placeholder:"RATE" help:"New WebSocket connections a second of one client address, more get 429; 0 for no limit (${default})." default:"0"`
	AddressBurst int           `placeholder:"COUNT" help:"Connections that an address may open at once after a pause, with --address-rate (${default})." default:"20"`
	DrainCode    int           `default:"1001" enum:"1001,1012" help:"Close code of the clients that a stop closes: 1001 (going away) or 1012 (service restart) (${default})."`

	NATSAuth      string   `name:"nats-auth" placeholder:"FILE" help:"Users, accounts and TLS of the embedded NATS server, in nats-server's format. With it --nats-listen and --nats-cluster-listen take other addresses than loopback."`
	ClusterListen string   `name:"nats-cluster-listen" placeholder:"ADDRESS" help:"The embedded NATS servers of several processes form a cluster: this one listens here for the others. --node must differ between them."`
	Routes        []string `name:"nats-routes" placeholder:"ADDRESS,…" help:"The --nats-cluster-listen addresses of the cluster's servers; this one's own may be among them."`
	ClusterName   string   `name:"nats-cluster-name" default:"sallyport" placeholder:"NAME" help:"Name of the cluster, the same in all its processes (${default})."`
	Replicas      int      `default:"0" placeholder:"N" help:"How many NATS servers keep each stream and bucket; those that exist with fewer are raised. 0 is 3 in a cluster, else 1 (${default})."`
}

// Help shows an example.
func (serveCommand) Help() string {
	return `Example:

    sallyport serve chat.yaml --listen :8080 --data /var/lib/sallyport
    sallyport serve chat.yaml --node a --nats-cluster-listen 127.0.0.1:6222 \
        --nats-routes 127.0.0.1:6222,127.0.0.1:6223,127.0.0.1:6224

HTTP callbacks and management calls must be signed with an access key. The root key comes from
SALLYPORT_ROOT_ACCESS_KEY_ID and SALLYPORT_ROOT_SECRET_ACCESS_KEY, others from "sallyport access-keys";
without a root key all are refused, and backends push over NATS. SIGHUP opens the files of access
logs anew. SIGTERM, or "sallyport drain", takes no more clients, closes those there are when their
messages are answered, runs $disconnect and exits with 0.`
}

// Run runs until ctx ends.
func (c serveCommand) Run(ctx context.Context, std streams) error {
	files, err := expand(c.Files)
	if err != nil {
		return err
	}
	config := c.config(app.ModeServe, std)
	config.Files, config.Listen, config.DrainTimeout, config.NATSLoss = files, c.Listen, c.DrainTimeout, app.LossPolicy(c.NATSLoss)
	config.DrainCode, config.AddressRate, config.AddressBurst = c.DrainCode, c.AddressRate, c.AddressBurst
	config.NATSAuth = c.NATSAuth
	config.Cluster, config.Replicas = app.ClusterConfig{Name: c.ClusterName, Listen: c.ClusterListen, Routes: c.Routes}, c.Replicas
	// Not in dev, where SIGHUP says that the terminal is gone.
	reopen := make(chan os.Signal, 1)
	signal.Notify(reopen, syscall.SIGHUP)
	defer signal.Stop(reopen)
	config.Reopen = reopen
	return runNode(ctx, config)
}
