package main

import (
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What clients may ask for is bounded, since anybody can be a client.
const (
	maxNameRunes = 32
	maxTextRunes = 2000 // a long paragraph; the gateway's own limit is 1 MiB
	maxRooms     = 200  // the list of rooms goes to everybody
	maxInRoom    = 200  // each message is pushed once per member
)

// request is what a client sends; action has chosen the route already.
type request struct {
	Room string `json:"room"`
	Name string `json:"name"`
	Text string `json:"text"`
}

// message is what a client gets. Type says which of the other fields are there.
type message struct {
	Type string `json:"type"` // joined, left, renamed, notice, message, rooms, error
	Room string `json:"room,omitempty"`
	Name string `json:"name,omitempty"`
	// Event of a notice: joined, left or renamed; Was is the name before.
	Event   string     `json:"event,omitempty"`
	Was     string     `json:"was,omitempty"`
	Members []string   `json:"members,omitempty"`
	Rooms   []roomSize `json:"rooms,omitempty"`
	Text    string     `json:"text,omitempty"`
	Time    string     `json:"time,omitempty"`
	// Code of an error: not-joined, bad-request, full, unknown-action.
	Code string `json:"code,omitempty"`
}

type roomSize struct {
	Name    string `json:"name"`
	Members int    `json:"members"`
}

// delivery is one message for some clients.
type delivery struct {
	to []string
	message
}

type member struct {
	connection string
	name       string
	room       string
}

// hall knows who is in which room. It sends nothing: its methods return the answer for the client that asked and the
// deliveries for everybody else. It belongs to one goroutine.
type hall struct {
	members map[string]*member            // by connection
	rooms   map[string]map[string]*member // by room, by connection; a room without members does not exist
	now     func() time.Time
}

func newHall(now func() time.Time) *hall {
	return &hall{members: map[string]*member{}, rooms: map[string]map[string]*member{}, now: now}
}

// join puts a client into a room, out of the one that it was in.
func (h *hall) join(connection string, r request) (message, []delivery) {
	room, name := clean(r.Room), clean(r.Name)
	if room == "" || name == "" {
		return refusal("bad-request", "join needs a room and a name of at most 32 characters"), nil
	}
	if m := h.members[connection]; m != nil && m.room == room {
		_, out := h.rename(connection, r) // joined again, perhaps under another name
		return h.welcome(m), out
	}
	if len(h.rooms[room]) >= maxInRoom || h.rooms[room] == nil && len(h.rooms) >= maxRooms {
		return refusal("full", "no place left"), nil
	}
	out := h.remove(connection)
	m := &member{connection: connection, name: h.freeName(room, name), room: room}
	if h.rooms[room] == nil {
		h.rooms[room] = map[string]*member{}
	}
	h.rooms[room][connection] = m
	h.members[connection] = m
	out = append(out, h.notice(m, message{Event: "joined"}))
	return h.welcome(m), h.announceRooms(out)
}

func (h *hall) welcome(m *member) message {
	return message{Type: "joined", Room: m.room, Name: m.name, Members: h.names(m.room), Rooms: h.sizes()}
}

// leave takes a client out of its room; it stays connected.
func (h *hall) leave(connection string, _ request) (message, []delivery) {
	m := h.members[connection]
	if m == nil {
		return notJoined(), nil
	}
	out := h.announceRooms(h.remove(connection))
	return message{Type: "left", Room: m.room, Rooms: h.sizes()}, out
}

// gone forgets a client whose connection has ended. Unknown ones are no fault: most hear of an end twice.
func (h *hall) gone(connection string) []delivery {
	if h.members[connection] == nil {
		return nil
	}
	return h.announceRooms(h.remove(connection))
}

// rename gives a client another name in its room.
func (h *hall) rename(connection string, r request) (message, []delivery) {
	m := h.members[connection]
	if m == nil {
		return notJoined(), nil
	}
	name := clean(r.Name)
	if name == "" {
		return refusal("bad-request", "rename needs a name of at most 32 characters"), nil
	}
	if name == m.name {
		return message{Type: "renamed", Room: m.room, Name: m.name, Members: h.names(m.room)}, nil
	}
	was := m.name
	m.name = "" // its own name is free for itself
	m.name = h.freeName(m.room, name)
	out := []delivery{h.notice(m, message{Event: "renamed", Was: was})}
	return message{Type: "renamed", Room: m.room, Name: m.name, Members: h.names(m.room)}, out
}

// send gives a text to every member of the room, the sender too: so each sees the same order. The route is one-way, and so an error is a
// delivery too.
func (h *hall) send(connection string, r request) []delivery {
	m := h.members[connection]
	if m == nil {
		return []delivery{{to: []string{connection}, message: notJoined()}}
	}
	text := strings.TrimSpace(r.Text)
	if text == "" || utf8.RuneCountInString(text) > maxTextRunes {
		return []delivery{{to: []string{connection}, message: refusal("bad-request", "a text has 1 to 2000 characters")}}
	}
	return []delivery{{to: h.connections(m.room), message: message{
		Type: "message", Room: m.room, Name: m.name, Text: text, Time: h.now().UTC().Format(time.RFC3339),
	}}}
}

// list answers with the rooms, for a client that has not chosen one.
func (h *hall) list(string, request) (message, []delivery) {
	return message{Type: "rooms", Rooms: h.sizes()}, nil
}

// remove takes a client out of its room and tells those who stay.
func (h *hall) remove(connection string) []delivery {
	m := h.members[connection]
	if m == nil {
		return nil
	}
	delete(h.members, connection)
	delete(h.rooms[m.room], connection)
	if len(h.rooms[m.room]) == 0 {
		delete(h.rooms, m.room)
		return nil
	}
	return []delivery{h.notice(m, message{Event: "left"})}
}

// notice tells everybody else in m's room what happened to m.
func (h *hall) notice(m *member, n message) delivery {
	n.Type, n.Room, n.Name = "notice", m.room, m.name
	n.Members, n.Time = h.names(m.room), h.now().UTC().Format(time.RFC3339)
	d := delivery{message: n}
	for _, c := range h.connections(m.room) {
		if c != m.connection {
			d.to = append(d.to, c)
		}
	}
	return d
}

// announceRooms adds the list of rooms for all members of all rooms.
func (h *hall) announceRooms(out []delivery) []delivery {
	d := delivery{message: message{Type: "rooms", Rooms: h.sizes()}}
	for c := range h.members {
		d.to = append(d.to, c)
	}
	sort.Strings(d.to)
	return append(out, d)
}

// freeName returns name, or the first of "name 2", "name 3" … that nobody in the room has.
func (h *hall) freeName(room, name string) string {
	taken := map[string]bool{}
	for _, m := range h.rooms[room] {
		taken[strings.ToLower(m.name)] = true
	}
	free := name
	for n := 2; taken[strings.ToLower(free)]; n++ {
		free = name + " " + strconv.Itoa(n)
	}
	return free
}

func (h *hall) connections(room string) []string {
	var cs []string
	for c := range h.rooms[room] {
		cs = append(cs, c)
	}
	sort.Strings(cs)
	return cs
}

func (h *hall) names(room string) []string {
	var ns []string
	for _, m := range h.rooms[room] {
		ns = append(ns, m.name)
	}
	sort.Strings(ns)
	return ns
}

func (h *hall) sizes() []roomSize {
	list := make([]roomSize, 0, len(h.rooms))
	for name, ms := range h.rooms {
		list = append(list, roomSize{Name: name, Members: len(ms)})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// clean returns a name without white space around it or control characters in it, or "" when it is empty or too long.
func clean(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
	if utf8.RuneCountInString(s) > maxNameRunes {
		return ""
	}
	return s
}

func notJoined() message { return refusal("not-joined", "join a room first") }

func refusal(code, text string) message { return message{Type: "error", Code: code, Text: text} }
