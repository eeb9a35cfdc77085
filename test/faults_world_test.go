package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/schemas/event"
)

// What the tests of faults and of the life cycle have in common: a client, a backend, a caller.

// user is a client with an open WebSocket. It belongs to the test's goroutine.
type user struct {
	t    *testing.T
	conn *websocket.Conn
}

// dial opens a WebSocket at host:port and path.
func dial(t *testing.T, address, path string) *user {
	t.Helper()
	u, status, err := tryDial(t, address, path)
	if err != nil {
		t.Fatalf("connect to %s: status %d, %v", path, status, err)
	}
	return u
}

// tryDial is dial for clients that may be refused: with the status of the refusal, or 0 without an answer.
func tryDial(t *testing.T, address, path string) (*user, int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, "ws://"+address+path, nil)
	status := 0
	if response != nil {
		status = response.StatusCode
	}
	if err != nil {
		return nil, status, err
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(-1)
	return &user{t, conn}, status, nil
}

func (u *user) say(text string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), patience)
	defer cancel()
	if err := u.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		u.t.Fatalf("say %s: %v", text, err)
	}
}

func (u *user) hear() string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), patience)
	defer cancel()
	_, text, err := u.conn.Read(ctx)
	if err != nil {
		u.t.Fatalf("hear: %v", err)
	}
	return string(text)
}

// hears fails unless the next message is want; ids in it stand as <id>.
func (u *user) hears(want string) {
	u.t.Helper()
	if got := steady(u.hear()); got != want {
		u.t.Errorf("the client heard %s\nwant             %s", got, want)
	}
}

// The error frames as steady shows them (contract/websocket-api.md §5).
const (
	frameInternal = `{"message": "Internal server error", "connectionId":"<id>", "requestId":"<id>"}`
	frameTimeout  = `{"message": "Endpoint request timed out", "connectionId":"<id>", "requestId":"<id>"}`
)

// closed reads to the end and returns the close frame; messages before it are dropped.
func (u *user) closed() websocket.CloseError {
	u.t.Helper()
	frame, _ := u.closedWithin(patience)
	return frame
}

// closedWithin is closed with a time limit and the number of messages before the close frame.
func (u *user) closedWithin(most time.Duration) (websocket.CloseError, int) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), most)
	defer cancel()
	for messages := 0; ; messages++ {
		_, _, err := u.conn.Read(ctx)
		var frame websocket.CloseError
		if errors.As(err, &frame) {
			return frame, messages
		}
		if err != nil {
			u.t.Fatalf("the connection ended without a close frame: %v", err)
		}
	}
}

// serveSubject makes a backend: answer gets each event on the subject, in order, and the channel all of them after it.
// The subscription is known to the server when serveSubject returns, and ends with its connection.
func serveSubject(t *testing.T, nc *nats.Conn, subject string, answer func(*nats.Msg)) <-chan *nats.Msg {
	t.Helper()
	events := make(chan *nats.Msg, eventBuffer)
	_, err := nc.QueueSubscribe(subject, "backend", func(m *nats.Msg) {
		if answer != nil {
			answer(m)
		}
		events <- m
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return events
}

// reply makes an answer of a backend: a body and header lines "Name: value".
func reply(body string, lines ...string) func(*nats.Msg) {
	return func(m *nats.Msg) { _ = m.RespondMsg(message(body, lines...)) } // the asker shows whether it came
}

func message(body string, lines ...string) *nats.Msg {
	m := &nats.Msg{Header: nats.Header{}, Data: []byte(body)}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		m.Header[name] = append(m.Header[name], value)
	}
	return m
}

// next waits for an event.
func next(t *testing.T, events <-chan *nats.Msg) (*nats.Msg, event.Context) {
	t.Helper()
	select {
	case m := <-events:
		c, err := event.Parse([]byte(m.Header.Get("Sallyport-Context")))
		if err != nil {
			t.Fatalf("the context of an event on %s: %v", m.Subject, err)
		}
		return m, c
	case <-time.After(2 * patience):
		t.Fatal("no event came")
	}
	return nil, event.Context{}
}

// connected waits for a $connect and gives the connection's id.
func connected(t *testing.T, events <-chan *nats.Msg) gateway.ConnectionID {
	t.Helper()
	m, c := next(t, events)
	if c.EventType != event.KindConnect {
		t.Fatalf("%s came where a $connect was due", m.Subject)
	}
	return c.ConnectionID
}

// call makes an HTTP request and returns its answer in one line: status, error type, body.
func call(t *testing.T, method, url, body string) string {
	t.Helper()
	answer, err := tryCall(t, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func tryCall(t *testing.T, method, url, body string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	answer := fmt.Sprintf("%d %s %s", response.StatusCode, response.Header.Get("X-Amzn-Errortype"), text)
	return strings.Join(strings.Fields(answer), " "), err
}

// headOf makes a GET and returns status line, headers and how long the body is, each on a line.
func headOf(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var b strings.Builder
	b.WriteString(response.Status + "\n")
	for name, values := range response.Header {
		b.WriteString(name + ": " + strings.Join(values, " | ") + "\n")
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "body %d bytes", len(body))
	return b.String()
}

// asServe changes the configuration of startGateway into one of production.
func asServe(c *app.Config) { c.Mode = app.ModeServe }

// callbackURL is the address of a connection at host:port.
func callbackURL(address, stage string, id gateway.ConnectionID) string {
	return "http://" + address + "/" + stage + "/@connections/" + strings.ReplaceAll(string(id), "=", "%3D")
}

// lookAgain is the pause between two looks at a state that nothing tells of.
const lookAgain = 20 * time.Millisecond

// eventually calls try until it returns nil. It is for states of the gateway that nothing tells of.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.After(2 * patience)
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// awaitCount waits until word has been printed so many times.
func (o *output) awaitCount(t *testing.T, word string, count int) {
	t.Helper()
	eventually(t, word, func() error {
		if n := strings.Count(o.String(), word); n < count {
			return fmt.Errorf("printed %d times, want %d; what was:\n%s", n, count, o)
		}
		return nil
	})
}

// find returns what the pattern's group matches in what was printed so far.
func (o *output) find(pattern string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(o.String()); m != nil {
		return m[1]
	}
	return ""
}
