package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func testWorld() *world { return newWorld(rand.New(rand.NewPCG(1, 2))) }

func TestSteeringMovesAndFrictionStops(t *testing.T) {
	w := testWorld()
	p := w.join("a", "Ann")
	p.X, p.Y = width/2, height/2
	w.steer("a", 1, 1, 0)
	for range 10 {
		w.step()
	}
	if p.X <= width/2 || p.Y != height/2 {
		t.Errorf("at %v, %v after steering right", p.X, p.Y)
	}
	w.steer("a", 2, 0, 0)
	for range 200 {
		w.step()
	}
	if math.Abs(p.vx) > 1e-3 {
		t.Errorf("speed %v long after the last input", p.vx)
	}
}

func TestNobodyLeavesTheArena(t *testing.T) {
	w := testWorld()
	p := w.join("a", "Ann")
	for i, d := range [][2]float64{{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1e300, 1e300}, {math.Inf(1), 0}} {
		w.steer("a", i+1, d[0], d[1])
		for range 300 {
			w.step()
			inside := p.X >= radius && p.X <= width-radius && p.Y >= radius && p.Y <= height-radius
			if !inside || math.Hypot(p.vx, p.vy) > 12 {
				t.Fatalf("steering %v: at %v, %v with speed %v, %v", d, p.X, p.Y, p.vx, p.vy)
			}
		}
	}
}

func TestPearlsAreCollectedAndReplaced(t *testing.T) {
	w := testWorld()
	a, b := w.join("a", "Ann"), w.join("b", "Bob")
	a.X, a.Y = w.pearls[0].X, w.pearls[0].Y
	b.X, b.Y = a.X, a.Y // too late: Ann was there first
	old := w.pearls[0]
	w.step()
	if a.Score < 1 || w.pearls[0] == old || len(w.pearls) != pearls {
		t.Errorf("scores %d and %d, pearl %v → %v", a.Score, b.Score, old, w.pearls[0])
	}
}

func TestDisorderIsCounted(t *testing.T) {
	w := testWorld()
	p := w.join("a", "Ann")
	for _, seq := range []int{1, 2, 4, 3, 5} {
		w.steer("a", seq, 0, 0)
	}
	if p.disorder != 1 || p.input != 5 {
		t.Errorf("disorder %d, last input %d", p.disorder, p.input)
	}
}

func TestJoinAndLeave(t *testing.T) {
	w := testWorld()
	if w.steer("a", 1, 0, 0) {
		t.Error("somebody unknown steers")
	}
	p := w.join("a", "\tA name much longer than sixteen\n")
	if p.Name != "A name much long" {
		t.Errorf("player %+v", p)
	}
	w.steer("a", 7, 0, 0)
	if w.join("a", "again") != p || p.Name != "again" || p.input != 0 || len(w.players) != 1 {
		t.Errorf("joined again: %+v", p)
	}
	if w.join("b", " ").Name != "nobody" {
		t.Error("an empty name stays empty")
	}
	w.leave("a")
	w.leave("a")
	for i := range maxPlayers - 1 {
		if w.join(fmt.Sprint(i), "x") == nil {
			t.Fatalf("full at %d", i+2)
		}
	}
	if w.join("one more", "x") != nil {
		t.Error("no bound on players")
	}
}
