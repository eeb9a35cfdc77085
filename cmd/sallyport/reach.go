package main

import (
	"context"
	"errors"
	"os"

	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
)

// reachFlags say how a command reaches a running gateway.
type reachFlags struct {
	Admin     string `default:"http://127.0.0.1:8081" placeholder:"URL" help:"The gateway's admin listener (${default})."`
	NATS      string `name:"nats" placeholder:"URL" help:"Go by this NATS instead, without a signature."`
	NATSCreds string `name:"nats-creds" placeholder:"FILE" help:"Credentials file for --nats."`
	NATSCA    string `name:"nats-ca" placeholder:"FILE" help:"Certificate authority for --nats."`
	NATSCert  string `name:"nats-cert" placeholder:"FILE" help:"Client certificate for --nats."`
	NATSKey   string `name:"nats-key" placeholder:"FILE" help:"Key of the client certificate for --nats."`
	Prefix    string `default:"sallyport" placeholder:"TOKEN" help:"First token of every subject, for --nats (${default})."`
}

// with opens the way and runs call on it.
func (f reachFlags) with(ctx context.Context, call func(*app.Reach) error) error {
	r, err := app.OpenReach(ctx, app.ReachConfig{
		Admin: f.Admin, Prefix: f.Prefix, Credentials: control.CredentialsFrom(os.Getenv),
		NATS: app.NATSConfig{URL: f.NATS, Creds: f.NATSCreds, CA: f.NATSCA, Cert: f.NATSCert, Key: f.NATSKey},
	})
	if err != nil {
		return public(err)
	}
	defer r.Close()
	return public(call(r))
}

// public shows the message that is meant for people; codes and causes are for programs.
func public(err error) error {
	var e *gateway.Error
	if !errors.As(err, &e) {
		return err
	}
	if errors.Is(err, app.ErrUsage) {
		return app.Usagef("%s", e.Message)
	}
	return errors.New(e.Message)
}
