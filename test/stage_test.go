package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"
)

// stage is where a transcript plays: a gateway, named clients, and a NATS backend that keeps the events it gets.
//
// The commands:
//
//	connect NAME PATH [Header: value; …]   opens a WebSocket; prints the status, and the body of a refusal
//	send NAME TEXT                         sends a text frame; sendbinary NAME HEX a binary one
//	recv NAME                              waits for a frame or for the end, and prints it
//	close NAME [CODE REASON]               closes from the client's side
//	backend SUBJECT REPLY                  subscribes below the prefix in a queue group; answers each event with REPLY:
//	                                       a JSON object {status, headers, body}, or - for no answer
//	event                                  waits for the next event that the backend got, and prints it
//	context NAME…                          prints members of the last event's context
//	http METHOD PATH [BODY]                prints status, some headers and body of an answer
//	post NAME TEXT / get NAME / delete NAME   callbacks over HTTP
//	push SUBJECT TEXT                      publishes on NATS below the prefix; {NAME} stands for a connection's id
//	request SUBJECT TEXT                   the same as a request; prints Sallyport-Status and body
type stage struct {
	t       *testing.T
	gateway *stageGateway
	clients map[string]*client
	ids     map[string]string
	events  chan *nats.Msg
	last    *nats.Msg
	waiting string // the client whose id is not known yet: the next event with a connection id is its
}

type client struct {
	conn *websocket.Conn
}

// eventBuffer is more events than any transcript makes before it looks at them.
const eventBuffer = 100

func newEvents() chan *nats.Msg { return make(chan *nats.Msg, eventBuffer) }

func newStage(t *testing.T, definitions map[string]string) *stage {
	backend := httpBackend(t)
	for name, text := range definitions {
		definitions[name] = strings.ReplaceAll(text, "{backend}", backend)
	}
	return &stage{t: t, gateway: startGateway(t, definitions, nil), clients: map[string]*client{}, ids: map[string]string{}, events: newEvents()}
}

func (s *stage) run(line string) (string, error) {
	verb, rest, _ := strings.Cut(line, " ")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch verb {
	case "connect":
		return s.connect(ctx, rest)
	case "send", "sendbinary":
		return s.send(ctx, verb, rest)
	case "recv":
		return s.recv(ctx, rest)
	case "close":
		return s.close(rest)
	case "backend":
		return s.backend(rest)
	case "event":
		return s.event(ctx)
	case "context":
		return s.context(strings.Fields(rest))
	case "http":
		return s.http(ctx, rest)
	case "post", "get", "delete":
		return s.callback(ctx, strings.ToUpper(verb), rest)
	case "push", "request":
		return s.push(verb, rest)
	}
	return "", fmt.Errorf("unknown command %q", verb)
}

func (s *stage) connect(ctx context.Context, rest string) (string, error) {
	w, err := words(rest+" ", 3)
	if err != nil {
		return "", err
	}
	name, path := w[0], w[1]
	header := http.Header{}
	for pair := range strings.SplitSeq(w[2], ";") {
		if k, v, ok := strings.Cut(pair, ":"); ok {
			header.Set(strings.TrimSpace(k), strings.TrimSpace(v))
		}
	}
	options := &websocket.DialOptions{HTTPHeader: header}
	if p := header.Get("Sec-WebSocket-Protocol"); p != "" {
		header.Del("Sec-WebSocket-Protocol")
		options.Subprotocols = strings.Split(p, ",")
	}
	conn, response, err := websocket.Dial(ctx, "ws://"+s.gateway.Data+path, options)
	if response == nil {
		return "", err
	}
	if err != nil {
		body, _ := io.ReadAll(response.Body)
		return strings.TrimSpace(fmt.Sprintf("%d %s", response.StatusCode, body)), nil
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	s.clients[name] = &client{conn: conn}
	s.waiting = name
	out := strconv.Itoa(response.StatusCode)
	if p := conn.Subprotocol(); p != "" {
		out += " Sec-WebSocket-Protocol: " + p
	}
	return out, nil
}

func (s *stage) send(ctx context.Context, verb, rest string) (string, error) {
	w, err := words(rest, 2)
	if err != nil {
		return "", err
	}
	c := s.clients[w[0]]
	if c == nil {
		return "", fmt.Errorf("no client %q", w[0])
	}
	kind, data := websocket.MessageText, []byte(w[1])
	if verb == "sendbinary" {
		kind = websocket.MessageBinary
		if _, err := fmt.Sscanf(w[1], "%x", &data); err != nil {
			return "", err
		}
	}
	return "", c.conn.Write(ctx, kind, data)
}

func (s *stage) recv(ctx context.Context, name string) (string, error) {
	c := s.clients[name]
	if c == nil {
		return "", fmt.Errorf("no client %q", name)
	}
	kind, data, err := c.conn.Read(ctx)
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return strings.TrimSpace(fmt.Sprintf("closed %d %s", closed.Code, closed.Reason)), nil
	case err != nil:
		return "", err
	case kind == websocket.MessageBinary:
		return fmt.Sprintf("binary %x", data), nil
	}
	return "text " + string(data), nil
}

func (s *stage) close(rest string) (string, error) {
	w := strings.SplitN(rest, " ", 3)
	c := s.clients[w[0]]
	if c == nil {
		return "", fmt.Errorf("no client %q", w[0])
	}
	code, reason := websocket.StatusNoStatusRcvd, ""
	if len(w) > 1 {
		n, err := strconv.Atoi(w[1])
		if err != nil {
			return "", err
		}
		code = websocket.StatusCode(n)
	}
	if len(w) > 2 {
		reason = w[2]
	}
	return "", c.conn.Close(code, reason)
}

// answer is what a backend of a transcript replies.
type answer struct {
	Status  int                 `json:"status"`
	Headers map[string]string   `json:"headers"`
	Error   string              `json:"error"`
	Body    json.RawMessage     `json:"body"` // a JSON string is its text, anything else itself
	Multi   map[string][]string `json:"multiValueHeaders"`
}

func (s *stage) backend(rest string) (string, error) {
	w, err := words(rest, 2)
	if err != nil {
		return "", err
	}
	var reply *answer
	if w[1] != "-" {
		reply = &answer{}
		if err := json.Unmarshal([]byte(w[1]), reply); err != nil {
			return "", err
		}
	}
	_, err = s.gateway.nats.QueueSubscribe("sallyport."+w[0], "backend", func(m *nats.Msg) {
		s.events <- m
		if reply == nil {
			return
		}
		if err := m.RespondMsg(reply.message(m.Reply)); err != nil {
			s.t.Errorf("backend: %v", err)
		}
	})
	if err != nil {
		return "", err
	}
	return "", s.gateway.nats.Flush()
}

func (a *answer) message(subject string) *nats.Msg {
	m := nats.NewMsg(subject)
	if a.Status != 0 {
		m.Header.Set("Sallyport-Status", strconv.Itoa(a.Status))
	}
	if a.Error != "" {
		m.Header.Set("Sallyport-Error", a.Error)
	}
	for k, v := range a.Headers {
		m.Header[k] = []string{v}
	}
	for k, v := range a.Multi {
		m.Header[k] = v
	}
	m.Data = a.Body
	var text string
	if json.Unmarshal(a.Body, &text) == nil {
		m.Data = []byte(text)
	}
	return m
}

func (s *stage) event(ctx context.Context) (string, error) {
	select {
	case s.last = <-s.events:
	case <-ctx.Done():
		return "", errors.New("no event came")
	}
	var context struct {
		ConnectionID string `json:"connectionId"`
	}
	if err := json.Unmarshal([]byte(s.last.Header.Get("Sallyport-Context")), &context); err == nil && s.waiting != "" && context.ConnectionID != "" {
		s.ids[s.waiting], s.waiting = context.ConnectionID, ""
	}
	out := s.last.Subject
	var names []string
	for name := range s.last.Header {
		if !slices.Contains([]string{"Sallyport-Context", "Sec-Websocket-Key", "Sec-WebSocket-Key", "User-Agent", "X-Amzn-Trace-Id", "X-Forwarded-Port", "Accept-Encoding"}, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		out += "\n" + name + ": " + strings.Join(s.last.Header[name], " | ")
	}
	if len(s.last.Data) > 0 {
		out += "\n" + string(s.last.Data)
	}
	return out, nil
}

func (s *stage) context(names []string) (string, error) {
	if s.last == nil {
		return "", errors.New("no event yet")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s.last.Header.Get("Sallyport-Context")), &members); err != nil {
		return "", err
	}
	if len(names) == 0 {
		for name := range members {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	var out strings.Builder
	for _, name := range names {
		fmt.Fprintf(&out, "%q:%s\n", name, members[name])
	}
	return out.String(), nil
}

func (s *stage) http(ctx context.Context, rest string) (string, error) {
	w, err := words(rest+"  ", 3)
	if err != nil {
		return "", err
	}
	return s.exchange(ctx, w[0], "http://"+s.gateway.Data+w[1], strings.TrimSpace(w[2]))
}

func (s *stage) callback(ctx context.Context, method, rest string) (string, error) {
	name, body, _ := strings.Cut(rest, " ")
	id, ok := s.ids[name]
	if !ok {
		id = name // a made-up id
	}
	stagePath := "/chat/dev" // the API of every transcript with callbacks
	return s.exchange(ctx, method, "http://"+s.gateway.Data+stagePath+"/@connections/"+strings.ReplaceAll(id, "=", "%3D"), body)
}

func (s *stage) exchange(ctx context.Context, method, url, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if body != "" {
		request.Header.Set("Content-Type", "text/plain")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	out := strconv.Itoa(response.StatusCode)
	for _, name := range []string{"Content-Type", "X-Amzn-Errortype", "X-Test", "Set-Cookie"} {
		for _, v := range response.Header.Values(name) {
			out += "\n" + name + ": " + v
		}
	}
	if len(data) > 0 {
		out += "\n" + string(data)
	}
	return out, nil
}

func (s *stage) push(verb, rest string) (string, error) {
	w, err := words(rest, 2)
	if err != nil {
		return "", err
	}
	subject := "sallyport." + w[0]
	for name, id := range s.ids {
		subject = strings.ReplaceAll(subject, "{"+name+"}", id)
	}
	if verb == "push" {
		return "", s.gateway.nats.Publish(subject, []byte(w[1]))
	}
	reply, err := s.gateway.nats.Request(subject, []byte(w[1]), 2*time.Second)
	if err != nil {
		return "", err
	}
	out := reply.Header.Get("Sallyport-Status")
	if len(reply.Data) > 0 {
		out += "\n" + string(reply.Data)
	}
	return out, nil
}
