package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sallyport/sallyport/examples/natsbackend"
)

//go:embed page
var page embed.FS

// The APIs of chat.yaml and web.yaml.
const (
	api   = "chat"
	stage = "dev"
	web   = "web.dev"
)

// chat connects the hall to the gateway.
type chat struct {
	hall *hall
	gate *natsbackend.Backend
}

// serve runs the backend until ctx ends.
func serve(ctx context.Context, cfg natsbackend.Config) error {
	c := &chat{hall: newHall(time.Now)}
	cfg.API, cfg.Stage, cfg.Queue = api, stage, "chat"
	cfg.Gone = func(connection string) { c.deliver(c.hall.gone(connection)) }
	gate, err := natsbackend.Connect(cfg)
	if err != nil {
		return err
	}
	c.gate = gate
	files, err := fs.Sub(page, "page")
	if err != nil {
		return err
	}
	const routes = api + "." + stage + ".ws."
	err = errors.Join(
		gate.Handle(routes+"$connect", func(natsbackend.Event) *natsbackend.Reply { return &natsbackend.Reply{} }),
		gate.Handle(routes+"$disconnect", c.disconnect),
		gate.Handle(routes+"$default", c.unknown),
		gate.Handle(routes+"join", c.twoWay(c.hall.join)),
		gate.Handle(routes+"leave", c.twoWay(c.hall.leave)),
		gate.Handle(routes+"rename", c.twoWay(c.hall.rename)),
		gate.Handle(routes+"rooms", c.twoWay(c.hall.list)),
		gate.Handle(routes+"send", c.send),
		gate.ServePage(web, files),
	)
	if err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	return gate.Run(ctx)
}

func (c *chat) disconnect(e natsbackend.Event) *natsbackend.Reply {
	c.deliver(c.hall.gone(e.Context.ConnectionID))
	return nil
}

func (c *chat) unknown(natsbackend.Event) *natsbackend.Reply {
	return answer(refusal("unknown-action", "the actions are join, leave, rename, rooms and send"))
}

// twoWay serves a route whose reply is a frame for the client.
func (c *chat) twoWay(step func(string, request) (message, []delivery)) natsbackend.Handler {
	return func(e natsbackend.Event) *natsbackend.Reply {
		var r request
		if json.Unmarshal(e.Body, &r) != nil {
			return answer(refusal("bad-request", "room, name and text are strings"))
		}
		reply, out := step(e.Context.ConnectionID, r)
		c.deliver(out)
		return answer(reply)
	}
}

// send serves the one-way route: whoever is in the room hears the text, and nothing else is said.
func (c *chat) send(e natsbackend.Event) *natsbackend.Reply {
	var r request
	if json.Unmarshal(e.Body, &r) != nil {
		r = request{} // an empty text, which the hall refuses
	}
	c.deliver(c.hall.send(e.Context.ConnectionID, r))
	return nil
}

func (c *chat) deliver(out []delivery) {
	for _, d := range out {
		body := encode(d.message)
		for _, to := range d.to {
			c.gate.Push(to, body)
		}
	}
}

func answer(m message) *natsbackend.Reply { return &natsbackend.Reply{Body: encode(m)} }

func encode(m message) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return b
}
