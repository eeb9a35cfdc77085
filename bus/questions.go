package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"
)

// questionsConfig describes questions. All fields but group are required.
type questionsConfig struct {
	conn    *Conn
	subject string
	group   string // the queue group; empty for everybody who listens
	queue   int    // what may wait; nats.go drops more and reports a slow consumer, and whoever asked gives up at its deadline
	loops   int    // how many are answered at a time
	// answer may be called concurrently and returns when its context ends.
	answer func(context.Context, *nats.Msg)
	logger *slog.Logger
}

// questions answers what is asked on one subject: seldom, and not on the message path.
type questions struct {
	config  questionsConfig
	sub     *nats.Subscription
	arrived chan *nats.Msg
	cancel  context.CancelFunc
	loops   sync.WaitGroup
	once    sync.Once
}

func newQuestions(c questionsConfig) (*questions, error) {
	q := &questions{config: c, arrived: make(chan *nats.Msg, c.queue)}
	before := c.conn.nc.LastError()
	var err error
	if q.sub, err = c.conn.nc.ChanQueueSubscribe(c.subject, c.group, q.arrived); err != nil {
		return nil, publishError(err)
	}
	if err := c.conn.subscribed(before, map[string]bool{c.subject: true}); err != nil {
		return nil, errors.Join(err, q.sub.Unsubscribe())
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.cancel = cancel
	for range c.loops {
		q.loops.Go(func() { q.loop(ctx) })
	}
	return q, nil
}

func (q *questions) loop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-q.arrived:
			q.config.answer(ctx, m)
		}
	}
}

// Close takes no more questions, cancels those under way and waits for them. It may be called more than once.
func (q *questions) Close() {
	q.once.Do(func() {
		if err := q.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			q.config.logger.Warn("questions are still sent to us", slog.String("subject", q.config.subject), slog.Any("error", err))
		}
		q.cancel()
	})
	q.loops.Wait()
}
