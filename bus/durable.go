package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// DefaultDurableBytes bounds each of the two streams: a million messages of 1 KiB.
	DefaultDurableBytes = 1 << 30
	// DefaultDurableAge is how long a stored message waits for a worker: over a long weekend and a half.
	DefaultDurableAge = 7 * 24 * time.Hour
	// deadAge is how long a dead letter waits for somebody to look.
	deadAge = 30 * 24 * time.Hour
	// duplicateWindow is how long the store remembers message ids; a publisher repeats itself within seconds.
	duplicateWindow = 2 * time.Minute
	// durableAttempt bounds one attempt to prepare a stream or a consumer (nats-facts §9.1), durableRetry is the pause
	// between two.
	durableAttempt = 5 * time.Second
	durableRetry   = 250 * time.Millisecond
	// maxDurablePending bounds the messages of one route that are under way or wait for their next attempt, over all
	// workers. Beyond it no further one is begun until one of them ends.
	maxDurablePending = 4096

	streamDurable = "durable"
	streamDead    = "dead"
	// consumerPrefix and consumerDigest name a route's consumer: names have fewer characters than subjects.
	consumerPrefix = "route-"
	consumerDigest = 12
)

// DurableConfig describes the stores of messages that are served at least once. Conn is required.
type DurableConfig struct {
	Conn     *Conn
	Subjects Subjects
	// Domain is the JetStream domain that holds the streams, or "".
	Domain string
	// Replicas of a stream that is created; 0 means 1.
	Replicas int
	// MaxBytes bounds each stream; 0 means DefaultDurableBytes. A full one refuses further messages.
	MaxBytes int64
	// MaxAge drops a message that nobody served for so long; 0 means DefaultDurableAge.
	MaxAge time.Duration
	// Logger is nil for no log.
	Logger *slog.Logger
}

// Durable is two JetStream streams of a deployment: messages that wait for a worker, and dead letters. No stream captures
// event subjects (nats-facts §4.5). Its methods may be called concurrently.
type Durable struct {
	config DurableConfig
	js     jetstream.JetStream
	logger *slog.Logger
}

// NewDurable prepares the way to the streams. They are made by Ensure, when the first route needs them.
func NewDurable(c DurableConfig) (*Durable, error) {
	if c.Conn == nil {
		return nil, errors.New("bus.NewDurable: Conn is missing")
	}
	if err := c.Subjects.Validate(); err != nil {
		return nil, err
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultDurableBytes
	}
	if c.MaxAge <= 0 {
		c.MaxAge = DefaultDurableAge
	}
	c.Replicas = max(c.Replicas, 1)
	js, err := jetstream.New(c.Conn.nc)
	if c.Domain != "" {
		js, err = jetstream.NewWithDomain(c.Conn.nc, c.Domain)
	}
	if err != nil {
		return nil, fmt.Errorf("bus.NewDurable: %w", err)
	}
	return &Durable{config: c, js: js, logger: orDiscard(c.Logger)}, nil
}

// Ensure makes the streams where they are missing, and gives those that exist the configured bounds; the rest of them stays
// as it is. It waits for JetStream until ctx ends.
func (d *Durable) Ensure(ctx context.Context) error {
	for _, wanted := range d.streams() {
		for {
			err := d.ensure(ctx, wanted)
			if err == nil {
				break
			}
			if noRoom(err) {
				return fmt.Errorf("the stream %s of durable routes: %w: JetStream has no room for --durable-max-bytes; give less", wanted.Name, err)
			}
			if !notReady(err) || sleep(ctx, durableRetry) != nil {
				return fmt.Errorf("the stream %s of durable routes: %w", wanted.Name, err)
			}
		}
	}
	return nil
}

// Await waits until the streams are there, for those who may not make them.
func (d *Durable) Await(ctx context.Context) error {
	for _, wanted := range d.streams() {
		for {
			err := d.look(ctx, wanted.Name)
			if err == nil {
				break
			}
			if !errors.Is(err, jetstream.ErrStreamNotFound) && !notReady(err) || sleep(ctx, durableRetry) != nil {
				return fmt.Errorf("the stream %s of durable routes, which a process with the role control makes: %w", wanted.Name, err)
			}
		}
	}
	return nil
}

func (d *Durable) look(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, durableAttempt)
	defer cancel()
	_, err := d.js.Stream(ctx, name)
	return err
}

func (d *Durable) ensure(ctx context.Context, wanted jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, durableAttempt)
	defer cancel()
	stream, err := d.js.Stream(ctx, wanted.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = d.js.CreateStream(ctx, wanted)
		return err
	}
	if err != nil {
		return err
	}
	has := stream.CachedInfo().Config
	if has.MaxBytes == wanted.MaxBytes && has.MaxAge == wanted.MaxAge {
		return nil
	}
	has.MaxBytes, has.MaxAge = wanted.MaxBytes, wanted.MaxAge
	_, err = d.js.UpdateStream(ctx, has)
	return err
}

// streams are the two as they are created. Full, they refuse what comes: a message that was acknowledged is never thrown out
// for another.
func (d *Durable) streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{
			Name: d.name(streamDurable), Description: "Messages of atLeastOnce routes that wait for a worker.",
			Subjects: []string{d.config.Subjects.durables()}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
			MaxBytes: d.config.MaxBytes, MaxAge: d.config.MaxAge, Duplicates: min(duplicateWindow, d.config.MaxAge),
			Replicas: d.config.Replicas, Storage: jetstream.FileStorage,
		},
		{
			Name: d.name(streamDead), Description: "Messages of atLeastOnce routes that were given up.",
			Subjects: []string{d.config.Subjects.deads()}, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
			MaxBytes: d.config.MaxBytes, MaxAge: deadAge, Duplicates: duplicateWindow,
			Replicas: d.config.Replicas, Storage: jetstream.FileStorage, AllowDirect: true,
		},
	}
}

func (d *Durable) name(stream string) string { return bucketName(d.config.Subjects.prefix(), stream) }

// noRoom reports that the disk or the account has no room for what was asked, which waiting would not change.
func noRoom(err error) bool {
	const insufficientStorage, accountLimits = 10047, 10002
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == insufficientStorage || api.ErrorCode == accountLimits)
}

// consumer finds or makes the consumer of a route, which all workers share. It outlives them: a message waits for the next
// worker. A route that no worker serves for longer than its messages last loses it, with nothing in it.
//
// JetStream itself gives no message up: how often one was tried is decided by who runs it, so that the last try of a worker
// that dies is not the end of it.
func (d *Durable) consumer(ctx context.Context, r *DurableRoute, ackWait time.Duration) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, durableAttempt)
	defer cancel()
	subject := d.config.Subjects.Durable(r.API, r.Stage, r.Route)
	return d.js.CreateOrUpdateConsumer(ctx, d.name(streamDurable), jetstream.ConsumerConfig{
		Durable: consumerName(subject), Description: "Workers of " + subject, FilterSubject: subject,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: maxDurablePending,
		DeliverPolicy: jetstream.DeliverAllPolicy, InactiveThreshold: d.config.MaxAge,
	})
}

func consumerName(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return consumerPrefix + hex.EncodeToString(sum[:consumerDigest])
}

// durableError words a failed call of the store.
func durableError(err error) *gateway.Error {
	return gateway.Errorf(gateway.CodeUnavailable, "the store of durable messages can't be reached").Because(err)
}
