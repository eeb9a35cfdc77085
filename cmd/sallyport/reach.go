package main

import (
	"context"
	"encoding/json"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
)

// reachFlags say how a command reaches a running gateway: by its admin listener, or by the NATS that it uses.
type reachFlags struct {
	Admin     string `default:"http://127.0.0.1:8081" placeholder:"URL" help:"The gateway's admin listener (${default})."`
	NATS      string `name:"nats" placeholder:"URL" help:"Go by this NATS instead, as serve requires."`
	NATSCreds string `name:"nats-creds" placeholder:"FILE" help:"Credentials file for --nats."`
	NATSCA    string `name:"nats-ca" placeholder:"FILE" help:"Certificate authority for --nats."`
	NATSCert  string `name:"nats-cert" placeholder:"FILE" help:"Client certificate for --nats."`
	NATSKey   string `name:"nats-key" placeholder:"FILE" help:"Key of the client certificate for --nats."`
	Prefix    string `default:"sallyport" placeholder:"TOKEN" help:"First token of every subject, for --nats (${default})."`
}

// reach is a way to a running gateway. Exactly one of admin and conn is set.
type reach struct {
	gateway.Connections
	admin    *control.Client
	conn     *bus.Conn
	remote   *bus.Connections
	subjects bus.Subjects
}

func (f reachFlags) open(ctx context.Context) (*reach, error) {
	if f.NATS == "" {
		client, err := control.NewClient(control.ClientConfig{Admin: f.Admin})
		if err != nil {
			return nil, app.Usagef("%w", public(err))
		}
		return &reach{Connections: client, admin: client}, nil
	}
	conn, err := bus.Connect(ctx, bus.ConnConfig{URL: f.NATS, Name: "sallyport command", Creds: f.NATSCreds, CA: f.NATSCA, Cert: f.NATSCert, Key: f.NATSKey})
	if err != nil {
		return nil, err
	}
	subjects := bus.Subjects{Prefix: f.Prefix}
	remote, err := bus.NewConnections(bus.RemoteConfig{Conn: conn, Subjects: subjects})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &reach{Connections: remote, conn: conn, remote: remote, subjects: subjects}, nil
}

func (r *reach) close() {
	if r.admin != nil {
		r.admin.Close()
		return
	}
	r.remote.Close()
	r.conn.Close()
}

// list calls yield for each live connection.
func (r *reach) list(ctx context.Context, api gateway.APIID, stage gateway.StageName, yield func(gateway.ConnectionStatus) bool) error {
	if r.admin != nil {
		return r.admin.List(ctx, control.ConnectionFilter{API: api, Stage: stage}, yield)
	}
	for status, err := range r.remote.List(ctx, bus.ListFilter{API: api, Stage: stage}) {
		if err != nil {
			return err
		}
		if !yield(status) {
			return nil
		}
	}
	return nil
}

// tail calls yield with each event's record as JSON, until ctx ends.
func (r *reach) tail(ctx context.Context, api gateway.APIID, route gateway.RouteKey, yield func(json.RawMessage) bool) error {
	if r.admin != nil {
		return r.admin.Tail(ctx, control.TailFilter{API: api, Route: route}, yield)
	}
	tapper, err := bus.NewTapper(ctx, bus.TapperConfig{Conn: r.conn, Subjects: r.subjects, API: api})
	if err != nil {
		return err
	}
	defer tapper.Close()
	for record := range tapper.Records(ctx) {
		if route != "" && record.Route != route {
			continue
		}
		line, err := json.Marshal(record)
		if err != nil {
			return err
		}
		if !yield(line) {
			return nil
		}
	}
	return nil
}
