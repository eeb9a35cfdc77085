package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/connstore"
)

// Config is what a Store needs.
type Config struct {
	// Conn is the connection to NATS; the Store does not close it. Required.
	Conn *nats.Conn
	// Prefix is the first part of all subjects, such as sallyport. Stream and bucket are named after it. Required.
	Prefix string
	// Domain is the JetStream domain to use, empty for that of the connection's own server.
	Domain string
	// Loss says what becomes of an incarnation whose lease can't be refreshed; the zero value is LossFence.
	Loss LossPolicy
	// Replicas are how many servers of a cluster keep stream and bucket; 0 means 1. Those that exist with fewer are raised.
	Replicas int
	// Alive probes an edge by a way that does not need JetStream. Required.
	Alive connstore.Alive
	// Logger hears of lost leases, unreadable messages and writing that fails; nil is silent.
	Logger *slog.Logger
	// Now is the clock of what is recorded, and of how long a suspect has been silent; nil is time.Now. All other time limits
	// are real time.
	Now func() time.Time
	// Timing is for tests; its zero value is what runs.
	Timing Timing
}

// LossPolicy says when a journal is lost.
type LossPolicy uint8

// The policies.
const (
	// LossFence: after Timing.Fence without a refresh, so that its edge has closed its clients before anybody may tell the
	// backend of their end.
	LossFence LossPolicy = iota
	// LossKeep: when another process has taken the incarnation. Until then the journal is not Held, and comes back when its
	// lease can be refreshed again.
	LossKeep
)

// Timing are the time limits of leases and waits. A zero field has the default of the same name.
type Timing struct {
	LeaseTTL time.Duration // when a lease that is not refreshed runs out; at least 1 s (nats-facts §5.2)
	Refresh  time.Duration // how often a lease is refreshed
	Fence    time.Duration // when a holder without a successful refresh calls its lease lost; less than Silence
	Silence  time.Duration // when a lease that was not seen refreshed may be taken from an edge that nobody reaches
	OpenWait time.Duration // how long Opened waits for JetStream
	Probe    time.Duration // between two probes of the same suspect
}

// The defaults of Timing.
const (
	// A JetStream leader fail-over takes 5–9 s; a shorter lease would end healthy edges (nats-facts §5.5, §9.3).
	defaultLeaseTTL = 20 * time.Second
	defaultRefresh  = 4 * time.Second
	// Longer than a fail-over, and early enough that the holder has closed its clients before the lease can run out.
	defaultFence = 12 * time.Second
	// After Fence, with room for clocks that do not run alike: whoever is still silent has sent its clients away, or is dead
	// or frozen (DESIGN §3.6).
	defaultSilence = 15 * time.Second
	// As long as clients wait for an upgrade anyway, and longer than a fail-over (DESIGN §3.6).
	defaultOpenWait = 10 * time.Second
	defaultProbe    = time.Second // nats-facts §5.6
	// probeTimeout bounds one probe. NATS says within a round trip that nobody answers, and a living edge answers within one
	// too; what takes longer proves nothing.
	probeTimeout = time.Second
)

const (
	// attemptTimeout bounds one request to JetStream before it is repeated. A frozen leader answers nothing, and what was
	// sent to it is not passed on to the next.
	attemptTimeout = 2 * time.Second
	// retryPause is the pause before JetStream is asked again after a failure: short beside a fail-over, long beside a
	// round trip.
	retryPause = 250 * time.Millisecond
	// markerTTL is how long the trace of an expired or dropped lease stays. A holder that comes back within Fence must
	// still find it.
	markerTTL = 5 * time.Minute
)

func (c *Config) check() error {
	switch {
	case c.Conn == nil:
		return errors.New("connstore/journal: Config.Conn is missing")
	case c.Prefix == "":
		return errors.New("connstore/journal: Config.Prefix is missing")
	case c.Alive == nil:
		return errors.New("connstore/journal: Config.Alive is missing")
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c.Timing.fill()
}

func (t *Timing) fill() error {
	for _, f := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&t.LeaseTTL, defaultLeaseTTL}, {&t.Refresh, defaultRefresh}, {&t.Fence, defaultFence},
		{&t.Silence, defaultSilence}, {&t.OpenWait, defaultOpenWait}, {&t.Probe, defaultProbe},
	} {
		if *f.field == 0 {
			*f.field = f.standard
		}
	}
	if t.LeaseTTL < time.Second || t.Refresh <= 0 || t.Refresh >= t.Fence || t.Fence >= t.Silence || t.Fence >= t.LeaseTTL {
		return fmt.Errorf("connstore/journal: a lease of %v can't be refreshed every %v, fenced after %v and taken after %v", t.LeaseTTL, t.Refresh, t.Fence, t.Silence)
	}
	return nil
}
