package bus

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

const (
	tokenKeys = "@keys"
	tokenGet  = "get"
	// maxKeyQueryBytes bounds a question before it is parsed: an address and a key id.
	maxKeyQueryBytes = 8 << 10
	// keySetLoops is how many questions a worker answers at a time. Each may wait for an issuer; edges ask seldom.
	keySetLoops = 8
	// keySetQueue bounds the questions that wait; nats.go drops further ones and reports a slow consumer, and whoever asked
	// gives up at its deadline.
	keySetQueue = 256
)

// KeySets is the subject on which workers are asked for the keys of a token issuer (DESIGN §3.8).
func (s Subjects) KeySets() string { return s.prefix() + "." + tokenKeys + "." + tokenGet }

// KeySetQuery asks for the keys of an issuer, because of a key id.
type KeySetQuery struct {
	Issuer string `json:"issuer"`
	KeyID  string `json:"kid"`
}

// KeySet asks a worker for an issuer's keys and returns them as the worker wrote them. ctx should have a deadline. The
// error's code is the worker's, CodeUnavailable without one, or CodeTimeout.
func (c *Conn) KeySet(ctx context.Context, s Subjects, q KeySetQuery) ([]byte, error) {
	data, err := json.Marshal(q)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeInternal, "the question for keys can't be written").Because(err)
	}
	if len(data) > maxKeyQueryBytes { // a key id is the client's
		return nil, gateway.Errorf(gateway.CodeBadRequest, "the question for keys is too long")
	}
	m, err := c.nc.RequestWithContext(ctx, s.KeySets(), data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, errNobody()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil, gateway.Errorf(gateway.CodeTimeout, "no worker gave the keys in time").Because(err)
	case err != nil:
		return nil, publishError(err)
	}
	reply, _, err := readReply(m)
	if err != nil {
		return nil, err
	}
	return reply.Body, nil
}

// KeySetConfig describes a KeySetServer. Conn and Handler are required.
type KeySetConfig struct {
	Conn     *Conn
	Subjects Subjects
	// Handler answers a question. It may be called concurrently and must return when its context ends. Of its errors only
	// the code and message of a *gateway.Error travel; the rest is logged.
	Handler func(context.Context, KeySetQuery) ([]byte, error)
	// Logger is told why a question was not answered; nil is no log.
	Logger *slog.Logger
}

// KeySetServer answers edges for a worker, in the queue group of all workers.
type KeySetServer struct {
	config  KeySetConfig
	sub     *nats.Subscription
	arrived chan *nats.Msg
	cancel  context.CancelFunc
	loops   sync.WaitGroup
	once    sync.Once
}

// ServeKeySets begins to answer. Close ends it.
func ServeKeySets(c KeySetConfig) (*KeySetServer, error) {
	if c.Conn == nil || c.Handler == nil {
		return nil, errors.New("bus.ServeKeySets: Conn or Handler is missing")
	}
	c.Logger = orDiscard(c.Logger)
	s := &KeySetServer{config: c, arrived: make(chan *nats.Msg, keySetQueue)}
	before, subject := c.Conn.nc.LastError(), c.Subjects.KeySets()
	var err error
	if s.sub, err = c.Conn.nc.ChanQueueSubscribe(subject, QueueGroup, s.arrived); err != nil {
		return nil, publishError(err)
	}
	if err := c.Conn.subscribed(before, map[string]bool{subject: true}); err != nil {
		return nil, errors.Join(err, s.sub.Unsubscribe())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for range keySetLoops {
		s.loops.Go(func() { s.loop(ctx) })
	}
	return s, nil
}

func (s *KeySetServer) loop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-s.arrived:
			s.answer(ctx, m)
		}
	}
}

func (s *KeySetServer) answer(ctx context.Context, m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	answer, err := s.ask(ctx, m.Data)
	message := replyMessage(m.Reply, &gateway.Reply{Body: answer})
	if err != nil {
		s.config.Logger.Warn("an edge did not get the keys of an issuer", slog.Any("error", err))
		message = errorMessage(m.Reply, err)
	}
	if err := s.config.Conn.nc.PublishMsg(message); err != nil {
		s.config.Logger.Warn("keys were not sent to an edge", slog.Any("error", err))
	}
}

func (s *KeySetServer) ask(ctx context.Context, data []byte) ([]byte, error) {
	var q KeySetQuery
	if len(data) > maxKeyQueryBytes {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "the question for keys is too long")
	}
	if err := json.Unmarshal(data, &q); err != nil || q.Issuer == "" {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "the question for keys is malformed")
	}
	return s.config.Handler(ctx, q)
}

// Close takes no more questions, cancels those under way and waits for them. It may be called more than once.
func (s *KeySetServer) Close() {
	s.once.Do(func() {
		if err := s.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			s.config.Logger.Warn("questions for keys are still sent to us", slog.Any("error", err))
		}
		s.cancel()
	})
	s.loops.Wait()
}
