package app

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/definition"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// deployments is what the management calls of this node do.
type deployments struct{ n *node }

var _ control.Deployments = deployments{}

// Apply checks the definitions once more, since they may come from anybody, and deploys them.
func (d deployments) Apply(ctx context.Context, documents []json.RawMessage, stage gateway.StageName) (control.Applied, error) {
	var changes []catalog.Change
	var wrong []string
	seen := make(map[gateway.APIID]bool)
	for _, text := range documents {
		document, problems := definition.Load("the definition", text)
		for _, p := range problems {
			wrong = append(wrong, p.Error())
		}
		if document == nil || len(problems) > 0 {
			continue
		}
		if seen[document.API.APIID] {
			wrong = append(wrong, "the API "+string(document.API.APIID)+" is there twice")
		}
		seen[document.API.APIID] = true
		for _, f := range router.Check(document.API, d.n.p.definitions.router) {
			wrong = append(wrong, string(document.API.APIID)+": "+f.String())
		}
		change, err := deployTo(document.API, stage, d.n)
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		changes = append(changes, change)
	}
	if len(wrong) > 0 {
		return control.Applied{}, gateway.Errorf(gateway.CodeBadRequest, "%s", strings.Join(wrong, "\n"))
	}
	result, err := d.n.deployer().Apply(ctx, changes)
	if err != nil {
		return control.Applied{}, err
	}
	return appliedOf(changes, result), nil
}

// deployTo is the change that deploys to one stage, or to those that the definition names. A stage that it does not name,
// while it names others, is most likely misspelt.
func deployTo(api *gateway.API, stage gateway.StageName, n *node) (catalog.Change, error) {
	named := stagesOf(api)
	if stage == "" {
		return frozenOf(api, n.p.definitions.defaultStage, n.p.definitions.now())
	}
	if len(named) > 0 && !slices.Contains(named, stage) {
		return catalog.Change{}, gateway.Errorf(gateway.CodeBadRequest, "API %s names no stage %q", api.APIID, string(stage))
	}
	change, err := frozenOf(api, stage, n.p.definitions.now())
	change.Stages = []gateway.StageName{stage}
	return change, err
}

func appliedOf(changes []catalog.Change, r catalog.Result) control.Applied {
	a := control.Applied{Revision: r.Revision, Nodes: len(r.Nodes), LiveMillis: float64(r.Took.Microseconds()) / 1000}
	for _, c := range changes {
		for _, stage := range c.Stages {
			a.Stages = append(a.Stages, control.AppliedStage{API: c.Deployment.API, Stage: stage, Deployment: c.Deployment.ID})
		}
	}
	for _, node := range r.Nodes {
		for _, f := range node.Faults {
			a.Behind = append(a.Behind, "node "+node.Node+": "+f.String())
		}
	}
	return a
}

// Live is what is live.
func (d deployments) Live(ctx context.Context) (*deployment.Live, error) {
	state, err := d.n.store.State(ctx)
	return state.Live, err
}

// Remove takes a stage out of what is live, or the whole API.
func (d deployments) Remove(ctx context.Context, api gateway.APIID, stage gateway.StageName) error {
	_, err := d.n.deployer().Remove(ctx, api, stage)
	return err
}

// Definitions reads files, every problem told, as the JSON that apply sends.
func Definitions(files []string, prefix string) ([]json.RawMessage, []definition.Problem, error) {
	if _, problems, err := Validate(files, prefix); err != nil || len(problems) > 0 {
		return nil, problems, err
	}
	var documents []json.RawMessage
	for _, file := range files {
		document, problems := definition.LoadFile(file)
		if document == nil || len(problems) > 0 { // it has changed since
			return nil, problems, nil
		}
		text, err := json.Marshal(document.API)
		if err != nil {
			return nil, nil, err
		}
		documents = append(documents, text)
	}
	return documents, nil, nil
}
