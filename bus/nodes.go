package bus

import (
	"context"
	"errors"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

const (
	tokenNode = "@node"
	// nodeQueue bounds the questions to one node that wait; each applier asks one at a time, and of further ones it hears
	// nothing, which is a refusal.
	nodeQueue = 64
	// nodeLoops is how many questions a node answers at a time: one may wait for a change that another is about.
	nodeLoops = 4
)

// ErrNodeGone says that nobody listens under a node's name: its process is gone, or cut off from NATS.
var ErrNodeGone = errors.New("bus: the node is gone")

// Node is the subject on which one life of a process is asked about deployments.
func (s Subjects) Node(instance string) string {
	return s.prefix() + "." + tokenNode + "." + encodeToken(instance)
}

// AskNode asks one node and returns its answer, or ErrNodeGone. ctx should have a deadline.
func (c *Conn) AskNode(ctx context.Context, s Subjects, instance string, question []byte) ([]byte, error) {
	m, err := c.nc.RequestWithContext(ctx, s.Node(instance), question)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, ErrNodeGone
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil, gateway.Errorf(gateway.CodeTimeout, "the node did not answer in time").Because(err)
	case err != nil:
		return nil, publishError(err)
	}
	return m.Data, nil
}

// NodeConfig describes a NodeServer. Conn, Instance and Handler are required.
type NodeConfig struct {
	Conn     *Conn
	Subjects Subjects
	Instance string
	// Handler answers a question. It may be called concurrently and must return when its context ends.
	Handler func(ctx context.Context, question []byte) []byte
	// Logger is told which answers were not sent; nil is no log.
	Logger *slog.Logger
}

// NodeServer answers for one life of a process. Close ends it.
type NodeServer struct {
	*questions
	config NodeConfig
}

// ServeNode begins to answer.
func ServeNode(c NodeConfig) (*NodeServer, error) {
	if c.Conn == nil || c.Handler == nil || c.Instance == "" {
		return nil, errors.New("bus.ServeNode: Conn, Instance or Handler is missing")
	}
	c.Logger = orDiscard(c.Logger)
	s := &NodeServer{config: c}
	var err error
	s.questions, err = newQuestions(questionsConfig{
		conn: c.Conn, subject: c.Subjects.Node(c.Instance), queue: nodeQueue, loops: nodeLoops, answer: s.answer, logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *NodeServer) answer(ctx context.Context, m *nats.Msg) {
	if err := m.Respond(s.config.Handler(ctx, m.Data)); err != nil {
		s.config.Logger.Warn("an answer about a deployment was not sent", slog.Any("error", err))
	}
}
