package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
)

type deadLettersCommand struct {
	Ls     deadLettersLs     `cmd:"" help:"List the messages that were given up."`
	Show   deadLettersShow   `cmd:"" help:"Show one with its context and body, as JSON."`
	Replay deadLettersReplay `cmd:"" help:"Store messages again, with all attempts before them."`
	Rm     deadLettersRm     `cmd:"" help:"Remove messages for good."`
}

// Help shows examples.
func (deadLettersCommand) Help() string {
	return `Messages of atLeastOnce routes that failed at every attempt, or that the backend refused, are dead letters. Examples:

    sallyport dead-letters ls --api shop
    sallyport dead-letters show 12
    sallyport dead-letters replay 12 13
    sallyport dead-letters replay --all --api shop --route order`
}

// letterFlags choose dead letters.
type letterFlags struct {
	adminFlags
	API   string `placeholder:"ID" help:"Of this API only."`
	Stage string `placeholder:"NAME" help:"Of this stage only."`
	Route string `placeholder:"KEY" help:"Of this route key only."`
}

func (f letterFlags) filter() control.DeadLetterFilter {
	return control.DeadLetterFilter{API: gateway.APIID(f.API), Stage: gateway.StageName(f.Stage), Route: gateway.RouteKey(f.Route)}
}

type deadLettersLs struct {
	letterFlags
	JSON bool `help:"Print each as a JSON object on a line of its own."`
}

// Help shows an example.
func (deadLettersLs) Help() string {
	return "Example:\n\n    sallyport dead-letters ls --api shop --json"
}

// Run lists.
func (c deadLettersLs) Run(ctx context.Context, std streams) error {
	return c.with(func(client *control.Client) error {
		table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(table, "ID\tAPI\tSTAGE\tROUTE\tMESSAGE\tATTEMPTS\tBYTES\tDEAD\tREASON")
		}
		rows := 0
		err := client.DeadLetters(ctx, c.filter(), func(l control.DeadLetter) bool {
			rows++
			if c.JSON {
				return json.NewEncoder(std.out).Encode(l) == nil
			}
			_, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s: %s\n", l.ID, l.API, l.Stage, l.Route, l.MessageID, l.Attempts, l.Bytes,
				moment(l.DeadAt), l.Code, l.Reason)
			return err == nil
		})
		if err != nil && rows == 0 {
			return err // no heading for a list that did not come
		}
		return errors.Join(err, table.Flush())
	})
}

type deadLettersShow struct {
	adminFlags
	API string `placeholder:"ID" help:"Its API, for an access key that is limited to some."`
	ID  uint64 `arg:"" name:"id" help:"The dead letter's id."`
}

// Help shows an example.
func (deadLettersShow) Help() string { return "Example:\n\n    sallyport dead-letters show 12" }

// Run shows one.
func (c deadLettersShow) Run(ctx context.Context, std streams) error {
	return c.with(func(client *control.Client) error {
		letter, err := client.DeadLetter(ctx, gateway.APIID(c.API), c.ID)
		if err != nil {
			return err
		}
		out := json.NewEncoder(std.out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(letter)
	})
}

// lettersArgument names dead letters one by one, or all that the flags choose.
type lettersArgument struct {
	letterFlags
	IDs []uint64 `arg:"" optional:"" name:"id" help:"The dead letters' ids."`
	All bool     `help:"All that --api, --stage and --route choose."`
}

// each calls do with every dead letter that is meant, and says in std.out what was done.
func (a lettersArgument) each(ctx context.Context, std streams, done string, do func(*control.Client, gateway.APIID, uint64) error) error {
	if a.All == (len(a.IDs) > 0) {
		return app.Usagef("name the dead letters by their ids, or all of them by --all")
	}
	if !a.All && (a.Stage != "" || a.Route != "") {
		return app.Usagef("--stage and --route choose among --all")
	}
	return a.with(func(client *control.Client) error {
		ids := a.IDs
		if a.All {
			// All at first: what is replayed may die again while the others are at work.
			if err := client.DeadLetters(ctx, a.filter(), func(l control.DeadLetter) bool { ids = append(ids, l.ID); return true }); err != nil {
				return err
			}
		}
		for _, id := range ids {
			if err := do(client, gateway.APIID(a.API), id); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(std.out, done, id); err != nil {
				return err
			}
		}
		return nil
	})
}

type deadLettersReplay struct{ lettersArgument }

// Help shows an example.
func (deadLettersReplay) Help() string {
	return "Example:\n\n    sallyport dead-letters replay --all --api shop"
}

// Run replays.
func (c deadLettersReplay) Run(ctx context.Context, std streams) error {
	return c.each(ctx, std, "replayed", func(client *control.Client, api gateway.APIID, id uint64) error {
		return client.ReplayDeadLetter(ctx, api, id)
	})
}

type deadLettersRm struct{ lettersArgument }

// Help shows an example.
func (deadLettersRm) Help() string { return "Example:\n\n    sallyport dead-letters rm 12" }

// Run removes.
func (c deadLettersRm) Run(ctx context.Context, std streams) error {
	return c.each(ctx, std, "removed", func(client *control.Client, api gateway.APIID, id uint64) error {
		return client.DeleteDeadLetter(ctx, api, id)
	})
}
