package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync"

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

// NodeServer answers for one life of a process.
type NodeServer struct {
	config  NodeConfig
	sub     *nats.Subscription
	arrived chan *nats.Msg
	cancel  context.CancelFunc
	loops   sync.WaitGroup
	once    sync.Once
}

// ServeNode begins to answer. Close ends it.
func ServeNode(c NodeConfig) (*NodeServer, error) {
	if c.Conn == nil || c.Handler == nil || c.Instance == "" {
		return nil, errors.New("bus.ServeNode: Conn, Instance or Handler is missing")
	}
	c.Logger = orDiscard(c.Logger)
	s := &NodeServer{config: c, arrived: make(chan *nats.Msg, nodeQueue)}
	before, subject := c.Conn.nc.LastError(), c.Subjects.Node(c.Instance)
	var err error
	if s.sub, err = c.Conn.nc.ChanSubscribe(subject, s.arrived); err != nil {
		return nil, publishError(err)
	}
	if err := c.Conn.subscribed(before, map[string]bool{subject: true}); err != nil {
		return nil, errors.Join(err, s.sub.Unsubscribe())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for range nodeLoops {
		s.loops.Go(func() { s.loop(ctx) })
	}
	return s, nil
}

func (s *NodeServer) loop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-s.arrived:
			if err := m.Respond(s.config.Handler(ctx, m.Data)); err != nil {
				s.config.Logger.Warn("an answer about a deployment was not sent", slog.Any("error", err))
			}
		}
	}
}

// Close takes no more questions and waits for those under way, whose contexts end. It may be called more than once.
func (s *NodeServer) Close() {
	s.once.Do(func() {
		if err := s.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			s.config.Logger.Warn("questions about deployments are still sent to us", slog.Any("error", err))
		}
		s.cancel()
	})
	s.loops.Wait()
}
