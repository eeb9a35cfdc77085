package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport/sallyport/bus"
	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/definition"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// programKey names a program: a deployment on a stage.
type programKey struct {
	api        gateway.APIID
	stage      gateway.StageName
	deployment gateway.DeploymentID
}

// answer begins to answer what is asked of every node.
func (n *node) answer() (*bus.NodeServer, error) {
	return bus.ServeNode(bus.NodeConfig{
		Conn: n.p.conn, Subjects: n.p.subjects, Instance: n.self.Instance, Logger: n.p.logger,
		Handler: func(ctx context.Context, data []byte) []byte {
			a := deployment.Answer{Version: deployment.Version, Node: n.self.Node}
			q, err := deployment.Decode[deployment.Question](data)
			switch {
			case err != nil:
				a.Faults = []deployment.Fault{{Problem: err.Error()}}
			case q.Step == deployment.StepPrepare && q.Live != nil:
				a.Faults = n.prepare(ctx, q.Live)
			case q.Step == deployment.StepLive:
				a.Faults = n.await(ctx, catalog.Revision(q.Revision))
			default:
				a.Faults = []deployment.Fault{{Problem: fmt.Sprintf("this build knows no step %q", q.Step)}}
			}
			reply, err := deployment.Encode(a)
			if err != nil {
				n.p.logger.Error("an answer about a deployment can't be written", "error", err)
			}
			return reply
		},
	})
}

// prepare gets ready to serve live, and returns why that is not possible. Workers subscribe already, so that edges which hear
// of the commit first find them; nothing is live by it.
func (n *node) prepare(ctx context.Context, live *deployment.Live) []deployment.Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, running := n.p, n.p.live.Load()
	programs, faults := n.compile(ctx, live)
	table := router.NewTable(programs, p.config.Domain)
	if p.worker != nil {
		for _, u := range p.worker.Try(table) {
			faults = append(faults, deployment.Fault{API: u.API, Stage: u.Stage, Problem: u.Fault.String()})
		}
	}
	if len(faults) > 0 {
		return faults
	}
	if err := p.accessLog.Use(slices.Concat(destinations(running), destinations(table))); err != nil {
		return []deployment.Fault{{Problem: err.Error()}}
	}
	if err := p.prepareDurable(table); err != nil {
		return []deployment.Fault{{Problem: err.Error()}}
	}
	if p.worker != nil {
		if _, err := p.worker.Swap(running, append([]*router.Table{table}, n.replaced...)...); err != nil {
			return []deployment.Fault{{Problem: "worker: " + err.Error()}}
		}
	}
	n.replaced = append([]*router.Table{table}, n.replaced[:min(len(n.replaced), 1)]...)
	n.keepCompiled(slices.Concat(running.Programs(), programs))
	n.settleLater()
	return nil
}

// await waits until the node serves the revision or a later one, and returns what it does not serve of it.
func (n *node) await(ctx context.Context, revision catalog.Revision) []deployment.Fault {
	ctx, cancel := context.WithTimeout(ctx, liveWait)
	defer cancel()
	for {
		s := n.status.Load()
		if s.revision >= revision {
			return s.faults
		}
		select {
		case <-s.moved:
		case <-ctx.Done():
			return []deployment.Fault{{Problem: fmt.Sprintf("revision %d is not live here yet; this is %d", revision, s.revision)}}
		}
	}
}

// compile makes programs of what is live, each compiled at most once, and tells what can't be.
func (n *node) compile(ctx context.Context, live *deployment.Live) ([]*router.Program, []deployment.Fault) {
	var programs []*router.Program
	var faults []deployment.Fault
	domains := make(map[string]programKey)
	for _, api := range slices.Sorted(maps.Keys(live.APIs)) {
		has := live.APIs[api]
		for _, stage := range slices.Sorted(maps.Keys(has.Stages)) {
			key := programKey{api, stage, has.Stages[stage].Deployment}
			program, wrong := n.program(ctx, key)
			if program != nil {
				wrong = append(wrong, claim(domains, key, program)...)
			}
			if len(wrong) > 0 {
				faults = append(faults, wrong...)
				continue
			}
			n.compiled[key] = program
			programs = append(programs, program)
		}
	}
	return programs, faults
}

// claim takes the custom domains of a program, or says who has them.
func claim(taken map[string]programKey, key programKey, program *router.Program) (faults []deployment.Fault) {
	for _, m := range program.Domains() {
		if other, has := taken[m.String()]; has {
			faults = append(faults, deployment.Fault{API: key.api, Stage: key.stage,
				Problem: fmt.Sprintf("%s is already served by %s/%s", m, other.api, other.stage)})
			continue
		}
		taken[m.String()] = key
	}
	return faults
}

func (n *node) program(ctx context.Context, key programKey) (*router.Program, []deployment.Fault) {
	if program := n.compiled[key]; program != nil {
		return program, nil
	}
	wrong := func(problem string) []deployment.Fault {
		return []deployment.Fault{{API: key.api, Stage: key.stage, Problem: problem}}
	}
	stored, err := n.store.Deployment(ctx, key.api, key.deployment)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return nil, wrong(fmt.Sprintf("the catalog has no deployment %s", key.deployment))
	case err != nil:
		return nil, wrong("deployment " + string(key.deployment) + " can't be fetched: " + err.Error())
	}
	document, problems := definition.Load(string(key.deployment), stored.Definition)
	var faults []deployment.Fault
	for _, p := range problems {
		faults = append(faults, wrong(p.Message)...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	frozen := &gateway.Deployment{ID: key.deployment, API: document.API, Stage: key.stage, CreatedAt: stored.CreatedAt}
	program, bad := router.Compile(frozen, n.p.definitions.router)
	for _, f := range bad {
		faults = append(faults, wrong(f.String())...)
	}
	return program, faults
}

// keepCompiled drops the programs that nobody needs any more.
func (n *node) keepCompiled(programs []*router.Program) {
	kept := make(map[programKey]*router.Program, len(programs))
	for _, p := range programs {
		kept[programKey{p.API(), p.Stage(), p.Deployment()}] = p
	}
	n.compiled = kept
}

// applyFiles deploys the files of the command line as `apply` does. Those that are live already change nothing.
func (n *node) applyFiles(ctx context.Context) error {
	var changes []catalog.Change
	for _, file := range n.p.config.Files {
		document, problems := definition.LoadFile(file)
		if document == nil || len(problems) > 0 {
			return faultyDefinitions(problems)
		}
		change, err := frozenOf(document.API, n.p.definitions.defaultStage, n.p.definitions.now())
		if err != nil {
			return err
		}
		changes = append(changes, change)
	}
	if len(changes) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	_, err := n.deployer().Apply(ctx, changes)
	if errors.Is(err, catalog.ErrUnconfirmed) { // it is live, and each node goes on until it serves it
		n.p.logger.Warn("the files of the command line are deployed, perhaps not everywhere yet", "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("the files of the command line were not deployed: %w", err)
	}
	return nil
}

func (n *node) deployer() *catalog.Deployer {
	return &catalog.Deployer{Store: n.store, Nodes: n.nodes, Logger: n.p.logger}
}
