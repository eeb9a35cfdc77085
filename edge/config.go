package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
)

// CallbackPolicy says who may use @connections over HTTP.
type CallbackPolicy uint8

// The policies.
const (
	// CallbacksRefused answers every HTTP callback with 403; the NATS ones are not the edge's to refuse.
	CallbacksRefused CallbackPolicy = iota
	// CallbacksOpen takes them from anybody.
	CallbacksOpen
	// CallbacksSigned takes them from those who sign with a key of Config.Keys that allows
	// execute-api:ManageConnections on the API (contract/websocket-api.md §9.3).
	CallbacksSigned
)

// Config is what a Server needs. Live, Sender, Invoker, Journal, Remote and Lease are required.
type Config struct {
	// Listen is the data plane's address, host:port.
	Listen string
	// Certificate makes the data plane speak TLS, and nothing else; nil means plain HTTP.
	Certificate CertificateSource
	// Domain is the base of host-style addresses (DESIGN §4).
	Domain string
	// Live holds the programs; a swap reaches open sockets with their next message.
	Live *router.Live
	// Sender carries WebSocket events, Invoker HTTP requests.
	Sender  gateway.Sender
	Invoker gateway.Invoker
	// Journal records this incarnation's connections and names it.
	Journal connstore.Journal
	// Remote reaches connections of other edges.
	Remote gateway.Connections
	// Lease reports whether an edge's lease is still there: a silent edge without one is gone for good.
	Lease func(context.Context, gateway.EdgeID) (bool, error)
	// Callbacks is the policy for HTTP callbacks; the zero value refuses them.
	Callbacks CallbackPolicy
	// Keys are the access keys that sign callbacks; CallbacksSigned needs them.
	Keys sigv4.Keys

	// Observe is told of every event; nil means nobody looks. It must not block.
	Observe func(event.Record)
	// Observing reports whether records are wanted now; nil means whenever Observe is set.
	Observing func() bool

	// Authorizers makes the authorizer of an API; nil refuses the clients of those that have one. It is asked for every
	// handshake, so that what is dear, such as the keys of an issuer, is kept elsewhere.
	Authorizers func(*router.Program, *router.Authorizer) (gateway.Authorizer, error)
	// AccessLog takes the lines of stages that have an access log; it must not block or keep the line. nil discards them.
	AccessLog func(destination string, line []byte)

	// TracerProvider and MeterProvider may be nil: nothing is traced or counted.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Logger may be nil: nothing is logged.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// HandshakeTimeout bounds a connection's TLS handshake and first request head together; 0 means 10 s.
	HandshakeTimeout time.Duration
	// AddressLimit bounds new connections of one client address; the zero value is no limit.
	AddressLimit AddressLimit
	// DrainTimeout is the time over which Drain spreads its closes; 0 closes all at once.
	DrainTimeout time.Duration
	// DrainCode is the close code that Drain gives to clients; 0 means DrainGoingAway.
	DrainCode DrainCode
}

// DrainCode is a close code for clients whose edge stops.
type DrainCode int

// The codes of RFC 6455 §7.4.1 and of IANA's registry that say so.
const (
	DrainGoingAway      DrainCode = 1001
	DrainServiceRestart DrainCode = 1012
)

// check names the first required field that is missing and fills in the defaults of the others.
func (c *Config) check() error {
	switch {
	case c.Live == nil:
		return errors.New("edge: Config.Live is missing")
	case c.Sender == nil:
		return errors.New("edge: Config.Sender is missing")
	case c.Invoker == nil:
		return errors.New("edge: Config.Invoker is missing")
	case c.Journal == nil:
		return errors.New("edge: Config.Journal is missing")
	case c.Remote == nil:
		return errors.New("edge: Config.Remote is missing")
	case c.Lease == nil:
		return errors.New("edge: Config.Lease is missing")
	case c.Callbacks == CallbacksSigned && c.Keys == nil:
		return errors.New("edge: Config.Keys is missing, which CallbacksSigned needs")
	case c.DrainCode != 0 && c.DrainCode != DrainGoingAway && c.DrainCode != DrainServiceRestart:
		return fmt.Errorf("edge: Config.DrainCode %d is none", c.DrainCode)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = defaultHandshakeTimeout
	}
	if c.Observing == nil {
		looking := c.Observe != nil
		c.Observing = func() bool { return looking }
	}
	if c.Observe == nil {
		c.Observe = func(event.Record) {}
	}
	if c.Authorizers == nil {
		c.Authorizers = func(*router.Program, *router.Authorizer) (gateway.Authorizer, error) {
			return nil, errors.New("edge: Config.Authorizers is missing")
		}
	}
	if c.AccessLog == nil {
		c.AccessLog = func(string, []byte) {}
	}
	return nil
}
