package main

import (
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The rules of the game. Lengths are units of the arena, speeds units per tick.
const (
	width, height = 800, 500
	radius        = 14   // of a player; a pearl is reached when its centre is that near
	acceleration  = 0.9  // while a player steers
	friction      = 0.92 // what is left of the speed after a tick: a top speed of about ten units
	pearls        = 12   // lying about at any time

	maxPlayers   = 64 // each tick pushes the whole arena to each of them
	maxNameRunes = 16
)

// player is one ship in the arena.
type player struct {
	connection string
	ID         int     `json:"id"`
	Name       string  `json:"name"`
	X          float64 `json:"x"`
	Y          float64 `json:"y"`
	Score      int     `json:"score"`

	vx, vy float64
	ax, ay float64 // where the player steers to: a direction of length 0 to 1

	// Inputs are numbered by the page. input is the last number; disorder counts those that came after a later one, which
	// does not happen while the gateway keeps the order.
	input    int
	disorder int
}

type pearl struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// world is the arena. It has no clock and no network, and belongs to one goroutine.
type world struct {
	tick    int
	nextID  int
	players map[string]*player // by connection
	pearls  []pearl
	random  *rand.Rand
}

func newWorld(random *rand.Rand) *world {
	w := &world{players: map[string]*player{}, random: random}
	for range pearls {
		w.pearls = append(w.pearls, w.newPearl())
	}
	return w
}

func (w *world) newPearl() pearl {
	return pearl{X: round(radius + w.random.Float64()*(width-2*radius)), Y: round(radius + w.random.Float64()*(height-2*radius))}
}

// join puts a player at a random place, or finds the one that this connection has already, which gets the new name and counts
// its inputs anew, as the page does. nil means that the arena is full.
func (w *world) join(connection, name string) *player {
	if p := w.players[connection]; p != nil {
		p.Name, p.input, p.disorder = clean(name), 0, 0
		return p
	}
	if len(w.players) >= maxPlayers {
		return nil
	}
	w.nextID++
	place := w.newPearl()
	p := &player{connection: connection, ID: w.nextID, Name: clean(name), X: place.X, Y: place.Y}
	w.players[connection] = p
	return p
}

func (w *world) leave(connection string) { delete(w.players, connection) }

// steer takes input number seq: a direction, whose length counts only up to 1. It reports whether the connection is a player.
func (w *world) steer(connection string, seq int, dx, dy float64) bool {
	p := w.players[connection]
	if p == nil {
		return false
	}
	if seq <= p.input {
		p.disorder++
	}
	p.input = seq
	if length := math.Hypot(dx, dy); length > 1 {
		dx, dy = dx/length, dy/length
	}
	if math.IsNaN(dx) || math.IsNaN(dy) { // of an infinite direction
		dx, dy = 0, 0
	}
	p.ax, p.ay = dx, dy
	return true
}

// step moves everything by one tick.
func (w *world) step() {
	w.tick++
	for _, p := range w.sorted() { // in a fixed order, so that of two players at one pearl the elder gets it
		p.vx = (p.vx + p.ax*acceleration) * friction
		p.vy = (p.vy + p.ay*acceleration) * friction
		p.X, p.vx = bounce(p.X+p.vx, p.vx, width)
		p.Y, p.vy = bounce(p.Y+p.vy, p.vy, height)
		for i, l := range w.pearls {
			if math.Hypot(l.X-p.X, l.Y-p.Y) <= radius {
				p.Score++
				w.pearls[i] = w.newPearl()
			}
		}
	}
}

// bounce keeps a coordinate inside the walls and turns its speed where it met one.
func bounce(at, speed, size float64) (float64, float64) {
	if at < radius || at > size-radius {
		return min(max(at, radius), size-radius), -speed
	}
	return at, speed
}

func (w *world) sorted() []*player {
	list := make([]*player, 0, len(w.players))
	for _, p := range w.players {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// clean returns a name that can be shown: without control characters, cut at its bound, never empty.
func clean(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, name))
	if utf8.RuneCountInString(name) > maxNameRunes {
		name = string([]rune(name)[:maxNameRunes])
	}
	if name == "" {
		return "nobody"
	}
	return name
}

// round keeps the pushes short: a tenth of a unit is less than a pixel.
func round(x float64) float64 { return math.Round(x*10) / 10 }
