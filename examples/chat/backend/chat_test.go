package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/examples/natsbackend"
	"github.com/sallyport/sallyport/examples/natsbackend/edgetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the backend against a fake edge until the test ends.
func start(t *testing.T) *edgetest.Edge {
	t.Helper()
	edge := edgetest.Start(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- serve(ctx, natsbackend.Config{URL: edge.URL()}) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	if got := edge.Request("chat.dev.ws.$connect", edgetest.From("a"), "").Header.Get("Sallyport-Status"); got != "200" {
		t.Fatalf("$connect: %q", got)
	}
	return edge
}

// ask sends a two-way action and returns its reply.
func ask(t *testing.T, edge *edgetest.Edge, connection, action, body string) message {
	t.Helper()
	var m message
	data := edge.Request("chat.dev.ws."+action, edgetest.From(connection), body).Data
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%s: %v in %q", action, err, data)
	}
	return m
}

func TestTwoPeopleTalk(t *testing.T) {
	edge := start(t)
	if m := ask(t, edge, "a", "join", `{"action":"join","room":"lobby","name":"Ann"}`); m.Type != "joined" {
		t.Fatalf("join: %+v", m)
	}
	ask(t, edge, "b", "join", `{"action":"join","room":"lobby","name":"Bob"}`)
	edge.Await("a", `"event":"joined"`)

	edge.Send("chat.dev.ws.send", edgetest.From("b"), `{"action":"send","text":"<hello>"}`)
	for _, c := range []string{"a", "b"} {
		var m message
		if err := json.Unmarshal([]byte(edge.Await(c, `"type":"message"`)), &m); err != nil {
			t.Fatal(err)
		}
		if m.Name != "Bob" || m.Text != "<hello>" || m.Room != "lobby" {
			t.Errorf("to %s: %+v", c, m)
		}
	}
	if m := ask(t, edge, "b", "rename", `{"name":"Ben"}`); m.Type != "renamed" || m.Name != "Ben" {
		t.Errorf("rename: %+v", m)
	}
	edge.Await("a", `"was":"Bob"`)
	if m := ask(t, edge, "c", "rooms", `{}`); len(m.Rooms) != 1 || m.Rooms[0] != (roomSize{"lobby", 2}) {
		t.Errorf("rooms: %+v", m)
	}
	if m := ask(t, edge, "b", "leave", `{}`); m.Type != "left" {
		t.Errorf("leave: %+v", m)
	}
	edge.Await("a", `"event":"left"`)
}

func TestDisconnectedMembersLeave(t *testing.T) {
	edge := start(t)
	for _, c := range []string{"a", "b", "c"} {
		ask(t, edge, c, "join", `{"room":"lobby","name":"`+strings.ToUpper(c)+`"}`)
	}
	edge.Send("chat.dev.ws.$disconnect", edgetest.From("b"), "")
	edge.Await("a", `"event":"left","members":["A","C"]`)

	edge.Hangup("c") // no $disconnect comes: the next push finds out
	edge.Send("chat.dev.ws.send", edgetest.From("a"), `{"text":"anybody?"}`)
	edge.Await("a", `"event":"left","members":["A"]`)
}

func TestBadInputIsAnswered(t *testing.T) {
	edge := start(t)
	if m := ask(t, edge, "a", "join", `{"room":7}`); m.Code != "bad-request" {
		t.Errorf("a number for a room: %+v", m)
	}
	if m := ask(t, edge, "a", "$default", `no JSON`); m.Code != "unknown-action" {
		t.Errorf("$default: %+v", m)
	}
	edge.Send("chat.dev.ws.send", edgetest.From("a"), `[]`)
	if got := edge.Next("a"); !strings.Contains(got, "not-joined") {
		t.Errorf("send before join: %s", got)
	}
}

func TestPageIsServed(t *testing.T) {
	edge := start(t)
	index := edge.Request("web.dev.http.GET", nil, "")
	if !strings.Contains(string(index.Data), "chat.js") {
		t.Errorf("index: %q", index.Data)
	}
	for _, asset := range []string{"chat.js", "chat.css"} {
		m := edge.Request("web.dev.http.GET.{asset}", map[string]any{"pathParameters": map[string]string{"asset": asset}}, "")
		if m.Header.Get("Sallyport-Status") != "200" || len(m.Data) == 0 {
			t.Errorf("%s: %v", asset, m.Header)
		}
	}
}
