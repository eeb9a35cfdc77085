package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

// listOf is a Connections function over fixed connections.
func listOf(all ...gateway.ConnectionStatus) func(context.Context, ConnectionFilter, func(gateway.ConnectionStatus) bool) error {
	return func(_ context.Context, f ConnectionFilter, yield func(gateway.ConnectionStatus) bool) error {
		for _, c := range all {
			if (f.API == "" || f.API == c.API) && (f.Stage == "" || f.Stage == c.Stage) && !yield(c) {
				return nil
			}
		}
		return nil
	}
}

// events is a Subscribe function that a test scripts: it tells of each subscription and gives the channel away.
type events struct {
	opened chan subscription
}

type subscription struct {
	ctx    context.Context //nolint:containedctx // what the test looks at
	filter TailFilter
	lines  chan []byte
}

func newEvents() *events { return &events{opened: make(chan subscription, MaxTails+1)} }

func (e *events) subscribe(ctx context.Context, f TailFilter) (<-chan []byte, error) {
	s := subscription{ctx, f, make(chan []byte, 8)}
	e.opened <- s
	return s.lines, nil
}

func connection(api gateway.APIID, stage gateway.StageName, n int) gateway.ConnectionStatus {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return gateway.ConnectionStatus{
		Connection: gateway.Connection{
			ID: gateway.ConnectionID(fmt.Sprintf("AAAA%011d=", n)), API: api, Stage: stage, ConnectedAt: at,
			DomainName: "localhost", SourceIP: "127.0.0.1", Authorizer: json.RawMessage(`{"user":"ann"}`),
		},
		LastActiveAt: at.Add(time.Second),
	}
}

func TestList(t *testing.T) {
	var all, chat []gateway.ConnectionStatus
	for n := range 1000 {
		c := connection("chat", "dev", n)
		if n%2 == 1 {
			c = connection("arena", "prod", n)
		} else {
			chat = append(chat, c)
		}
		all = append(all, c)
	}
	client := start(t, Config{Access: AccessOpen, Connections: listOf(all...)}).client(t)
	for _, test := range []struct {
		filter ConnectionFilter
		want   []gateway.ConnectionStatus
	}{
		{ConnectionFilter{}, all},
		{ConnectionFilter{API: "chat"}, chat},
		{ConnectionFilter{API: "chat", Stage: "prod"}, nil},
	} {
		var got []gateway.ConnectionStatus
		err := client.List(t.Context(), test.filter, func(c gateway.ConnectionStatus) bool {
			got = append(got, c)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: %s", test.filter, diff)
		}
	}
	seen := 0
	err := client.List(t.Context(), ConnectionFilter{}, func(gateway.ConnectionStatus) bool {
		seen++
		return seen < 3
	})
	if err != nil || seen != 3 {
		t.Errorf("a list that is left early: %d, %v", seen, err)
	}
}

func TestListFails(t *testing.T) {
	failing := func(after int, err error) func(context.Context, ConnectionFilter, func(gateway.ConnectionStatus) bool) error {
		return func(_ context.Context, _ ConnectionFilter, yield func(gateway.ConnectionStatus) bool) error {
			for n := range after {
				yield(connection("chat", "dev", n))
			}
			return err
		}
	}
	broken := connection("chat", "dev", 1)
	broken.Authorizer = json.RawMessage(`{`)
	for name, test := range map[string]struct {
		list func(context.Context, ConnectionFilter, func(gateway.ConnectionStatus) bool) error
		seen int
		want string
	}{
		"at once":          {failing(0, gateway.Errorf(gateway.CodeUnavailable, "NATS is away").Because(errors.New("secret"))), 0, "unavailable: NATS is away"},
		"on the way":       {failing(3, gateway.Errorf(gateway.CodeUnavailable, "NATS is away").Because(errors.New("secret"))), 3, "unavailable: NATS is away"},
		"of no known kind": {failing(0, errors.New("secret")), 0, "internal: Internal Server Error"},
		"no JSON":          {listOf(broken), 0, "internal: Internal Server Error"},
		"no edge here":     {nil, 0, "not_found: This process holds no connections: it runs without the edge role"},
	} {
		t.Run(name, func(t *testing.T) {
			client := start(t, Config{Access: AccessOpen, Connections: test.list}).client(t)
			seen := 0
			err := client.List(t.Context(), ConnectionFilter{}, func(gateway.ConnectionStatus) bool { seen++; return true })
			if err == nil || err.Error() != test.want || seen != test.seen {
				t.Errorf("%d, %v; want %d, %s", seen, err, test.seen, test.want)
			}
		})
	}
}

func TestQueriesAreStrict(t *testing.T) {
	r := start(t, Config{Access: AccessOpen, Connections: listOf(), Subscribe: newEvents().subscribe})
	for path, want := range map[string]string{
		"/v1/connections?apis=chat":  `unknown query parameter "apis"; known are api, stage`,
		"/v1/connections?api=a&api=": `the query parameter api may be given once`,
		"/v1/tail?stage=dev":         `unknown query parameter "stage"; known are api, route`,
		"/v1/tail?api=%zz":           `malformed query`,
	} {
		if status, body, _ := r.ask(t, "GET", path); status != 400 || message(t, body) != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestTail(t *testing.T) {
	script := newEvents()
	client := start(t, Config{Access: AccessOpen, Subscribe: script.subscribe}).client(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, ended := make(chan string), make(chan error, 1)
	go func() {
		ended <- client.Tail(ctx, TailFilter{API: "chat", Route: "GET /a b"}, func(line json.RawMessage) bool {
			got <- string(line)
			return true
		})
	}()
	s := <-script.opened
	if s.filter != (TailFilter{API: "chat", Route: "GET /a b"}) {
		t.Errorf("filter %+v", s.filter)
	}
	for _, test := range []struct{ sent, want string }{
		{`{"api":"chat"}`, `{"api":"chat"}`},
		{"{\n \"api\": \"chat\",\n \"route\": \"<&>\"}\n", `{"api":"chat","route":"<&>"}`},
	} {
		s.lines <- []byte("no JSON, so left out")
		s.lines <- []byte(test.sent)
		if line := <-got; line != test.want {
			t.Errorf("%s, want %s", line, test.want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Tail: %v", err)
	}
	<-s.ctx.Done() // the client's leaving ends the subscription
}

func TestTailEnds(t *testing.T) {
	t.Run("with the subscription", func(t *testing.T) {
		script := newEvents()
		client := start(t, Config{Access: AccessOpen, Subscribe: script.subscribe}).client(t)
		ended := make(chan error, 1)
		go func() { ended <- client.Tail(t.Context(), TailFilter{}, func(json.RawMessage) bool { return true }) }()
		close((<-script.opened).lines)
		if err := <-ended; err == nil || err.Error() != "unavailable: the subscription to the gateway's events ended" {
			t.Errorf("Tail: %v", err)
		}
	})
	t.Run("with the server", func(t *testing.T) {
		script := newEvents()
		r := start(t, Config{Access: AccessOpen, Subscribe: script.subscribe})
		client := r.client(t)
		ended, first := make(chan error, 1), make(chan struct{})
		go func() {
			ended <- client.Tail(t.Context(), TailFilter{}, func(json.RawMessage) bool { close(first); return true })
		}()
		s := <-script.opened
		s.lines <- []byte(`{}`)
		<-first
		r.stop()
		if err := <-ended; err == nil || err.Error() != "unavailable: the gateway is stopping" {
			t.Errorf("Tail: %v", err)
		}
		<-s.ctx.Done()
	})
	t.Run("when it is refused", func(t *testing.T) {
		refuseAll := func(context.Context, TailFilter) (<-chan []byte, error) {
			return nil, gateway.Errorf(gateway.CodeUnavailable, "NATS is away")
		}
		client := start(t, Config{Access: AccessOpen, Subscribe: refuseAll}).client(t)
		err := client.Tail(t.Context(), TailFilter{}, func(json.RawMessage) bool { return true })
		if gateway.ErrorCode(err) != gateway.CodeUnavailable {
			t.Errorf("Tail: %v", err)
		}
	})
}

func TestTailsAreBounded(t *testing.T) {
	script := newEvents()
	r := start(t, Config{Access: AccessOpen, Subscribe: script.subscribe})
	var last subscription
	for range MaxTails {
		_, answers := rawGet(t, r.addr, "/v1/tail")
		last = <-script.opened
		if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "200 OK") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	status, body, _ := r.ask(t, "GET", "/v1/tail")
	if status != http.StatusTooManyRequests || message(t, body) != "16 tails are open already; end one of them" {
		t.Errorf("%d %s", status, body)
	}
	close(last.lines) // frees a place
	client, ended := r.client(t), make(chan error, 1)
	go func() {
		for {
			err := client.Tail(t.Context(), TailFilter{}, func(json.RawMessage) bool { return false })
			if gateway.ErrorCode(err) != gateway.CodeSlowClient { // 429: the place is not free yet
				ended <- err
				return
			}
		}
	}()
	(<-script.opened).lines <- []byte(`{}`)
	if err := <-ended; err != nil {
		t.Errorf("Tail: %v", err)
	}
}

// TestQuietTail runs the handler in virtual time: a reader that is gone is noticed by the heartbeat.
func TestQuietTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := newEvents()
		s, err := New(Config{Access: AccessOpen, Ready: ready, Subscribe: script.subscribe})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/tail", nil)
		recorder := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.handler().ServeHTTP(recorder, request)
		}()
		<-time.After(3*heartbeat + time.Second)
		cancel()
		<-done
		if got := recorder.Body.String(); got != "\n\n\n" {
			t.Errorf("body %q, want three empty lines", got)
		}
	})
}
