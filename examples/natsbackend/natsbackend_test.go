package natsbackend_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/examples/natsbackend"
	"github.com/sallyport/sallyport/examples/natsbackend/edgetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs b until the test ends and checks that it ends without an error.
func run(t *testing.T, b *natsbackend.Backend) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func connect(t *testing.T, c natsbackend.Config) *natsbackend.Backend {
	t.Helper()
	c.API, c.Stage, c.Queue = "shop", "prod", "shop"
	b, err := natsbackend.Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func handle(t *testing.T, b *natsbackend.Backend, route string, h natsbackend.Handler) {
	t.Helper()
	if err := b.Handle(route, h); err != nil {
		t.Fatal(err)
	}
}

func TestEventAndReply(t *testing.T) {
	edge := edgetest.Start(t)
	b := connect(t, natsbackend.Config{URL: edge.URL()})
	handle(t, b, "shop.prod.ws.echo", func(e natsbackend.Event) *natsbackend.Reply {
		return &natsbackend.Reply{
			Status: 202,
			Header: map[string]string{"X-From": e.Context.ConnectionID},
			Body:   e.Body,
		}
	})
	handle(t, b, "shop.prod.ws.$connect", func(natsbackend.Event) *natsbackend.Reply { return &natsbackend.Reply{} })
	run(t, b)

	m := edge.Request("shop.prod.ws.echo", edgetest.From("one"), "hello")
	if got := m.Header.Get("Sallyport-Status") + m.Header.Get("X-From") + string(m.Data); got != "202onehello" {
		t.Errorf("reply %q", got)
	}
	if got := edge.Request("shop.prod.ws.$connect", edgetest.From("one"), "").Header.Get("Sallyport-Status"); got != "200" {
		t.Errorf("status without one: %q", got)
	}
}

func TestEventsOfAllRoutesKeepTheirOrder(t *testing.T) {
	edge := edgetest.Start(t)
	b := connect(t, natsbackend.Config{URL: edge.URL()})
	var seen []byte
	note := func(e natsbackend.Event) *natsbackend.Reply { seen = append(seen, e.Body...); return nil }
	handle(t, b, "shop.prod.ws.a", note)
	handle(t, b, "shop.prod.ws.b", note)
	handle(t, b, "shop.prod.ws.end", func(natsbackend.Event) *natsbackend.Reply { return &natsbackend.Reply{Body: seen} })
	run(t, b)

	edge.Request("shop.prod.ws.end", edgetest.From("one"), "")
	sent := ""
	for i := range 50 {
		edge.Send("shop.prod.ws."+string("ab"[i%2]), edgetest.From("one"), strconv.Itoa(i)+" ")
		sent += strconv.Itoa(i) + " "
	}
	if got := string(edge.Request("shop.prod.ws.end", edgetest.From("one"), "").Data); got != sent {
		t.Errorf("order %s", got)
	}
}

func TestPushAndGone(t *testing.T) {
	edge := edgetest.Start(t)
	gone := make(chan string, 1)
	b := connect(t, natsbackend.Config{URL: edge.URL(), Gone: func(id string) { gone <- id }})
	handle(t, b, "shop.prod.ws.push", func(e natsbackend.Event) *natsbackend.Reply {
		b.Push(string(e.Body), []byte("for you"))
		return &natsbackend.Reply{}
	})
	run(t, b)

	edge.Request("shop.prod.ws.push", edgetest.From("one"), "two")
	if got := edge.Next("two"); got != "for you" {
		t.Errorf("push %q", got)
	}
	edge.Hangup("two")
	edge.Request("shop.prod.ws.push", edgetest.From("one"), "two")
	if id := <-gone; id != "two" {
		t.Errorf("gone %q", id)
	}
}

func TestJunkHeadersStopNothing(t *testing.T) {
	edge := edgetest.Start(t)
	b := connect(t, natsbackend.Config{URL: edge.URL()})
	handle(t, b, "shop.prod.ws.a", func(natsbackend.Event) *natsbackend.Reply { return &natsbackend.Reply{Body: []byte("here")} })
	run(t, b)
	edge.Request("shop.prod.ws.a", edgetest.From("one"), "")
	edge.Send("shop.prod.ws.a", map[string]any{"connectionId": 7}, "")
	if got := string(edge.Request("shop.prod.ws.a", edgetest.From("one"), "").Data); got != "here" {
		t.Errorf("reply %q", got)
	}
}

func TestTick(t *testing.T) {
	edge := edgetest.Start(t)
	ticks := make(chan time.Time)
	ctx, stop := context.WithCancel(context.Background())
	b := connect(t, natsbackend.Config{URL: edge.URL(), Tick: time.Millisecond, OnTick: func(now time.Time) {
		select {
		case ticks <- now:
		case <-ctx.Done():
		}
	}})
	run(t, b)
	t.Cleanup(stop) // before run's own clean-up, which waits for the tick at work
	first, second := <-ticks, <-ticks
	if !second.After(first) {
		t.Errorf("ticks at %v and %v", first, second)
	}
}

func TestServerMayComeLater(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()

	b := connect(t, natsbackend.Config{URL: "nats://127.0.0.1:" + strconv.Itoa(port)})
	handle(t, b, "shop.prod.ws.a", func(natsbackend.Event) *natsbackend.Reply { return &natsbackend.Reply{Body: []byte("here")} })
	run(t, b)

	edge := edgetest.StartWith(t, &server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true})
	if got := string(edge.Request("shop.prod.ws.a", edgetest.From("one"), "").Data); got != "here" {
		t.Errorf("reply %q", got)
	}
}

func TestEndsWhileTheServerIsAway(t *testing.T) {
	b := connect(t, natsbackend.Config{URL: "nats://127.0.0.1:1"}) // nobody listens on port 1
	handle(t, b, "shop.prod.ws.a", func(natsbackend.Event) *natsbackend.Reply { return nil })
	run(t, b)
}

func TestServePage(t *testing.T) {
	edge := edgetest.Start(t)
	b := connect(t, natsbackend.Config{URL: edge.URL()})
	files := fstest.MapFS{"index.html": {Data: []byte("<p>hi")}, "app.js": {Data: []byte("1")}, "in/deep": {Data: []byte("x")}}
	if err := b.ServePage("web.prod", files); err != nil {
		t.Fatal(err)
	}
	run(t, b)
	asset := func(name string) map[string]any {
		return map[string]any{"pathParameters": map[string]string{"asset": name}}
	}
	for _, c := range []struct {
		route        string
		context      map[string]any
		status, kind string
		body         string
	}{
		{"web.prod.http.GET", nil, "200", "text/html; charset=utf-8", "<p>hi"},
		{"web.prod.http.GET.{asset}", asset("app.js"), "200", "text/javascript; charset=utf-8", "1"},
		{"web.prod.http.GET.{asset}", asset("in/deep"), "200", "application/octet-stream", "x"},
		{"web.prod.http.GET.{asset}", asset("none"), "404", "application/json", `{"message":"Not Found"}`},
		{"web.prod.http.GET.{asset}", asset("../page.go"), "404", "application/json", `{"message":"Not Found"}`},
		{"web.prod.http.GET.{asset}", asset("in"), "404", "application/json", `{"message":"Not Found"}`},
		{"web.prod.http.GET.{asset}", nil, "404", "application/json", `{"message":"Not Found"}`},
	} {
		m := edge.Request(c.route, c.context, "")
		if m.Header.Get("Sallyport-Status") != c.status || m.Header.Get("Content-Type") != c.kind || string(m.Data) != c.body {
			t.Errorf("%s %v: %v %q", c.route, c.context, m.Header, m.Data)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	for name, c := range map[string]natsbackend.Config{
		"no API":          {Stage: "s", Queue: "q"},
		"no queue":        {API: "a", Stage: "s"},
		"tick for nobody": {API: "a", Stage: "s", Queue: "q", Tick: time.Second},
		"bad URL":         {API: "a", Stage: "s", Queue: "q", URL: "nats://%zz"},
	} {
		if _, err := natsbackend.Connect(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
