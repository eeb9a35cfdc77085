package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sallyport/sallyport/examples/natsbackend"
)

//go:embed page
var page embed.FS

// The APIs of arena.yaml and web.yaml.
const (
	api   = "arena"
	stage = "dev"
	web   = "arena-web.dev"
)

// tick is the time between two updates: 20 a second, the rate that the page checks.
const tick = 50 * time.Millisecond

// arena connects the world to the gateway.
type arena struct {
	world *world
	gate  *natsbackend.Backend
}

// update is what everybody gets each tick. Input and Disorder are of the player that it is pushed to.
type update struct {
	Type     string    `json:"type"`
	Tick     int       `json:"tick"`
	Input    int       `json:"input"`
	Disorder int       `json:"disorder"`
	Players  []*player `json:"players"`
	Pearls   []pearl   `json:"pearls"`
}

// serve runs the backend until ctx ends.
func serve(ctx context.Context, cfg natsbackend.Config) error {
	a := &arena{world: newWorld(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))}
	cfg.API, cfg.Stage, cfg.Queue = api, stage, "arena"
	cfg.Gone = a.world.leave
	cfg.Tick = tick
	cfg.OnTick = func(time.Time) { a.step() }
	gate, err := natsbackend.Connect(cfg)
	if err != nil {
		return err
	}
	a.gate = gate
	files, err := fs.Sub(page, "page")
	if err != nil {
		return err
	}
	const routes = api + "." + stage + ".ws."
	err = errors.Join(
		gate.Handle(routes+"$connect", func(natsbackend.Event) *natsbackend.Reply { return &natsbackend.Reply{} }),
		gate.Handle(routes+"$disconnect", a.disconnect),
		gate.Handle(routes+"$default", unknown),
		gate.Handle(routes+"join", a.join),
		gate.Handle(routes+"ping", func(e natsbackend.Event) *natsbackend.Reply { return &natsbackend.Reply{Body: e.Body} }),
		gate.Handle(routes+"steer", a.steer),
		gate.ServePage(web, files),
	)
	if err != nil {
		return fmt.Errorf("arena: %w", err)
	}
	return gate.Run(ctx)
}

func (a *arena) disconnect(e natsbackend.Event) *natsbackend.Reply {
	if p := a.world.players[e.Context.ConnectionID]; p != nil {
		slog.Info("a player left", "name", p.Name, "score", p.Score, "inputs", p.input, "out of order", p.disorder)
	}
	a.world.leave(e.Context.ConnectionID)
	return nil
}

func unknown(natsbackend.Event) *natsbackend.Reply {
	return answer(map[string]any{"type": "error", "text": "the actions are join, ping and steer"})
}

// join answers with the player's id and the size of the arena.
func (a *arena) join(e natsbackend.Event) *natsbackend.Reply {
	var r struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(e.Body, &r) != nil {
		return answer(map[string]any{"type": "error", "text": "name is a string"})
	}
	p := a.world.join(e.Context.ConnectionID, r.Name)
	if p == nil {
		return answer(map[string]any{"type": "error", "text": "the arena is full"})
	}
	return answer(map[string]any{
		"type": "joined", "id": p.ID, "name": p.Name, "width": width, "height": height, "radius": radius,
		"rate": int(time.Second / tick),
	})
}

// steer serves the one-way route. A client that is no player, as after a restart of this program, is told to join again.
func (a *arena) steer(e natsbackend.Event) *natsbackend.Reply {
	var r struct {
		Seq int     `json:"seq"`
		DX  float64 `json:"dx"`
		DY  float64 `json:"dy"`
	}
	if json.Unmarshal(e.Body, &r) != nil {
		return nil // one-way: there is nobody to tell, and the player goes on as before
	}
	if !a.world.steer(e.Context.ConnectionID, r.Seq, r.DX, r.DY) {
		a.gate.Push(e.Context.ConnectionID, encode(map[string]any{"type": "expired"}))
	}
	return nil
}

// step is one tick: move, then push to everybody.
func (a *arena) step() {
	a.world.step()
	players := a.world.sorted()
	u := update{Type: "update", Tick: a.world.tick, Pearls: a.world.pearls}
	for _, p := range players {
		shown := *p
		shown.X, shown.Y = round(p.X), round(p.Y)
		u.Players = append(u.Players, &shown)
	}
	for _, p := range players {
		u.Input, u.Disorder = p.input, p.disorder
		a.gate.Push(p.connection, encode(u))
	}
}

func answer(v any) *natsbackend.Reply { return &natsbackend.Reply{Body: encode(v)} }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and finite numbers always encode
	}
	return b
}
