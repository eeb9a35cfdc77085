package app

import (
	"context"
	"encoding/json"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
)

// ReachConfig says how a command reaches a running gateway: by its admin listener, or, with NATS.URL, by the NATS that it
// uses.
type ReachConfig struct {
	// Admin is the URL of the admin listener; Credentials sign what is asked of it.
	Admin       string
	Credentials control.Credentials
	NATS        NATSConfig
	// Prefix begins every subject.
	Prefix string
}

// Reach is a way to a running gateway. Its methods may be called concurrently. Exactly one of admin and remote is set.
type Reach struct {
	gateway.Connections
	admin    *control.Client
	remote   *bus.Connections
	conn     *bus.Conn
	subjects bus.Subjects
}

// OpenReach checks the configuration, and connects where the way is NATS. Close ends it.
func OpenReach(ctx context.Context, c ReachConfig) (*Reach, error) {
	if c.NATS.URL == "" {
		client, err := control.NewClient(control.ClientConfig{Admin: c.Admin, Credentials: c.Credentials})
		if err != nil {
			return nil, usageError{err}
		}
		return &Reach{Connections: client, admin: client}, nil
	}
	n := c.NATS
	conn, err := bus.Connect(ctx, bus.ConnConfig{URL: n.URL, Name: "sallyport command", Creds: n.Creds, CA: n.CA, Cert: n.Cert, Key: n.Key})
	if err != nil {
		return nil, err
	}
	subjects := bus.Subjects{Prefix: c.Prefix}
	remote, err := bus.NewConnections(bus.RemoteConfig{Conn: conn, Subjects: subjects})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Reach{Connections: remote, remote: remote, conn: conn, subjects: subjects}, nil
}

// Close gives up what the way holds.
func (r *Reach) Close() {
	if r.admin != nil {
		r.admin.Close()
		return
	}
	r.remote.Close()
	r.conn.Close()
}

// List calls yield for each live connection of an API and stage, of all when they are empty, until it returns false.
func (r *Reach) List(ctx context.Context, api gateway.APIID, stage gateway.StageName, yield func(gateway.ConnectionStatus) bool) error {
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

// Tail calls yield with the record of each event, as JSON, until yield returns false or ctx ends.
func (r *Reach) Tail(ctx context.Context, api gateway.APIID, route gateway.RouteKey, yield func(json.RawMessage) bool) error {
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
