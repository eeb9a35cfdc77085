package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/examples/natsbackend"
	"github.com/sallyport/sallyport/examples/natsbackend/edgetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	edge.Request("arena.dev.ws.$connect", edgetest.From("a"), "")
	return edge
}

func nextUpdate(t *testing.T, edge *edgetest.Edge, connection string) update {
	t.Helper()
	var u update
	if err := json.Unmarshal([]byte(edge.Await(connection, `"type":"update"`)), &u); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUpdatesComeInOrderAndShowTheInputs(t *testing.T) {
	edge := start(t)
	reply := string(edge.Request("arena.dev.ws.join", edgetest.From("a"), `{"name":"Ann"}`).Data)
	if !strings.Contains(reply, `"type":"joined"`) || !strings.Contains(reply, `"rate":20`) {
		t.Fatalf("join: %s", reply)
	}
	for seq := 1; seq <= 30; seq++ {
		edge.Send("arena.dev.ws.steer", edgetest.From("a"), fmt.Sprintf(`{"seq":%d,"dx":1,"dy":0}`, seq))
	}
	last := nextUpdate(t, edge, "a")
	for last.Input != 30 {
		u := nextUpdate(t, edge, "a")
		if u.Tick != last.Tick+1 {
			t.Fatalf("tick %d after %d", u.Tick, last.Tick)
		}
		last = u
	}
	if last.Disorder != 0 || len(last.Players) != 1 || last.Players[0].Name != "Ann" || len(last.Pearls) != pearls {
		t.Errorf("update %+v", last)
	}
}

func TestPlayersWhoAreGoneLeave(t *testing.T) {
	edge := start(t)
	for _, c := range []string{"a", "b", "c"} {
		edge.Request("arena.dev.ws.join", edgetest.From(c), `{"name":"N"}`)
	}
	edge.Send("arena.dev.ws.$disconnect", edgetest.From("b"), "")
	edge.Hangup("c") // the next update finds out
	for len(nextUpdate(t, edge, "a").Players) != 1 {
	}
}

func TestStrangersAreToldToJoin(t *testing.T) {
	edge := start(t)
	edge.Send("arena.dev.ws.steer", edgetest.From("x"), `{"seq":1}`)
	if got := edge.Next("x"); got != `{"type":"expired"}` {
		t.Errorf("push %s", got)
	}
	edge.Send("arena.dev.ws.steer", edgetest.From("x"), `junk`)
	if got := string(edge.Request("arena.dev.ws.$default", edgetest.From("x"), `junk`).Data); !strings.Contains(got, "error") {
		t.Errorf("$default: %s", got)
	}
	if got := string(edge.Request("arena.dev.ws.join", edgetest.From("x"), `{"name":[]}`).Data); !strings.Contains(got, "error") {
		t.Errorf("join: %s", got)
	}
	if got := string(edge.Request("arena.dev.ws.ping", edgetest.From("x"), `{"action":"ping","at":1.5}`).Data); got != `{"action":"ping","at":1.5}` {
		t.Errorf("ping: %s", got)
	}
}

func TestPageIsServed(t *testing.T) {
	edge := start(t)
	if m := edge.Request("arena-web.dev.http.GET", nil, ""); !strings.Contains(string(m.Data), "arena.js") {
		t.Errorf("index: %q", m.Data)
	}
}
