package test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The backends of these definitions misbehave; timeoutInMillis is there so that nobody waits long for those that are silent.
const faultyBackends = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  slow: {integration: {type: NATS, timeoutInMillis: 300}, routeResponse: true}
  elsewhere: {integration: {type: NATS, subject: backend.slow, timeoutInMillis: 300}, routeResponse: true}
  ask: {integration: {type: NATS}, routeResponse: true}
  tell: {integration: {type: NATS}}
`

const faultyWeb = `name: web
protocolType: HTTP
routes:
  GET /slow: {integration: {type: NATS, timeoutInMillis: 300}}
  GET /ask: {integration: {type: NATS}}
`

// faultyStart is a gateway with both definitions, and a client.
func faultyStart(t *testing.T) (*stageGateway, *user) {
	t.Helper()
	g := startGateway(t, map[string]string{"chat.yaml": faultyBackends, "web.yaml": faultyWeb}, nil)
	return g, dial(t, g.Data, "/chat/dev")
}

// A backend that answers nothing: the time limit ends the wait, and the connection goes on.
func TestBackendThatAnswersNothing(t *testing.T) {
	t.Parallel()
	g, u := faultyStart(t)
	silent := serveSubject(t, g.nats, "sallyport.*.dev.*.slow", nil)
	serveSubject(t, g.nats, "backend.slow", nil)
	serveSubject(t, g.nats, "sallyport.web.dev.http.GET.slow", nil)
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply("answer"))
	for _, message := range []string{`{"action":"slow"}`, `{"action":"elsewhere"}`} {
		began := time.Now()
		u.say(message)
		u.hears(frameTimeout)
		if took := time.Since(began); took < 300*time.Millisecond || took > patience/2 {
			t.Errorf("%s: the time limit of 300 ms was over after %s", message, took)
		}
		u.say(`{"action":"ask"}`)
		u.hears("answer")
	}
	next(t, silent) // it did get the message
	if got := call(t, "GET", "http://"+g.Data+"/web/dev/slow", ""); got != `503 {"message":"Service Unavailable"}` {
		t.Errorf("the request got %s", got)
	}
}

// A $connect that nobody answers in time refuses the handshake.
func TestConnectThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": strings.Replace(quietChat, "routes:\n", "routes:\n  $connect: {integration: {type: NATS, timeoutInMillis: 200}}\n", 1)}, nil)
	if _, status, err := tryDial(t, g.Data, "/chat/dev"); err == nil || status != 504 {
		t.Errorf("without a backend: status %d, %v; want 504", status, err)
	}
	silent := serveSubject(t, g.nats, "sallyport.chat.dev.ws.$connect", nil)
	if _, status, err := tryDial(t, g.Data, "/chat/dev"); err == nil || status != 504 {
		t.Errorf("with a silent backend: status %d, %v; want 504", status, err)
	}
	id := connected(t, silent)
	// The connection that did not come to be is gone for its backend too.
	if got := call(t, "POST", callbackURL(g.Data, "chat/dev", id), "hello"); !strings.HasPrefix(got, "410") {
		t.Errorf("a callback to the refused connection got %s", got)
	}
}

// A backend that answers after the time limit: its answer is dropped, and the next message gets its own.
func TestBackendThatAnswersLate(t *testing.T) {
	t.Parallel()
	g, u := faultyStart(t)
	slow := serveSubject(t, g.nats, "sallyport.chat.dev.ws.slow", nil)
	slowRequests := serveSubject(t, g.nats, "sallyport.web.dev.http.GET.slow", nil)
	serveSubject(t, g.nats, "sallyport.*.dev.*.ask", reply("in time"))
	serveSubject(t, g.nats, "sallyport.web.dev.http.GET.ask", reply("in time"))
	for range 3 {
		u.say(`{"action":"slow"}`)
		held, _ := next(t, slow)
		u.hears(frameTimeout)
		reply("too late")(held) // on the backend's own connection, so before the answer to what follows
		u.say(`{"action":"ask"}`)
		u.hears("in time")

		if got := call(t, "GET", "http://"+g.Data+"/web/dev/slow", ""); got != `503 {"message":"Service Unavailable"}` {
			t.Errorf("the request got %s", got)
		}
		held, _ = next(t, slowRequests)
		reply("too late")(held)
		if got := call(t, "GET", "http://"+g.Data+"/web/dev/ask", ""); got != "200 in time" {
			t.Errorf("the next request got %s", got)
		}
	}
}

// A backend that answers twice, and one that answers what asked for nothing: the first answer counts, the rest is dropped.
func TestBackendThatAnswersTwice(t *testing.T) {
	t.Parallel()
	g, u := faultyStart(t)
	twice := func(m *nats.Msg) {
		reply("first to " + string(m.Data))(m)
		reply("second to " + string(m.Data))(m)
	}
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", twice)
	serveSubject(t, g.nats, "sallyport.web.dev.http.GET.ask", twice)
	told := serveSubject(t, g.nats, "sallyport.chat.dev.ws.tell", twice)
	for _, n := range []string{"1", "2", "3"} {
		message := `{"action":"ask","n":` + n + `}`
		u.say(message)
		u.hears("first to " + message)
		u.say(`{"action":"tell"}`)
		next(t, told)
		if got := call(t, "GET", "http://"+g.Data+"/web/dev/ask", ""); got != "200 first to" {
			t.Errorf("the request got %q", got)
		}
	}
}

// What a backend writes into the gateway's own headers is checked, and what acts on NATS goes no further.
func TestBackendWithJunkHeaders(t *testing.T) {
	t.Parallel()
	g, u := faultyStart(t)
	answers := make(chan func(*nats.Msg), 1)
	next := func(m *nats.Msg) { (<-answers)(m) }
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", next)
	serveSubject(t, g.nats, "sallyport.web.dev.http.GET.ask", next)
	const serverError = `500 {"message":"Internal Server Error"}`
	for _, test := range []struct {
		name    string
		body    string
		headers []string
		frame   string
		http    string
	}{
		{"a status that is no number", "body", []string{"Sallyport-Status: abc"}, frameInternal, serverError},
		{"a status of four digits", "body", []string{"Sallyport-Status: 2000"}, frameInternal, serverError},
		{"a negative status", "body", []string{"Sallyport-Status: -1"}, frameInternal, serverError},
		{"an empty status", "body", []string{"Sallyport-Status: "}, "body", "200 body"},
		{"an interim status", "body", []string{"Sallyport-Status: 101"}, frameInternal, serverError},
		{"an error of no code", "the secret reason", []string{"Sallyport-Error: nonsense"}, frameInternal, serverError},
		{"an error and a status", "the secret reason", []string{"Sallyport-Error: timeout", "Sallyport-Status: 200"}, frameTimeout, `503 {"message":"Service Unavailable"}`},
		{"what NATS itself would say", "body", []string{"Status: 503", "Description: No Responders"}, "body", "200 body"},
		{"reserved headers", "body", []string{"Sallyport-Status: 200", "Sallyport-Context: {}", "sallyport-anything: x", "Nats-Expected-Stream: x", "nats-msg-id: 1"}, "body", "200 body"},
		{"an unknown opcode", "body", []string{"Sallyport-Opcode: morse"}, "body", "200 body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers <- reply(test.body, test.headers...)
			u.t = t
			u.say(`{"action":"ask"}`)
			u.hears(test.frame)
			answers <- reply(test.body, test.headers...)
			if got := call(t, "GET", "http://"+g.Data+"/web/dev/ask", ""); got != test.http {
				t.Errorf("the request got %s, want %s", got, test.http)
			}
		})
	}
	answers <- reply("body", "Sallyport-Status: 200", "Sallyport-Context: {}", "Status: 503", "Description: x", "Nats-Msg-Id: 1", "X-Kept: yes",
		"Content-Length: 1", "Transfer-Encoding: chunked", "Connection: close")
	head := headOf(t, "http://"+g.Data+"/web/dev/ask")
	for _, reserved := range []string{"sallyport-", "nats-", "description:", "status: 503"} {
		if strings.Contains(strings.ToLower(head), reserved) {
			t.Errorf("the client got a reserved header, %s:\n%s", reserved, head)
		}
	}
	if !strings.Contains(head, "X-Kept: yes\n") || !strings.Contains(head, "body 4 bytes") {
		t.Errorf("what the backend said is damaged:\n%s", head)
	}
}

// A body that looks like a stream's acknowledgement is an answer like any other, and the log says what is probably wrong.
func TestBackendThatAnswersLikeAStream(t *testing.T) {
	t.Parallel()
	const warning = "a JetStream stream captures event subjects and answers in the backends' place"
	g, u := faultyStart(t)
	serveSubject(t, g.nats, "sallyport.chat.dev.ws.ask", reply(`{"stream":"ORDERS","seq":17}`))
	u.say(`{"action":"ask"}`)
	u.hears(`{"stream":"ORDERS","seq":17}`)
	g.output.await(t, warning)
	u.say(`{"action":"ask"}`)
	u.hears(`{"stream":"ORDERS","seq":17}`)
	if n := strings.Count(g.output.String(), warning); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}

// A real stream that captures a route's subject answers in the backend's place: the client hears it, and the log says why.
func TestStreamThatCapturesEvents(t *testing.T) {
	t.Parallel()
	g, u := faultyStart(t)
	js, err := jetstream.New(g.nats)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "GREEDY", Subjects: []string{"sallyport.chat.dev.ws.ask"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	u.say(`{"action":"ask"}`)
	if got := u.hear(); !strings.HasPrefix(got, `{"stream":"GREEDY"`) {
		t.Errorf("the client heard %s", got)
	}
	g.output.await(t, "take the gateway's event subjects out of the stream")
}
