package test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// A process that was killed with open connections: the next one with the same --data and --node takes over what it left,
// tells the backend of each connection once, with 1006, and serves.
func TestRestartAfterACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"--data", filepath.Join(dir, "data"), write(t, dir, "chat.yaml", natsChat)}
	first := startProcess(t, "dev", args...)
	events := serveSubject(t, natsOf(t, first.NATS), "sallyport.chat.dev.ws.*", reply("answer"))
	leaver := dial(t, first.Data, "/chat/dev")
	left := connected(t, events)
	_ = leaver.conn.CloseNow()
	next(t, events) // its $disconnect
	first.output.await(t, "$disconnect         "+string(left))
	// That the backend has answered is noted a moment later; many handshakes later it is recorded for certain.
	const clients = 20
	open := map[gateway.ConnectionID]bool{}
	for range clients {
		dial(t, first.Data, "/chat/dev")
		open[connected(t, events)] = true
	}
	first.kill()

	second := startProcess(t, "dev", args...)
	nc := natsOf(t, second.NATS)
	events = serveSubject(t, nc, "sallyport.chat.dev.ws.*", reply("answer"))
	for range len(open) {
		_, c := next(t, events)
		switch {
		case c.EventType != "DISCONNECT" || c.DisconnectStatusCode != 1006:
			t.Errorf("the backend got %s with %d", c.EventType, c.DisconnectStatusCode)
		case c.ConnectionID == left:
			t.Error("a connection that had ended before the crash was told again")
		case !open[c.ConnectionID]:
			t.Errorf("%s was told twice, or never was", c.ConnectionID)
		}
		delete(open, c.ConnectionID)
	}
	second.output.await(t, "took over a former edge")
	if n := strings.Count(second.output.String(), "took over a former edge"); n != 1 {
		t.Errorf("%d edges were taken over, one was left", n)
	}

	// It serves, under another name, and the connections of the former life are gone.
	u := dial(t, second.Data, "/chat/dev")
	id := connected(t, events)
	if id.Edge() == left.Edge() {
		t.Errorf("the new incarnation has the old one's name, %s", id.Edge())
	}
	if got := call(t, "POST", callbackURL(second.Data, "chat/dev", left), "hello"); got != "410 GoneException" {
		t.Errorf("a push to a connection of the former life got %s", got)
	}
	u.say(`{"action":"ask"}`)
	u.hears("answer")
	second.kill()

	// A third life finds what the second left, and nothing of the first.
	third := startProcess(t, "dev", args...)
	events = serveSubject(t, natsOf(t, third.NATS), "sallyport.chat.dev.ws.*", reply("answer"))
	if _, c := next(t, events); c.EventType != "DISCONNECT" || c.ConnectionID != id || c.DisconnectStatusCode != 1006 {
		t.Errorf("the backend heard of %s: %s %d", c.ConnectionID, c.EventType, c.DisconnectStatusCode)
	}
	third.output.await(t, "took over a former edge")
	u = dial(t, third.Data, "/chat/dev")
	id = connected(t, events)
	third.terminate()
	u.closed()
	if code := third.exit(stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, c := next(t, events); c.ConnectionID != id || c.DisconnectStatusCode != 1001 {
		t.Errorf("the backend heard of %s: %d", c.ConnectionID, c.DisconnectStatusCode)
	}
	if n := strings.Count(third.output.String(), "took over a former edge"); n != 1 || len(events) > 0 {
		t.Errorf("the third process took over %d edges, one was left; %d events too many came", n, len(events))
	}
}

// A crash in the middle of the take-over: the third process tells what the second one did not, and each connection with
// the request id that it had before, so that a backend can tell a repeat.
func TestCrashDuringATakeOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"--data", filepath.Join(dir, "data"), write(t, dir, "chat.yaml", natsChat)}
	first := startProcess(t, "dev", args...)
	events := serveSubject(t, natsOf(t, first.NATS), "sallyport.chat.dev.ws.$connect", reply(""))
	open := map[gateway.ConnectionID]bool{}
	for range 3 {
		dial(t, first.Data, "/chat/dev")
		open[connected(t, events)] = true
	}
	first.kill()

	second := startProcess(t, "dev", args...)
	silent := serveSubject(t, natsOf(t, second.NATS), "sallyport.chat.dev.ws.$disconnect", nil) // unsettled for half a second
	requests := map[gateway.ConnectionID]gateway.RequestID{}
	for range len(open) {
		_, c := next(t, silent)
		requests[c.ConnectionID] = c.RequestID
	}
	second.kill()

	third := startProcess(t, "dev", args...)
	events = serveSubject(t, natsOf(t, third.NATS), "sallyport.chat.dev.ws.$disconnect", reply(""))
	for range len(open) {
		_, c := next(t, events)
		if !open[c.ConnectionID] || c.RequestID != requests[c.ConnectionID] || c.DisconnectStatusCode != 1006 {
			t.Errorf("the backend heard of %s: %d in request %s, before in %s", c.ConnectionID, c.DisconnectStatusCode, c.RequestID, requests[c.ConnectionID])
		}
		delete(open, c.ConnectionID)
	}
	third.output.await(t, "took over a former edge")
}

// A stop without a backend can't deliver $disconnect: it ends in time all the same, and the next start delivers them.
func TestStopWithoutABackend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"--data", filepath.Join(dir, "data"), write(t, dir, "chat.yaml", natsChat)}
	first := startProcess(t, "dev", args...)
	nc := natsOf(t, first.NATS)
	events := serveSubject(t, nc, "sallyport.chat.dev.ws.$connect", reply(""))
	u := dial(t, first.Data, "/chat/dev")
	id := connected(t, events)
	first.terminate()
	if frame := u.closed(); frame.Code != 1001 {
		t.Errorf("the client was closed with %v", frame)
	}
	if code := first.exit(stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}

	second := startProcess(t, "dev", args...)
	events = serveSubject(t, natsOf(t, second.NATS), "sallyport.chat.dev.ws.$disconnect", reply(""))
	if _, c := next(t, events); c.ConnectionID != id || c.DisconnectStatusCode != 1006 {
		t.Errorf("the backend heard of %s: %d", c.ConnectionID, c.DisconnectStatusCode)
	}
	second.output.await(t, "took over a former edge")
	if len(events) > 0 {
		t.Error("the connection was told twice")
	}
}
