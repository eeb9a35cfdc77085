package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
)

type connectionsCommand struct {
	Ls    connectionsLs    `cmd:"" help:"List the live connections."`
	Get   connectionsGet   `cmd:"" help:"Show one connection."`
	Send  connectionsSend  `cmd:"" help:"Send a message to a client."`
	Close connectionsClose `cmd:"" help:"Close a connection."`
}

// Help shows examples.
func (connectionsCommand) Help() string {
	return `Examples:

    sallyport connections ls --api chat
    sallyport connections send 'L0SMxcOFvHcCIhw=' '{"text":"hello"}'
    sallyport connections close 'L0SMxcOFvHcCIhw=' --nats nats://127.0.0.1:4222`
}

type connectionsLs struct {
	reachFlags
	API   string `placeholder:"ID" help:"Of this API only."`
	Stage string `placeholder:"NAME" help:"Of this stage only."`
	JSON  bool   `help:"Print each connection as a JSON object on a line of its own."`
}

// Help shows an example.
func (connectionsLs) Help() string {
	return "Example:\n\n    sallyport connections ls --api chat --json"
}

// Run lists.
func (c connectionsLs) Run(ctx context.Context, std streams) error {
	return c.with(ctx, func(r *app.Reach) error {
		table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(table, "CONNECTION\tAPI\tSTAGE\tADDRESS\tCONNECTED\tLAST ACTIVE")
		}
		rows := 0
		err := r.List(ctx, gateway.APIID(c.API), gateway.StageName(c.Stage), func(s gateway.ConnectionStatus) bool {
			rows++
			if c.JSON {
				return json.NewEncoder(std.out).Encode(s) == nil
			}
			_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.API, s.Stage, s.SourceIP, moment(s.ConnectedAt), moment(s.LastActiveAt))
			return err == nil
		})
		if err != nil && rows == 0 {
			return err // no heading for a list that did not come
		}
		return errors.Join(err, table.Flush())
	})
}

type idArgument struct {
	ID string `arg:"" name:"id" help:"The connection's id."`
}

func (a idArgument) ref() (gateway.ConnectionRef, error) {
	id, err := gateway.ParseConnectionID(a.ID)
	if err != nil {
		return gateway.ConnectionRef{}, app.Usagef("%q is %w", a.ID, err)
	}
	return gateway.ConnectionRef{ID: id}, nil
}

type connectionsGet struct {
	reachFlags
	idArgument
}

// Help shows an example.
func (connectionsGet) Help() string {
	return "Example:\n\n    sallyport connections get 'L0SMxcOFvHcCIhw='"
}

// Run shows the connection as JSON.
func (c connectionsGet) Run(ctx context.Context, std streams) error {
	return c.withConnection(ctx, c.idArgument, func(r *app.Reach, ref gateway.ConnectionRef) error {
		status, err := r.Get(ctx, ref)
		if err != nil {
			return err
		}
		out := json.NewEncoder(std.out)
		out.SetIndent("", "  ")
		return out.Encode(shown{status.ID, status.API, status.Stage, status.ConnectedAt, status.LastActiveAt, status.SourceIP, status.UserAgent})
	})
}

// shown is one connection for people and scripts. The callback API does not tell the API and the stage.
type shown struct {
	ID           gateway.ConnectionID `json:"id"`
	API          gateway.APIID        `json:"api,omitempty"`
	Stage        gateway.StageName    `json:"stage,omitempty"`
	ConnectedAt  time.Time            `json:"connectedAt"`
	LastActiveAt time.Time            `json:"lastActiveAt"`
	SourceIP     string               `json:"sourceIp"`
	UserAgent    string               `json:"userAgent,omitempty"`
}

type connectionsSend struct {
	reachFlags
	idArgument
	Message string `arg:"" optional:"" help:"The message; standard input when it is left out."`
	Binary  bool   `help:"Send a binary frame."`
}

// Help shows an example.
func (connectionsSend) Help() string {
	return "Example:\n\n    echo '{\"text\":\"hello\"}' | sallyport connections send 'L0SMxcOFvHcCIhw='"
}

// Run sends.
func (c connectionsSend) Run(ctx context.Context, std streams) error {
	body := []byte(c.Message)
	if c.Message == "" {
		var err error
		if body, err = io.ReadAll(io.LimitReader(std.in, gateway.MaxMessageCeiling+1)); err != nil {
			return err
		}
	}
	return c.withConnection(ctx, c.idArgument, func(r *app.Reach, ref gateway.ConnectionRef) error {
		return r.Post(ctx, ref, gateway.Push{Body: body, Binary: c.Binary})
	})
}

type connectionsClose struct {
	reachFlags
	idArgument
	Code   int    `default:"1000" help:"Close code, such as 1000 or 3000 to 4999 (${default})."`
	Reason string `help:"Close reason, at most 123 bytes."`
}

// Help shows an example.
func (connectionsClose) Help() string {
	return "Example:\n\n    sallyport connections close 'L0SMxcOFvHcCIhw=' --code 4001 --reason 'signed out'"
}

// Run closes.
func (c connectionsClose) Run(ctx context.Context) error {
	return c.withConnection(ctx, c.idArgument, func(r *app.Reach, ref gateway.ConnectionRef) error {
		return r.Delete(ctx, ref, gateway.Close{Code: c.Code, Reason: c.Reason})
	})
}

// withConnection runs one call on one connection.
func (f reachFlags) withConnection(ctx context.Context, id idArgument, call func(*app.Reach, gateway.ConnectionRef) error) error {
	ref, err := id.ref()
	if err != nil {
		return err
	}
	return f.with(ctx, func(r *app.Reach) error { return call(r, ref) })
}

func moment(t time.Time) string { return t.Local().Format(time.DateTime) }
