package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/sallyport/sallyport/control"
	"github.com/sallyport/sallyport/gateway"
)

type accessKeysCommand struct {
	Create accessKeysCreate `cmd:"" help:"Make an access key and print it: its secret is shown this once."`
	Ls     accessKeysLs     `cmd:"" help:"List the access keys, without their secrets."`
	Rm     accessKeysRm     `cmd:"" help:"Remove an access key; it stops being good within seconds."`
}

// Help shows examples.
func (accessKeysCommand) Help() string {
	return `Examples:

    sallyport access-keys create --api chat --action execute-api:ManageConnections --description "chat backend"
    sallyport access-keys ls
    sallyport access-keys rm SPKAJ4ZQ2M6XK3PTVB5N

The gateway takes these calls signed with the root key, from SALLYPORT_ROOT_ACCESS_KEY_ID and
SALLYPORT_ROOT_SECRET_ACCESS_KEY, or with another that may, from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`
}

// adminFlags say where the admin listener is, for commands that have no way over NATS.
type adminFlags struct {
	Admin string `default:"http://127.0.0.1:8081" placeholder:"URL" help:"The gateway's admin listener (${default})."`
}

// with makes a client and runs call with it.
func (f adminFlags) with(call func(*control.Client) error) error {
	client, err := control.NewClient(control.ClientConfig{Admin: f.Admin, Credentials: control.CredentialsFrom(os.Getenv)})
	if err != nil {
		return public(err)
	}
	defer client.Close()
	return public(call(client))
}

type accessKeysCreate struct {
	adminFlags
	// Not split at commas: of an empty text, such as an unset variable of a script, nothing would be left, and nothing is all.
	API         []string `sep:"none" placeholder:"ID" help:"Good for this API only; repeat it for more."`
	Action      []string `sep:"none" placeholder:"ACTION" help:"Good for this action only: execute-api:Invoke, execute-api:ManageConnections or sallyport:Manage; repeat it for more."`
	Description string   `placeholder:"TEXT" help:"What the key is for."`
	JSON        bool     `help:"Print the key as a JSON object."`
}

// Help shows an example.
func (accessKeysCreate) Help() string {
	return "Example:\n\n    sallyport access-keys create --api chat --action execute-api:ManageConnections"
}

// Run creates.
func (c accessKeysCreate) Run(ctx context.Context, std streams) error {
	want := control.AccessKeyRequest{Description: c.Description}
	for _, api := range c.API {
		want.APIs = append(want.APIs, gateway.APIID(api))
	}
	for _, action := range c.Action {
		want.Actions = append(want.Actions, control.Action(action))
	}
	return c.with(func(client *control.Client) error {
		key, err := client.CreateAccessKey(ctx, want)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(std.out).Encode(key)
		}
		_, err = fmt.Fprintf(std.out, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", key.ID, key.Secret)
		return err
	})
}

type accessKeysLs struct {
	adminFlags
	JSON bool `help:"Print each key as a JSON object on a line of its own."`
}

// Help shows an example.
func (accessKeysLs) Help() string { return "Example:\n\n    sallyport access-keys ls --json" }

// Run lists.
func (c accessKeysLs) Run(ctx context.Context, std streams) error {
	return c.with(func(client *control.Client) error {
		keys, err := client.AccessKeys(ctx)
		if err != nil {
			return err
		}
		unreadable := 0
		table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(table, "ACCESS KEY\tAPIS\tACTIONS\tCREATED\tDESCRIPTION")
		}
		for _, k := range keys {
			if c.JSON {
				if err := json.NewEncoder(table).Encode(k); err != nil {
					return err
				}
				continue
			}
			if k.Unreadable {
				unreadable++
				fmt.Fprintf(table, "%s\t-\t-\t-\t(unreadable)\n", k.ID)
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.ID, listed(k.APIs), listed(k.Actions), moment(k.CreatedAt), k.Description)
		}
		if err := table.Flush(); err != nil || unreadable == 0 {
			return err
		}
		_, err = fmt.Fprintf(std.err, "%d of these keys can't be read, so calls that are signed with them are refused: they were sealed with another root secret than the gateway\n"+
			"has now, or are damaged. Start the gateway with the secret that sealed them, or remove them and make new ones.\n", unreadable)
		return err
	})
}

// listed shows a list of limits; without any there is no limit.
func listed[S ~string](list []S) string {
	if len(list) == 0 {
		return "all"
	}
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return strings.Join(texts, ",")
}

type accessKeysRm struct {
	adminFlags
	ID string `arg:"" name:"id" help:"The access key's id."`
}

// Help shows an example.
func (accessKeysRm) Help() string {
	return "Example:\n\n    sallyport access-keys rm SPKAJ4ZQ2M6XK3PTVB5N"
}

// Run removes.
func (c accessKeysRm) Run(ctx context.Context) error {
	return c.with(func(client *control.Client) error { return client.DeleteAccessKey(ctx, c.ID) })
}
