package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testHall() *hall {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return newHall(func() time.Time { return noon })
}

// heard lists the deliveries as "connection: type event name text", which is what the tests are about.
func heard(out []delivery) []string {
	var lines []string
	for _, d := range out {
		what := d.Type
		for _, part := range []string{d.Event, d.Was, d.Name, d.Text, d.Code} {
			if part != "" {
				what += " " + part
			}
		}
		for _, r := range d.Rooms {
			what += fmt.Sprintf(" %s=%d", r.Name, r.Members)
		}
		for _, c := range d.to {
			lines = append(lines, c+": "+what)
		}
	}
	return lines
}

func want(t *testing.T, out []delivery, lines ...string) {
	t.Helper()
	if d := cmp.Diff(lines, heard(out)); d != "" {
		t.Errorf("deliveries (-want +got):\n%s", d)
	}
}

func TestJoinTellsTheOthers(t *testing.T) {
	h := testHall()
	reply, out := h.join("a", request{Room: "lobby", Name: "Ann"})
	if d := cmp.Diff(message{Type: "joined", Room: "lobby", Name: "Ann", Members: []string{"Ann"}, Rooms: []roomSize{{"lobby", 1}}}, reply); d != "" {
		t.Errorf("reply (-want +got):\n%s", d)
	}
	want(t, out, "a: rooms lobby=1")

	reply, out = h.join("b", request{Room: " lobby ", Name: "Bob\n"})
	if d := cmp.Diff([]string{"Ann", "Bob"}, reply.Members); d != "" {
		t.Errorf("members (-want +got):\n%s", d)
	}
	want(t, out, "a: notice joined Bob", "a: rooms lobby=2", "b: rooms lobby=2")
}

func TestTextReachesTheWholeRoomAndNobodyElse(t *testing.T) {
	h := testHall()
	h.join("a", request{Room: "lobby", Name: "Ann"})
	h.join("b", request{Room: "lobby", Name: "Bob"})
	h.join("c", request{Room: "attic", Name: "Cleo"})
	out := h.send("b", request{Text: " hello "})
	want(t, out, "a: message Bob hello", "b: message Bob hello")
	if out[0].Time != "2026-11-24T12:00:00Z" {
		t.Errorf("time %q", out[0].Time)
	}
}

func TestChangingRooms(t *testing.T) {
	h := testHall()
	h.join("a", request{Room: "lobby", Name: "Ann"})
	h.join("b", request{Room: "lobby", Name: "Bob"})
	_, out := h.join("b", request{Room: "attic", Name: "Bob"})
	want(t, out, "a: notice left Bob", "a: rooms attic=1 lobby=1", "b: rooms attic=1 lobby=1")

	reply, out := h.leave("a", request{})
	if reply.Type != "left" || reply.Room != "lobby" {
		t.Errorf("reply %+v", reply)
	}
	want(t, out, "b: rooms attic=1") // an empty room is no room
}

func TestNamesAreUniqueInARoom(t *testing.T) {
	h := testHall()
	h.join("a", request{Room: "lobby", Name: "Ann"})
	second, _ := h.join("b", request{Room: "lobby", Name: "ann"})
	third, _ := h.join("c", request{Room: "lobby", Name: "Ann"})
	if second.Name != "ann 2" || third.Name != "Ann 3" {
		t.Errorf("names %q, %q", second.Name, third.Name)
	}
	reply, out := h.rename("b", request{Name: "Bea"})
	if reply.Name != "Bea" {
		t.Errorf("reply %+v", reply)
	}
	want(t, out, "a: notice renamed ann 2 Bea", "c: notice renamed ann 2 Bea")
	if same, out := h.rename("b", request{Name: "BEA"}); same.Name != "BEA" || len(out) != 1 {
		t.Errorf("own name in another case: %+v, %d deliveries", same, len(out))
	}
}

func TestJoiningTheSameRoomAgainRenames(t *testing.T) {
	h := testHall()
	h.join("a", request{Room: "lobby", Name: "Ann"})
	h.join("b", request{Room: "lobby", Name: "Bob"})
	reply, out := h.join("b", request{Room: "lobby", Name: "Ben"})
	if reply.Type != "joined" || reply.Name != "Ben" {
		t.Errorf("reply %+v", reply)
	}
	want(t, out, "a: notice renamed Bob Ben")
}

func TestGoneIsToldOnce(t *testing.T) {
	h := testHall()
	h.join("a", request{Room: "lobby", Name: "Ann"})
	h.join("b", request{Room: "lobby", Name: "Bob"})
	want(t, h.gone("b"), "a: notice left Bob", "a: rooms lobby=1")
	want(t, h.gone("b")) // a 410 and the $disconnect event both tell it
	want(t, h.gone("a"))
	if len(h.rooms) != 0 || len(h.members) != 0 {
		t.Errorf("left over: %v, %v", h.rooms, h.members)
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("ä", maxNameRunes+1)
	h := testHall()
	h.join("in", request{Room: "lobby", Name: "Ann"})
	for name, c := range map[string]struct {
		reply func() message
		code  string
	}{
		"no room":         {func() message { m, _ := h.join("x", request{Name: "X"}); return m }, "bad-request"},
		"no name":         {func() message { m, _ := h.join("x", request{Room: "lobby", Name: " \t"}); return m }, "bad-request"},
		"long name":       {func() message { m, _ := h.join("x", request{Room: "lobby", Name: long}); return m }, "bad-request"},
		"long new name":   {func() message { m, _ := h.rename("in", request{Name: long}); return m }, "bad-request"},
		"leave, not in":   {func() message { m, _ := h.leave("x", request{}); return m }, "not-joined"},
		"rename, not in":  {func() message { m, _ := h.rename("x", request{Name: "X"}); return m }, "not-joined"},
		"send, not in":    {func() message { return h.send("x", request{Text: "hi"})[0].message }, "not-joined"},
		"send nothing":    {func() message { return h.send("in", request{Text: " "})[0].message }, "bad-request"},
		"send a very lot": {func() message { return h.send("in", request{Text: strings.Repeat("ä", maxTextRunes+1)})[0].message }, "bad-request"},
	} {
		if got := c.reply(); got.Type != "error" || got.Code != c.code {
			t.Errorf("%s: %+v, want code %s", name, got, c.code)
		}
	}
}

func TestRoomsAndMembersAreBounded(t *testing.T) {
	h := testHall()
	for i := range maxInRoom {
		if m, _ := h.join(fmt.Sprint("m", i), request{Room: "full", Name: "N"}); m.Type != "joined" {
			t.Fatalf("member %d: %+v", i, m)
		}
	}
	if m, _ := h.join("late", request{Room: "full", Name: "N"}); m.Code != "full" {
		t.Errorf("member %d: %+v", maxInRoom+1, m)
	}
	for i := range maxRooms - 1 {
		h.join(fmt.Sprint("r", i), request{Room: fmt.Sprint("room ", i), Name: "N"})
	}
	if m, _ := h.join("late", request{Room: "one more", Name: "N"}); m.Code != "full" {
		t.Errorf("room %d: %+v", maxRooms+1, m)
	}
}
