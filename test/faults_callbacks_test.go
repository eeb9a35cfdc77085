package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// smallChat takes messages of 1,000 bytes at most.
const smallChat = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
limits: {maxMessageBytes: 1000, sendQueueBytes: 65536, slowClientSeconds: 1}
routes:
  $connect: {integration: {type: NATS}}
  $disconnect: {integration: {type: NATS}}
  ask: {integration: {type: NATS}, routeResponse: true}
`

// command asks a connection's owner by NATS and returns status and body, or that nobody is there.
func command(t *testing.T, nc *nats.Conn, subject, body string) string {
	t.Helper()
	answer, err := nc.Request("sallyport."+subject, []byte(body), patience)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(answer.Header.Get("Sallyport-Status") + " " + string(answer.Data))
}

// Each fault of a callback has its status (contract/websocket-api.md §9.2), and the connection that it was aimed at, or
// was not, goes on.
func TestFaultyCallbacks(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": smallChat, "other.yaml": strings.Replace(smallChat, "name: chat", "name: other", 1)}, nil)
	events := serveSubject(t, g.nats, "sallyport.*.dev.ws.*", reply("answer"))
	u := dial(t, g.Data, "/chat/dev")
	alice := connected(t, events)
	stranger := dial(t, g.Data, "/other/dev")
	other := connected(t, events)
	leaver := dial(t, g.Data, "/chat/dev")
	gone := connected(t, events)
	_ = leaver.conn.CloseNow()
	next(t, events) // its $disconnect

	nobodys := gateway.NewConnectionID("0000") // no edge has that name
	long := strings.Repeat("x", 1001)
	for _, address := range []string{g.Data, g.Admin} {
		for _, test := range []struct {
			name, stage string
			id          gateway.ConnectionID
			body, want  string
		}{
			{"a malformed id", "chat/dev", "undefined", "hello", `400 BadRequestException {"message":"Invalid connectionId: undefined"}`},
			{"an id with more behind it", "chat/dev", alice + "x", "hello", fmt.Sprintf(`400 BadRequestException {"message":"Invalid connectionId: %sx"}`, alice)},
			{"an id of the old kind", "chat/dev", "2f1c9a5e-6c0b-4a53-a4a0-0d7e3c1b9f11", "hello", `400 BadRequestException {"message":"Invalid connectionId: 2f1c9a5e-6c0b-4a53-a4a0-0d7e3c1b9f11"}`},
			{"another API's connection", "chat/dev", other, "hello", "410 GoneException"},
			{"a connection by another API", "other/dev", alice, "hello", "410 GoneException"},
			{"one that has left", "chat/dev", gone, "hello", "410 GoneException"},
			{"one that never was, of this edge", "chat/dev", gateway.NewConnectionID(alice.Edge()), "hello", "410 GoneException"},
			{"one that never was, of no edge", "chat/dev", nobodys, "hello", "410 GoneException"},
			{"an unknown API", "nobody/dev", alice, "hello", `403 ForbiddenException {"message":"Forbidden"}`},
			{"an unknown stage", "chat/prod", alice, "hello", `403 ForbiddenException {"message":"Forbidden"}`},
			{"too long", "chat/dev", alice, long, `413 PayloadTooLargeException {"message":"Request Entity Too Large"}`},
			{"far too long", "chat/dev", alice, strings.Repeat("x", 9<<20), `413 PayloadTooLargeException {"message":"Request Entity Too Large"}`},
			{"not text", "chat/dev", alice, "\xff\xfe", `400 BadRequestException {"message":"The message is not UTF-8 text; send the header Sallyport-Opcode: binary for a binary frame"}`},
		} {
			if got, err := tryCall(t, "POST", callbackURL(address, test.stage, test.id), test.body); got != test.want {
				t.Errorf("%s: %s, %v\nwant %s", test.name, got, err, test.want)
			}
		}
		for _, method := range []string{"GET", "DELETE"} {
			for id, want := range map[gateway.ConnectionID]string{
				"undefined": `400 BadRequestException {"message":"Invalid connectionId: undefined"}`, other: "410 GoneException", gone: "410 GoneException", nobodys: "410 GoneException",
			} {
				if got := call(t, method, callbackURL(address, "chat/dev", id), ""); got != want {
					t.Errorf("%s %s: %s, want %s", method, id, got, want)
				}
			}
		}
		// A stage alone is enough of an address, and the owner's limit holds.
		if got := call(t, "POST", callbackURL(address, "dev", alice), long); !strings.HasPrefix(got, "413 PayloadTooLargeException") {
			t.Errorf("too long, by the stage alone: %s", got)
		}
	}

	malformed := alice[:4] + "-but-no-id"
	for _, test := range []struct{ name, subject, body, want string }{
		{"a malformed id", "chat.dev.@connections.undefined", "hello", nats.ErrNoResponders.Error()},
		{"a malformed id that begins as one", "chat.dev.@connections." + string(malformed), "hello", "400 Invalid connectionId: " + string(malformed)},
		{"another API's connection", "chat.dev.@connections." + string(other), "hello", "410 the connection is gone"},
		{"one that has left", "chat.dev.@connections." + string(gone), "hello", "410 the connection is gone"},
		{"one of no edge", "chat.dev.@connections." + string(nobodys), "hello", nats.ErrNoResponders.Error()},
		{"too long", "chat.dev.@connections." + string(alice), long, "413 the message is longer than 1000 bytes"},
		{"far too long", "chat.dev.@connections." + string(alice), strings.Repeat("x", 9<<20), "413 the message is longer than 1000 bytes"},
		{"a look at one that has left", "chat.dev.@connections." + string(gone) + ".get", "", "410 the connection is gone"},
		{"an end of another API's", "chat.dev.@connections." + string(other) + ".delete", "", "410 the connection is gone"},
	} {
		if got := command(t, g.nats, test.subject, test.body); got != test.want {
			t.Errorf("by NATS, %s: %s\nwant %s", test.name, got, test.want)
		}
	}

	// None of that reached a client.
	for _, user := range []*user{u, stranger} {
		user.say(`{"action":"ask"}`)
		user.hears("answer")
	}
	if got := call(t, "POST", callbackURL(g.Data, "chat/dev", alice), strings.Repeat("x", 1000)); got != "200" {
		t.Errorf("a message of the greatest length: %s", got)
	}
	u.hears(strings.Repeat("x", 1000))
}

// Who pushes to a client that does not read hears 429 once the queue is full, by HTTP and by NATS, and nothing of those
// messages is delivered. The client is closed with 1008 when that lasts.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": strings.Replace(smallChat, "maxMessageBytes: 1000, sendQueueBytes: 65536", "maxMessageBytes: 1000000, sendQueueBytes: 1000000", 1)}, nil)
	events := serveSubject(t, g.nats, "sallyport.chat.dev.ws.*", reply("answer"))
	lazy := dial(t, g.Data, "/chat/dev") // it reads when hear or closed is called, no sooner
	id := connected(t, events)
	witness := dial(t, g.Data, "/chat/dev")
	connected(t, events)

	const most = 500 // of half a megabyte each: more than any kernel holds for one connection
	body := strings.Repeat("x", 500_000)
	accepted := 0
	for got := ""; !strings.HasPrefix(got, "429"); accepted++ {
		if accepted == most {
			t.Fatalf("%d messages were taken for a client that does not read", most)
		}
		if got = call(t, "POST", callbackURL(g.Data, "chat/dev", id), body); got != "200" && got != "429 LimitExceededException" {
			t.Fatalf("a push got %s", got)
		}
	}
	accepted-- // the last one was refused
	full := time.Now()
	if got := command(t, g.nats, "chat.dev.@connections."+string(id), body); !strings.HasPrefix(got, "429 ") {
		t.Errorf("by NATS: %s", got)
	}
	witness.say(`{"action":"ask"}`)
	witness.hears("answer")
	next(t, events)

	_, c := next(t, events)
	if took := time.Since(full); c.ConnectionID != id || c.DisconnectStatusCode != 1008 || took < 500*time.Millisecond {
		t.Errorf("after %s the backend heard of %s: %d %v", took, c.ConnectionID, c.DisconnectStatusCode, deref(c.DisconnectReason))
	}
	frame, heard := lazy.closedWithin(patience)
	if frame.Code != 1008 || frame.Reason != "Client reads too slowly" {
		t.Errorf("the client was closed with %v", frame)
	}
	if heard > accepted {
		t.Errorf("the client heard %d messages, %d were taken", heard, accepted)
	}
	if got := call(t, "POST", callbackURL(g.Data, "chat/dev", id), "hello"); got != "410 GoneException" {
		t.Errorf("after the end a push got %s", got)
	}
}

func deref(s *string) string {
	if s == nil {
		return "no reason"
	}
	return *s
}

// Without a root key serve refuses every HTTP callback and management call, as unsigned, on both listeners, and says so
// once in the log; callbacks by NATS work.
func TestServeWithoutKeysTakesCallbacksByNATSAlone(t *testing.T) {
	t.Parallel()
	g := startGateway(t, map[string]string{"chat.yaml": strings.Replace(smallChat, "limits:", "stages: {prod: {}}\nlimits:", 1)}, asServe)
	events := serveSubject(t, g.nats, "sallyport.chat.prod.ws.*", reply("answer"))
	u := dial(t, g.Data, "/chat/prod")
	id := connected(t, events)
	for _, address := range []string{g.Data, g.Admin} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := call(t, method, callbackURL(address, "chat/prod", id), "hello")
			if !strings.HasPrefix(got, "403 MissingAuthenticationTokenException") {
				t.Errorf("%s at %s: %s", method, address, got)
			}
		}
		// Whether an id exists is nobody's business either.
		if got := call(t, "GET", callbackURL(address, "chat/prod", "undefined"), ""); !strings.HasPrefix(got, "403") {
			t.Errorf("a malformed id at %s: %s", address, got)
		}
	}
	if got := call(t, "GET", "http://"+g.Admin+"/v1/connections", ""); !strings.HasPrefix(got, "403 MissingAuthenticationTokenException") {
		t.Errorf("a management call: %s", got)
	}
	if n := strings.Count(g.output.String(), "no root access key"); n != 1 {
		t.Errorf("the log names the missing root key %d times", n)
	}

	subject := "chat.prod.@connections." + string(id)
	if got := command(t, g.nats, subject, "by NATS"); got != "200" {
		t.Errorf("a push by NATS: %s", got)
	}
	u.hears("by NATS")
	var status struct {
		Identity struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
	}
	if got := command(t, g.nats, subject+".get", ""); json.Unmarshal([]byte(strings.TrimPrefix(got, "200 ")), &status) != nil || status.Identity.SourceIP != "127.0.0.1" {
		t.Errorf("a look by NATS: %s", got)
	}
	if got := command(t, g.nats, subject+".delete", ""); got != "204" {
		t.Errorf("an end by NATS: %s", got)
	}
	if frame := u.closed(); frame.Code != 1000 {
		t.Errorf("the client was closed with %v", frame)
	}
	if _, c := next(t, events); c.ConnectionID != id || c.DisconnectStatusCode != 1000 {
		t.Errorf("the backend heard of %s: %d", c.ConnectionID, c.DisconnectStatusCode)
	}
}
