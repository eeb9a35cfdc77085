package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/catalog/natskv"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/deployment"
)

const (
	// deployGrace is how long a worker goes on serving what was replaced, or was prepared and not committed: far longer than
	// the nodes take to change over, so that no edge meets "no responders".
	deployGrace = 10 * time.Second
	// catalogRetry is the pause before what could not be fetched is fetched again, and before a watch begins anew.
	catalogRetry = time.Second
	// liveWait bounds the wait for a revision that somebody asks for.
	liveWait = 8 * time.Second
)

// stores are the parts of the catalog that are opened together.
type stores struct {
	store *natskv.Store
	nodes *natskv.Nodes
}

func (p *process) openCatalog(ctx context.Context) (stores, error) {
	store, err := natskv.Open(ctx, natskv.Config{Conn: p.conn, Prefix: p.config.Prefix, Domain: p.config.NATS.JSDomain, Replicas: p.replicas, Logger: p.logger})
	if err != nil {
		return stores{}, err
	}
	nodes, err := natskv.OpenNodes(ctx, natskv.NodesConfig{Conn: p.conn, Prefix: p.config.Prefix, Domain: p.config.NATS.JSDomain, Replicas: p.replicas, Logger: p.logger})
	return stores{store, nodes}, err
}

// node follows the catalog for one process: it says whether it can serve what is about to become live, and serves what is.
type node struct {
	p     *process
	store catalog.Store
	nodes *natskv.Nodes
	self  deployment.Node

	mu       sync.Mutex // one change at a time; guards what follows
	compiled map[programKey]*router.Program
	// replaced is what the workers serve beside the live table, for as long as deployGrace.
	replaced []*router.Table

	status atomic.Pointer[nodeStatus]
	newest chan catalog.State // one place: a newer state takes the place of one that was not adopted yet
	settle chan struct{}      // one place: replaced has changed
}

// nodeStatus is what the node serves. moved is closed when another takes its place.
type nodeStatus struct {
	revision catalog.Revision
	faults   []deployment.Fault
	moved    chan struct{}
}

// startCatalog makes the process serve what the catalog holds, in serve; in dev it serves its files alone. It returns when
// what is live now is served here, and the files of the command line are part of it.
func (p *process) startCatalog(ctx context.Context, _ context.CancelCauseFunc) error {
	if p.config.Mode == ModeDev {
		return nil
	}
	opened, err := p.opening.catalog.wait()
	if err != nil {
		return err
	}
	roles := make([]string, len(p.config.Roles))
	for i, r := range p.config.Roles {
		roles[i] = string(r)
	}
	n := &node{
		p: p, store: opened.store, nodes: opened.nodes, compiled: make(map[programKey]*router.Program),
		self: deployment.Node{
			Version: deployment.Version, Node: p.config.Node, Instance: rand.Text(), Roles: roles, Build: p.config.Version, Started: time.Now().UTC(),
		},
		newest: make(chan catalog.State, 1), settle: make(chan struct{}, 1),
	}
	n.status.Store(&nodeStatus{faults: []deployment.Fault{{Problem: "the catalog was not read yet"}}, moved: make(chan struct{})})
	p.node = n
	if err := n.serve(ctx); err != nil {
		return err
	}
	return n.applyFiles(ctx)
}

// serve begins to answer and to follow, and waits until the first state is adopted.
func (n *node) serve(ctx context.Context) error {
	p := n.p
	server, err := n.answer()
	if err != nil {
		return err
	}
	p.life.onStop("questions about deployments", func(context.Context) error { server.Close(); return nil })
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := n.nodes.Register(starting, n.self); err != nil {
		return fmt.Errorf("register this node: %w", err)
	}
	first := n.status.Load().moved
	following, stop := context.WithCancel(context.WithoutCancel(ctx)) // while clients are drained too
	var parts sync.WaitGroup
	p.life.onStop("catalog", func(context.Context) error { stop(); parts.Wait(); return nil })
	parts.Go(func() { n.nodes.Beat(following, n.self) })
	parts.Go(func() { n.watch(following) })
	parts.Go(func() { n.follow(following) })
	select {
	case <-first:
		return nil
	case <-starting.Done():
		return errors.New("the catalog could not be read: JetStream does not answer")
	}
}

// watch keeps newest up to date.
func (n *node) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := n.store.Watch(ctx, func(s catalog.State) {
			select {
			case <-n.newest: // it is replaced
			default:
			}
			n.newest <- s // there is a place: nobody else writes
		})
		if ctx.Err() != nil {
			return
		}
		n.p.logger.Warn("the catalog is not watched for a moment", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(catalogRetry):
		}
	}
}

// follow adopts each state, again when something could not be fetched, and ends the grace of what was replaced.
func (n *node) follow(ctx context.Context) {
	grace, again := time.NewTimer(deployGrace), time.NewTimer(catalogRetry)
	defer grace.Stop()
	defer again.Stop()
	var state catalog.State
	for {
		select {
		case <-ctx.Done():
			return
		case state = <-n.newest:
		case <-again.C:
			if s := n.status.Load(); state.Live == nil || len(s.faults) == 0 {
				continue
			}
		case <-n.settle:
			grace.Reset(deployGrace)
			continue
		case <-grace.C:
			n.forget()
			continue
		}
		n.adopt(ctx, state)
		again.Reset(catalogRetry)
	}
}

// adopt makes a state live here. A stage that can't be served stays on the program that it has, if it has one.
func (n *node) adopt(ctx context.Context, state catalog.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, running := n.p, n.p.live.Load()
	programs, faults := n.compile(ctx, state.Live)
	have := make(map[programKey]bool, len(programs))
	for _, program := range programs {
		have[programKey{program.API(), program.Stage(), ""}] = true
	}
	for _, f := range faults {
		if old := running.Program(f.API, f.Stage); old != nil && !have[programKey{f.API, f.Stage, ""}] {
			programs = append(programs, old)
		}
	}
	table := router.NewTable(programs, p.config.Domain)
	wanted := destinations(table)
	if err := p.accessLog.Use(slices.Concat(destinations(running), wanted)); err != nil {
		faults = append(faults, deployment.Fault{Problem: err.Error()})
	}
	if err := p.prepareDurable(table); err != nil {
		faults = append(faults, deployment.Fault{Problem: err.Error()})
	}
	if p.worker != nil { // before the edge, so that it sends to no subject that nobody serves yet
		unopened, err := p.worker.Swap(table, running)
		for _, u := range unopened {
			faults = append(faults, deployment.Fault{API: u.API, Stage: u.Stage, Problem: u.Fault.String()})
		}
		if err != nil {
			faults = append(faults, deployment.Fault{Problem: "worker: " + err.Error()})
		}
	}
	p.live.Swap(table)
	n.replaced = []*router.Table{running}
	n.keepCompiled(programs)
	n.settleLater()
	before := n.status.Load()
	if len(faults) > 0 && !slices.Equal(faults, before.faults) {
		for _, f := range faults {
			p.logger.Error("what is live in the catalog is not served here", "fault", f.String())
		}
	}
	if state.Revision != before.revision {
		p.logger.Info("the catalog's revision is live here", "revision", uint64(state.Revision), "stages", len(programs))
	}
	n.status.Store(&nodeStatus{revision: state.Revision, faults: faults, moved: make(chan struct{})})
	close(before.moved)
}

func (n *node) settleLater() {
	select {
	case n.settle <- struct{}{}:
	default:
	}
}

// forget ends the grace of what was replaced.
func (n *node) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.replaced) == 0 {
		return
	}
	n.replaced = nil
	table := n.p.live.Load()
	if n.p.worker != nil {
		if _, err := n.p.worker.Swap(table); err != nil {
			n.p.logger.Warn("routes that are gone are still subscribed", "error", err)
		}
	}
	if err := n.p.accessLog.Use(destinations(table)); err != nil {
		n.p.logger.Error("access logs that are not used any more stay open", "error", err)
	}
}

// notReady are the reasons why this node is not ready.
func (n *node) notReady() []string {
	var reasons []string
	for _, f := range n.status.Load().faults {
		reasons = append(reasons, strings.TrimSpace("not live here: "+f.String()))
	}
	return reasons
}
