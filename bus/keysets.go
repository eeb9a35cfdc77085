package bus

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

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

// KeySetServer answers edges for a worker, in the queue group of all workers. Close ends it.
type KeySetServer struct {
	*questions
	config KeySetConfig
}

// ServeKeySets begins to answer.
func ServeKeySets(c KeySetConfig) (*KeySetServer, error) {
	if c.Conn == nil || c.Handler == nil {
		return nil, errors.New("bus.ServeKeySets: Conn or Handler is missing")
	}
	c.Logger = orDiscard(c.Logger)
	s := &KeySetServer{config: c}
	var err error
	s.questions, err = newQuestions(questionsConfig{
		conn: c.Conn, subject: c.Subjects.KeySets(), group: QueueGroup, queue: keySetQueue, loops: keySetLoops, answer: s.answer, logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
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
