package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
)

// Access says who may make the management calls under /v1.
type Access uint8

const (
	// AccessSigned lets those in who sign with a key of Config.Keys that allows accesskeys.ActionManage.
	AccessSigned Access = iota
	// AccessOpen lets everybody in who reaches the listener; for dev, which binds loopback only.
	AccessOpen
)

// Scope says what a listener serves.
type Scope uint8

const (
	// ScopeAll is everything: the admin listener.
	ScopeAll Scope = iota
	// ScopeHealth is /livez, /healthz, /readyz and /metrics: nothing that changes anything or tells of a client, for a
	// listener that other machines reach.
	ScopeHealth
)

// ConnectionFilter chooses connections. Empty fields choose all.
type ConnectionFilter struct {
	API   gateway.APIID
	Stage gateway.StageName
}

// TailFilter chooses events. Empty fields choose all.
type TailFilter struct {
	API   gateway.APIID
	Route gateway.RouteKey
}

// Build tells which program answers.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go,omitempty"`
}

// Config is what a Server needs. Ready is required.
type Config struct {
	// Listen is the host:port of --admin, or of --health by ScopeHealth; empty means DefaultListen.
	Listen string
	Scope  Scope
	Access Access
	// Keys are the access keys that calls are signed with; nil means that there are none, and AccessSigned refuses everybody.
	Keys sigv4.Keys
	// AccessKeys answers /v1/access-keys; nil means 404.
	AccessKeys AccessKeys
	// Deployments answers /v1/apis; nil means 404.
	Deployments Deployments
	// DeadLetters answers /v1/dead-letters; nil means 404.
	DeadLetters DeadLetters
	// Hosts are the names under which the gateway is reached (--domain), each with its subdomains. Open management calls
	// answer only under these, localhost and IP addresses, so that no web page can read them by a name of its own that
	// points here (DNS rebinding).
	Hosts []string
	Build Build
	// Ready returns what is still missing before traffic can be taken; nothing means ready. It must not block.
	Ready func() []string
	// Metrics answers /metrics; nil means 404.
	Metrics http.Handler

	// Connections calls yield for each live connection that matches, until it returns false; yield may block for lineTimeout
	// while the client reads slowly. nil means that this process knows no connections: 404.
	Connections func(ctx context.Context, f ConnectionFilter, yield func(gateway.ConnectionStatus) bool) error
	// Subscribe returns the events that match from now on, each the JSON of an event.Record, until ctx ends. The channel is
	// bounded and the subscriber drops events when it is full: a slow reader must not hold up others. The subscriber may
	// close the channel, which ends the stream with an error. nil means 404.
	Subscribe func(ctx context.Context, f TailFilter) (<-chan []byte, error)

	// Drain begins to stop this process and calls yield with how far that is, until yield returns false, the edge is empty or
	// ctx ends; the drain goes on in any case. nil means 404.
	Drain func(ctx context.Context, yield func(DrainStatus) bool) error

	// Callbacks answers the requests whose path IsCallback accepts. Its handler ends when the request's context does.
	// Both or neither are set.
	Callbacks  http.Handler
	IsCallback func(escapedPath string) bool

	// Logger takes what goes wrong on connections; nil discards it.
	Logger *slog.Logger
}

// check completes the configuration.
func (c *Config) check() error {
	if c.Ready == nil {
		return errors.New("control: Config.Ready is missing")
	}
	if (c.Callbacks == nil) != (c.IsCallback == nil) {
		return errors.New("control: Config.Callbacks and Config.IsCallback belong together")
	}
	if c.Keys == nil {
		c.Keys = noKeys{}
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
