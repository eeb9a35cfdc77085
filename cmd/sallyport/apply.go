package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
)

type applyCommand struct {
	adminFlags
	Files  []string `arg:"" name:"file" help:"API definitions, one API each."`
	Stage  string   `placeholder:"NAME" help:"Deploy to this stage alone."`
	Prefix string   `default:"sallyport" placeholder:"TOKEN" help:"First token of every subject, as given to serve (${default})."`
	JSON   bool     `help:"Print the answer as a JSON object."`
}

// Help shows an example.
func (applyCommand) Help() string {
	return `Example:

    sallyport apply chat.yaml --stage prod

Every node must be able to serve it; then it is live on all of them at once, and no connection is cut.`
}

// Run deploys.
func (c applyCommand) Run(ctx context.Context, std streams) error {
	files, err := expand(c.Files)
	if err != nil {
		return err
	}
	definitions, problems, err := app.Definitions(files, c.Prefix)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintln(std.err, p.Error())
		}
		return errReported
	}
	return c.with(func(client *control.Client) error {
		applied, err := client.Apply(ctx, control.ApplyRequest{Definitions: definitions, Stage: gateway.StageName(c.Stage)})
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(std.out).Encode(applied)
		}
		for _, s := range applied.Stages {
			fmt.Fprintf(std.out, "%s/%s  %s\n", s.API, s.Stage, s.Deployment)
		}
		if applied.Nodes > 0 {
			fmt.Fprintf(std.err, "live on %s after %.1f ms\n", count(applied.Nodes, "node"), applied.LiveMillis)
		}
		for _, behind := range applied.Behind {
			fmt.Fprintln(std.err, "not there yet:", behind)
		}
		return nil
	})
}

type apisCommand struct {
	Ls apisLs `cmd:"" help:"List what is live: API, stage, deployment."`
	Rm apisRm `cmd:"" help:"Take an API, or one stage of it, out of what is live."`
}

type apisLs struct {
	adminFlags
	JSON bool `help:"Print what is live as a JSON object, with the deployments that are kept."`
}

// Help shows an example.
func (apisLs) Help() string { return "Example:\n\n    sallyport apis ls" }

// Run lists.
func (c apisLs) Run(ctx context.Context, std streams) error {
	return c.with(func(client *control.Client) error {
		live, err := client.APIs(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(std.out).Encode(live)
		}
		table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "API\tSTAGE\tDEPLOYMENT\tSINCE")
		for _, id := range slices.Sorted(maps.Keys(live.APIs)) {
			stages := live.APIs[id].Stages
			for _, name := range slices.Sorted(maps.Keys(stages)) {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", id, name, stages[name].Deployment, moment(stages[name].DeployedAt))
			}
		}
		return table.Flush()
	})
}

type apisRm struct {
	adminFlags
	API   string `arg:"" name:"api" help:"The API's id."`
	Stage string `placeholder:"NAME" help:"Remove this stage alone."`
}

// Help shows an example.
func (apisRm) Help() string { return "Example:\n\n    sallyport apis rm chat --stage dev" }

// Run removes.
func (c apisRm) Run(ctx context.Context) error {
	return c.with(func(client *control.Client) error {
		return client.RemoveAPI(ctx, gateway.APIID(c.API), gateway.StageName(c.Stage))
	})
}
