package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/schemas/event"
)

// durableShop has each form of atLeastOnce routes. Its backend subscribes to the routes' subjects.
const durableShop = `
name: shop
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  order: {delivery: atLeastOnce, acknowledge: true, retry: {maxAttempts: 100, backoffSeconds: 1}, integration: {type: NATS}}
  ask: {delivery: atLeastOnce, routeResponse: true, retry: {maxAttempts: 2}, integration: {type: NATS}}
  note: {delivery: atLeastOnce, acknowledge: true, retry: {maxAttempts: 2, backoffSeconds: 1}, integration: {type: NATS}}
  plain: {routeResponse: true, integration: {type: NATS}}
`

// slowAck is how long it may take until a message is given to another worker or tried again.
const slowAck = 45 * time.Second

// startShop starts a process that serves durableShop with the state in dir.
func startShop(t *testing.T, dir string, args ...string) *gatewayProcess {
	t.Helper()
	return startProcess(t, "dev", append([]string{"--data", filepath.Join(dir, "data"), write(t, dir, "shop.yaml", durableShop)}, args...)...)
}

// stored hears the frame by which a message is acknowledged and returns its message id.
func (u *user) stored() string {
	u.t.Helper()
	var frame struct{ MessageID, ConnectionID, RequestID string }
	text := u.hear()
	if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.MessageID == "" || frame.ConnectionID == "" || frame.RequestID == "" {
		u.t.Fatalf("the client heard %s where an acknowledgement was due", text)
	}
	return frame.MessageID
}

// nextWithin is next for what takes longer.
func nextWithin(t *testing.T, events <-chan *nats.Msg, most time.Duration) (*nats.Msg, event.Context) {
	t.Helper()
	select {
	case m := <-events:
		c, err := event.Parse([]byte(m.Header.Get("Sallyport-Context")))
		if err != nil {
			t.Fatalf("the context of an event on %s: %v", m.Subject, err)
		}
		return m, c
	case <-time.After(most):
		t.Fatalf("no event came in %s", most)
	}
	return nil, event.Context{}
}

// runVerb runs a verb of the command against a gateway and returns what it printed.
func runVerb(t *testing.T, p *gatewayProcess, args ...string) string {
	t.Helper()
	cmd := exec.Command(sallyport.path(t), append(args, "--admin", "http://"+p.Admin)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String()
}

// While the backend is away, a message is stored and acknowledged; when it comes, it gets the message. A backend that refuses
// gets it again, with the same id and a count.
func TestDurableWaitsForItsBackend(t *testing.T) {
	t.Parallel()
	p := startShop(t, t.TempDir())
	u := dial(t, p.Data, "/shop/dev")
	u.say(`{"action":"order","n":1}`)
	id := u.stored()

	nc := natsOf(t, p.NATS)
	answers := make(chan func(*nats.Msg), 2)
	answers <- reply("later", "Sallyport-Status: 503")
	answers <- reply("")
	events := serveSubject(t, nc, "sallyport.shop.dev.ws.order", func(m *nats.Msg) { (<-answers)(m) })
	first := 0
	for n := range 2 {
		m, c := nextWithin(t, events, slowAck)
		if string(m.Data) != `{"action":"order","n":1}` || string(c.MessageID) != id || m.Header.Get("Sallyport-Attempt") != fmt.Sprint(c.DeliveryAttempt) {
			t.Errorf("the backend got %s as message %s, attempt %s; the client was told %s", m.Data, c.MessageID, m.Header.Get("Sallyport-Attempt"), id)
		}
		if n == 0 {
			first = c.DeliveryAttempt
		} else if c.DeliveryAttempt != first+1 {
			t.Errorf("after attempt %d came %d", first, c.DeliveryAttempt)
		}
	}
	// What does not want to be stored is as it was.
	serveSubject(t, nc, "sallyport.shop.dev.ws.plain", reply("plainly"))
	u.say(`{"action":"plain"}`)
	u.hears("plainly")
	if len(events) > 0 {
		t.Error("a message that was taken came again")
	}
	// A two-way route answers when its backend does, also after a failure.
	answers <- reply("", "Sallyport-Error: unavailable")
	answers <- reply("the answer")
	serveSubject(t, nc, "sallyport.shop.dev.ws.ask", func(m *nats.Msg) { (<-answers)(m) })
	u.say(`{"action":"ask"}`)
	u.hears("the answer")
}

// What was acknowledged survives the end of everything: of the gateway, its workers and its NATS, in the middle of an attempt.
func TestDurableSurvivesACrash(t *testing.T) {
	if testing.Short() {
		t.Skip("a message is given to another worker after 20 s")
	}
	t.Parallel()
	dir := t.TempDir()
	first := startShop(t, dir)
	nc := natsOf(t, first.NATS)
	events := serveSubject(t, nc, "sallyport.shop.dev.ws.order", nil) // takes and never answers
	u := dial(t, first.Data, "/shop/dev")
	want := map[string]bool{}
	const messages = 50
	for range messages {
		u.say(`{"action":"order"}`)
		want[u.stored()] = true
	}
	for range 20 { // attempts are under way when the process dies
		next(t, events)
	}
	first.kill()

	second := startShop(t, dir)
	events = serveSubject(t, natsOf(t, second.NATS), "sallyport.shop.dev.ws.order", reply(""))
	for range messages {
		_, c := nextWithin(t, events, slowAck)
		id := string(c.MessageID)
		if !want[id] {
			t.Errorf("%s was never acknowledged, or came twice", id)
		}
		delete(want, id)
	}
}

// A worker that is killed in the middle of a message leaves it to another one.
func TestDurableWorkerIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("a message is given to another worker after 20 s")
	}
	t.Parallel()
	dir := t.TempDir()
	edge := startShop(t, dir, "--roles", "edge")
	nc := natsOf(t, edge.NATS)
	events := serveSubject(t, nc, "sallyport.shop.dev.ws.note", nil)
	worker := func(name string) *gatewayProcess {
		p := runProcess(t, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats", edge.NATS, "--roles", "worker", "--node", name,
			write(t, t.TempDir(), "shop.yaml", durableShop+"stages: {dev: {}}\n"))
		p.output.await(t, "/readyz")
		return p
	}
	one := worker("one")
	u := dial(t, edge.Data, "/shop/dev")
	u.say(`{"action":"note"}`)
	id := u.stored()
	if _, c := next(t, events); string(c.MessageID) != id || c.DeliveryAttempt != 1 {
		t.Fatalf("the backend got attempt %d of %s, the client was told %s", c.DeliveryAttempt, c.MessageID, id)
	}
	one.kill()
	worker("two")
	m, c := nextWithin(t, events, slowAck)
	if string(c.MessageID) != id || c.DeliveryAttempt != 2 {
		t.Errorf("the other worker sent attempt %d of %s", c.DeliveryAttempt, c.MessageID)
	}
	if err := m.Respond(nil); err != nil {
		t.Fatal(err)
	}
	if out := runVerb(t, edge, "dead-letters", "ls", "--json"); out != "" {
		t.Errorf("there are dead letters: %s", out)
	}
}

// A message that no attempt gets through is a dead letter: the client hears the error frame, and the command lists, shows,
// replays and removes it.
func TestDurableDeadLetters(t *testing.T) {
	t.Parallel()
	p := startShop(t, t.TempDir())
	u := dial(t, p.Data, "/shop/dev")
	var cured atomic.Bool
	events := serveSubject(t, natsOf(t, p.NATS), "sallyport.shop.dev.ws.note", func(m *nats.Msg) {
		switch {
		case cured.Load():
			_ = m.Respond(nil)
		case strings.Contains(string(m.Data), "refuse"):
			_ = m.RespondMsg(message("not such a note", "Sallyport-Error: bad_request"))
		default:
			_ = m.RespondMsg(message("", "Sallyport-Status: 500"))
		}
	})
	u.say(`{"action":"note","text":"poison <1>"}`)
	id := u.stored()
	for attempt := 1; attempt <= 2; attempt++ {
		if _, c := next(t, events); c.DeliveryAttempt != attempt {
			t.Errorf("attempt %d came where %d was due", c.DeliveryAttempt, attempt)
		}
	}
	u.hears(frameInternal)
	u.say(`{"action":"note","text":"refuse"}`)
	u.stored()
	next(t, events)
	u.hears(`{"message": "Bad request body", "connectionId":"<id>", "requestId":"<id>", "messageId":"<id>"}`)

	type letter struct {
		ID                                                  uint64
		API, Stage, RouteKey, MessageID, Code, Reason, Body string
		Attempts                                            int
		Context                                             event.Context
	}
	list := func(args ...string) (letters []letter) {
		t.Helper()
		for line := range strings.Lines(runVerb(t, p, append([]string{"dead-letters", "ls", "--json"}, args...)...)) {
			var l letter
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			letters = append(letters, l)
		}
		return letters
	}
	letters := list("--api", "shop")
	if len(letters) != 2 {
		t.Fatalf("the dead letters are %+v", letters)
	}
	poison, refused := letters[0], letters[1]
	if poison.API != "shop" || poison.Stage != "dev" || poison.RouteKey != "note" || poison.MessageID != id || poison.Code != "integration_failed" || poison.Attempts != 2 ||
		poison.Reason != "the backend answered with status 500" {
		t.Errorf("the poison is %+v", poison)
	}
	if refused.Code != "bad_request" || refused.Attempts != 1 || refused.Reason != "not such a note" {
		t.Errorf("the refused one is %+v", refused)
	}
	if others := list("--route", "order"); len(others) > 0 {
		t.Errorf("another route has %+v", others)
	}
	table := runVerb(t, p, "dead-letters", "ls")
	if !strings.Contains(table, id) || !strings.HasPrefix(table, "ID ") || strings.Count(table, "\n") != 3 {
		t.Errorf("the table is\n%s", table)
	}
	var shown letter
	if err := json.Unmarshal([]byte(runVerb(t, p, "dead-letters", "show", fmt.Sprint(poison.ID))), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Body != `{"action":"note","text":"poison <1>"}` || string(shown.Context.MessageID) != id || shown.Context.RouteKey != "note" {
		t.Errorf("shown was %+v", shown)
	}

	cured.Store(true)
	if out := runVerb(t, p, "dead-letters", "replay", fmt.Sprint(poison.ID)); out != fmt.Sprintf("replayed %d\n", poison.ID) {
		t.Errorf("replay printed %q", out)
	}
	m, c := next(t, events)
	if string(m.Data) != shown.Body || string(c.MessageID) != id || c.DeliveryAttempt != 1 {
		t.Errorf("replayed was attempt %d of %s: %s", c.DeliveryAttempt, c.MessageID, m.Data)
	}
	runVerb(t, p, "dead-letters", "rm", "--all", "--api", "shop")
	if left := list(); len(left) > 0 {
		t.Errorf("left are %+v", left)
	}
	metrics := call(t, "GET", "http://"+p.Admin+"/metrics", "")
	for _, series := range []string{
		`sallyport_durable_stored_total{sallyport_api="shop",sallyport_route="note",sallyport_stage="dev"} 2`,
		`sallyport_durable_redelivered_total{sallyport_api="shop",sallyport_route="note",sallyport_stage="dev"} 1`,
		`sallyport_durable_dead_lettered_total{sallyport_api="shop",sallyport_route="note",sallyport_stage="dev"} 2`,
		`sallyport_durable_waiting{sallyport_api="shop",sallyport_route="order",sallyport_stage="dev"} 0`,
	} {
		if !strings.Contains(metrics, series) {
			t.Errorf("the metrics lack %s", series)
		}
	}
}

// A full store refuses, and says so: no message that is not stored is acknowledged, none that was is lost.
func TestDurableStoreIsFull(t *testing.T) {
	t.Parallel()
	p := startShop(t, t.TempDir(), "--durable-max-bytes", "65536")
	u := dial(t, p.Data, "/shop/dev")
	padding := strings.Repeat("x", 15<<10)
	acknowledged := map[string]bool{}
	refused := 0
	for range 6 {
		u.say(`{"action":"order","padding":"` + padding + `"}`)
		text := u.hear()
		var frame struct{ MessageID, Message string }
		if err := json.Unmarshal([]byte(text), &frame); err != nil {
			t.Fatal(err)
		}
		switch {
		case steady(text) == frameInternal:
			refused++
		case frame.MessageID != "":
			acknowledged[frame.MessageID] = true
		default:
			t.Errorf("the client heard %s", text)
		}
	}
	if refused == 0 || len(acknowledged) == 0 {
		t.Errorf("%d were acknowledged, %d refused", len(acknowledged), refused)
	}
	events := serveSubject(t, natsOf(t, p.NATS), "sallyport.shop.dev.ws.order", reply(""))
	for range len(acknowledged) {
		_, c := nextWithin(t, events, slowAck)
		if !acknowledged[string(c.MessageID)] {
			t.Errorf("%s was not acknowledged, or came twice", c.MessageID)
		}
		delete(acknowledged, string(c.MessageID))
	}
	u.say(`{"action":"order"}`) // there is room again
	u.stored()
}
