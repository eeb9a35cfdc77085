package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// Three edges on one NATS are restarted one after the other, while clients that reconnect elsewhere ask and backends push.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	definition := write(t, t.TempDir(), "chat.yaml", natsChat+"stages: {dev: {}}\n")
	start := func(i int, listen string) *gatewayProcess {
		return startProcess(t, "dev", definition, "--nats", c.url(), "--node", fmt.Sprintf("edge-%d", i), "--listen", listen,
			"--drain-timeout", "500ms", "--data", filepath.Join(t.TempDir(), "unused"))
	}
	var edges []*gatewayProcess
	var addresses []string
	for i := range 3 {
		edges = append(edges, start(i, "127.0.0.1:0"))
		addresses = append(addresses, edges[i].Data)
	}
	w := newRovers(t, addresses)
	w.backend(natsOf(t, c.url()))
	w.run()
	for i, p := range edges {
		w.awaitAnswers() // from all clients, wherever they are
		if i == 0 {
			p.terminate()
		} else {
			drainByCommand(t, p)
		}
		if code := p.exit(patience); code != 0 {
			t.Errorf("edge %d ended with %d", i, code)
		}
		w.awaitAnswers() // without that edge
		edges[i] = start(i, addresses[i])
	}
	w.awaitAnswers()
	w.stop()
	w.judge()
}

// drainByCommand runs sallyport drain, which makes the process unready before it says its first line.
func drainByCommand(t *testing.T, p *gatewayProcess) {
	t.Helper()
	command := runProcess(t, "drain", "--admin", "http://"+p.Admin)
	command.output.await(t, "clients open")
	if got, err := tryCall(t, "GET", "http://"+p.Admin+"/readyz", ""); err == nil && !strings.HasPrefix(got, "503") {
		t.Errorf("an edge that drains is ready: %s", got)
	}
	if code := command.exit(patience); code != 0 || !strings.Contains(command.output.String(), ": drained\n") {
		t.Errorf("sallyport drain ended with %d and said\n%s", code, command.output)
	}
}

// roverMessage is what clients ask and hear: an answer carries the number of its message, a push that of the push.
type roverMessage struct {
	Action string `json:"action,omitempty"`
	Number int64  `json:"number,omitempty"`
	Push   int64  `json:"push,omitempty"`
}

// backendDelay keeps messages under way while edges end.
const backendDelay = 20 * time.Millisecond

// backend answers each message after a moment, and knows who is connected.
func (w *rovers) backend(nc *nats.Conn) {
	w.t.Helper()
	_, err := nc.QueueSubscribe("sallyport.chat.dev.ws.*", "backend", func(m *nats.Msg) {
		c, err := event.Parse([]byte(m.Header.Get("Sallyport-Context")))
		if err != nil {
			w.t.Error(err)
			return
		}
		switch c.EventType {
		case event.KindConnect:
			w.note(func() { w.connected[c.ConnectionID] = true })
			_ = m.Respond(nil) // the client shows whether it came
		case event.KindDisconnect:
			w.note(func() { delete(w.connected, c.ConnectionID) })
			_ = m.Respond(nil) // a repeat would change nothing
		default:
			var asked roverMessage
			if err := json.Unmarshal(m.Data, &asked); err != nil {
				w.t.Error(err)
				return
			}
			w.note(func() { w.handled[asked.Number]++ })
			time.AfterFunc(backendDelay, func() {
				body, _ := json.Marshal(roverMessage{Number: asked.Number}) // two numbers
				_ = m.Respond(body)                                         // the client shows whether it came
			})
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// judge holds what everybody saw together.
func (w *rovers) judge() {
	w.mu.Lock()
	defer w.mu.Unlock()
	moves, pushes, gone := 0, 0, 0
	for _, r := range w.all {
		moves += r.moves
		for n := range r.unanswered {
			if times := w.handled[n]; times > 0 {
				w.t.Errorf("message %d was handled %d times, and its client was closed without an answer", n, times)
			}
		}
		for n := range r.answered {
			if times := w.handled[n]; times != 1 {
				w.t.Errorf("message %d has an answer and was handled %d times", n, times)
			}
		}
	}
	for n, status := range w.pushed {
		switch arrived := w.arrived[n]; {
		case status == http.StatusOK && arrived == 1:
			pushes++
		case status == http.StatusGone && arrived == 0:
			gone++
		default:
			w.t.Errorf("push %d got %d and arrived %d times", n, status, arrived)
		}
	}
	if moves == 0 || pushes == 0 {
		w.t.Errorf("%d moves and %d pushes: nothing was tested", moves, pushes)
	}
	w.t.Logf("%d moves, %d messages, %d pushes, %d of them too late", moves, len(w.handled), pushes+gone, gone)
}

// someone returns a connection that the backend believes to be there.
func (w *rovers) someone() (id gateway.ConnectionID, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.connected { // in no order
		return id, true
	}
	return "", false
}
