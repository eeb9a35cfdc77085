package natskv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/schemas/deployment"
)

const (
	nodesName = "nodes"
	// nodeTTL is how long a node that is silent counts as living: a deployment waits for it that long. It is the time to live
	// of an edge's lease (DESIGN §3.6).
	nodeTTL = 20 * time.Second
	// nodeBeat is how often a node registers again.
	nodeBeat = 5 * time.Second
	// maxNodeBytes bounds a node's record.
	maxNodeBytes = 4 << 10
	// answerTimeout is how long a node may take for its answer: it fetches and compiles.
	answerTimeout = 8 * time.Second
	// goneAsks and gonePause: so often, and so far apart, a node that nobody listens for is asked before it counts as gone. One
	// that lost its NATS server is back after 250 to 500 ms, and has clients all the time.
	goneAsks  = 3
	gonePause = 500 * time.Millisecond
)

// NodesConfig describes the register of nodes. Conn and Prefix are required.
type NodesConfig struct {
	Conn     *bus.Conn
	Prefix   string
	Domain   string
	Replicas int
	Logger   *slog.Logger
}

// Nodes is the register of living nodes, the bucket {prefix}-nodes, and the way to ask them.
type Nodes struct {
	bucket   *bus.Bucket
	conn     *bus.Conn
	subjects bus.Subjects
	logger   *slog.Logger
}

var _ catalog.Nodes = (*Nodes)(nil)

// OpenNodes finds the register or creates it. It waits for JetStream until ctx ends.
func OpenNodes(ctx context.Context, c NodesConfig) (*Nodes, error) {
	bucket, err := bus.OpenBucket(ctx, bus.BucketConfig{
		Conn: c.Conn, Prefix: c.Prefix, Name: nodesName, Domain: c.Domain, Replicas: c.Replicas, Logger: c.Logger,
		Description: "nodes that must agree to a deployment", MaxValueBytes: maxNodeBytes, TTL: nodeTTL,
	})
	if err != nil {
		return nil, fmt.Errorf("register of nodes: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Nodes{bucket: bucket, conn: c.Conn, subjects: bus.Subjects{Prefix: c.Prefix}, logger: c.Logger}, nil
}

// Register writes a node into the register; Beat keeps it there.
func (n *Nodes) Register(ctx context.Context, node deployment.Node) error {
	record, err := deployment.Encode(node)
	if err != nil {
		return err
	}
	return n.bucket.Put(ctx, escape(node.Instance), record)
}

// Beat registers the node again and again until ctx ends, and then takes it out.
func (n *Nodes) Beat(ctx context.Context, node deployment.Node) {
	ticker := time.NewTicker(nodeBeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if err := n.bucket.Delete(leaving, escape(node.Instance)); err != nil {
				n.logger.Debug("this node stays registered until its time runs out", slog.Any("error", err))
			}
			return
		case <-ticker.C:
			if err := n.Register(ctx, node); err != nil && ctx.Err() == nil {
				n.logger.Warn("this node could not register again", slog.Any("error", err))
			}
		}
	}
}

// Ask asks every registered node. Whose process is gone is left out: it serves nothing. Who stays silent has a fault.
func (n *Nodes) Ask(ctx context.Context, q *deployment.Question) ([]deployment.Answer, error) {
	question, err := deployment.Encode(q)
	if err != nil {
		return nil, err
	}
	var keys []string
	if err := n.bucket.Each(ctx, func(e bus.BucketEntry) { keys = append(keys, e.Key) }); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var mu sync.Mutex
	var answers []deployment.Answer
	var asking sync.WaitGroup
	for _, key := range keys {
		asking.Go(func() {
			if a, lives := n.ask(ctx, key, question); lives {
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, a)
			}
		})
	}
	asking.Wait()
	return answers, nil
}

func (n *Nodes) ask(ctx context.Context, key string, question []byte) (deployment.Answer, bool) {
	instance, _ := unescape(key)
	reply, err := askAgain(ctx, func() ([]byte, error) { return n.conn.AskNode(ctx, n.subjects, instance, question) })
	if errors.Is(err, bus.ErrNodeGone) {
		return deployment.Answer{}, false
	}
	if err == nil {
		var a *deployment.Answer
		if a, err = deployment.Decode[deployment.Answer](reply); err == nil {
			return *a, true
		}
	}
	n.logger.Warn("a node did not say whether it can serve a deployment", "instance", instance, slog.Any("error", err))
	return deployment.Answer{
		Version: deployment.Version, Node: n.nameOf(ctx, key, instance),
		Faults: []deployment.Fault{{Problem: fmt.Sprintf("no answer within %s; if it is gone for good, it is forgotten after %s", answerTimeout, nodeTTL)}},
	}, true
}

// askAgain asks until somebody listens, and returns bus.ErrNodeGone when nobody did goneAsks times.
func askAgain(ctx context.Context, ask func() ([]byte, error)) ([]byte, error) {
	pause := time.NewTicker(gonePause)
	defer pause.Stop()
	for asked := 1; ; asked++ {
		reply, err := ask()
		if !errors.Is(err, bus.ErrNodeGone) || asked == goneAsks {
			return reply, err
		}
		select {
		case <-ctx.Done(): // whether it is gone is not known
			return nil, ctx.Err()
		case <-pause.C:
		}
	}
}

// nameOf is the node's own name, for people.
func (n *Nodes) nameOf(ctx context.Context, key, instance string) string {
	record, err := n.bucket.Get(context.WithoutCancel(ctx), key)
	if err != nil {
		return instance
	}
	node, err := deployment.Decode[deployment.Node](record)
	if err != nil {
		return instance
	}
	return node.Node
}
