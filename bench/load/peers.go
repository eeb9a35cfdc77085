package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport/sallyport/bench/wire"
	"github.com/sallyport/sallyport/gateway"
)

// peer is one connection of the run: a WebSocket, or for Request an HTTP connection.
type peer struct {
	conn  *wire.Conn
	stage stage
	id    gateway.ConnectionID // where pushes go
	flights
}

type stage uint8

const (
	stageOpening stage = iota
	stageHello         // the hello is sent, and Ready is waited for
	stageID            // the id is asked for
	stageReady
	stageGone
)

// takes reports whether a message can be sent to p now.
func (p *peer) takes() bool { return p.stage == stageReady && p.conn.Open() }

// Opened is wire.Handler's.
func (w *Worker) Opened(c *wire.Conn) {
	if c.Index < 0 {
		w.callers.opened(c)
		return
	}
	now := w.loop.Now()
	w.opening--
	p := &w.peers[c.Index]
	w.tally.Opened++
	if w.job.Scenario != Connect || w.window.measured(now) {
		w.tally.Handshake.Record(now - c.Began)
	}
	p.stage = stageHello
	if w.job.Hello != "" {
		w.loop.Send(c, newTemplate(w.job.Hello, 0).render(nil, 0, w.number(c.Index)))
	}
	if w.job.Ready == "" {
		w.greeted(c, p)
	}
}

// greeted goes on after the hello.
func (w *Worker) greeted(c *wire.Conn, p *peer) {
	if w.job.IDMessage != "" && p.id == "" {
		p.stage = stageID
		w.loop.Send(c, []byte(w.job.IDMessage))
		return
	}
	p.stage = stageReady
	w.ready++
	if w.number(c.Index)%100 < w.job.Deaf {
		w.loop.Deafen(c)
	}
	w.scenario.became(c.Index)
}

// Message is wire.Handler's.
func (w *Worker) Message(c *wire.Conn, payload []byte) {
	p := &w.peers[c.Index]
	switch p.stage {
	case stageReady:
		w.scenario.message(c.Index, payload, w.loop.Now())
	case stageHello:
		if bytes.Contains(payload, []byte(w.job.Ready)) {
			w.greeted(c, p)
		}
	case stageID:
		var err error
		if p.id, err = readID(payload); err != nil {
			w.fatal = fmt.Errorf("the message %s of --id-message was answered with %.100q, where a connection id was expected: a route with $context.connectionId as its response is in bench/testdata/bench.yaml", w.job.IDMessage, payload)
			return
		}
		w.greeted(c, p)
	}
}

// progress is when the number of greeted connections last changed.
type progress struct {
	ready    int
	at       time.Duration
	patience time.Duration
}

// stuck says that all handshakes are done, and connections still wait for their greetings in vain.
func (w *Worker) stuck(now time.Duration) error {
	m := &w.moved
	if w.ready != m.ready || w.opening > 0 || w.opener.dialled < w.opener.want || w.opener.settled() {
		m.ready, m.at = w.ready, now
		return nil
	}
	if now-m.at < m.patience {
		return nil
	}
	for i := range w.peers {
		switch w.peers[i].stage {
		case stageHello:
			return fmt.Errorf("%s sent no message with the text %q of --ready within %s", w.url(i), w.job.Ready, m.patience)
		case stageID:
			return fmt.Errorf("%s did not answer the message %s of --id-message within %s", w.url(i), w.job.IDMessage, m.patience)
		}
	}
	return nil
}

// readID reads a connection id: the message itself, in quotes or not, or the member connectionId of an object.
func readID(payload []byte) (gateway.ConnectionID, error) {
	text := strings.Trim(string(payload), "\" \r\n\t")
	if strings.HasPrefix(text, "{") {
		var object struct {
			ConnectionID string `json:"connectionId"`
			Message      string `json:"message"` // of an error, which has a connection id too
		}
		if err := json.Unmarshal(payload, &object); err != nil || object.Message != "" {
			return "", errors.New("no id")
		}
		text = object.ConnectionID
	}
	return gateway.ParseConnectionID(text)
}

// replies counts the replies in one message.
func (w *Worker) replies(payload []byte) int {
	if w.job.Expect == "" {
		return 1
	}
	return bytes.Count(payload, []byte(w.job.Expect))
}

// Answered is wire.Handler's.
func (w *Worker) Answered(c *wire.Conn, status int) {
	if c.Index < 0 {
		w.callers.answered(c, status)
		return
	}
	now := w.loop.Now()
	if w.window.measured(now) {
		countStatus(&w.tally, status)
	}
	w.scenario.message(c.Index, nil, now)
}

// Pong is wire.Handler's.
func (w *Worker) Pong(c *wire.Conn) {
	if s, ok := w.scenario.(*idle); ok {
		s.pong(c.Index, w.loop.Now())
	}
}

// Closed is wire.Handler's.
func (w *Worker) Closed(c *wire.Conn, err error) {
	if c.Index < 0 {
		w.callers.closed(c, err)
		return
	}
	p := &w.peers[c.Index]
	if p.conn != c {
		return // a later one has its place
	}
	was := p.stage
	p.stage, p.conn = stageGone, nil
	if was == stageOpening {
		w.opening--
	}
	if w.phase == phaseEnding || err == nil {
		return
	}
	if was == stageOpening {
		w.opener.fail(err, c.Index)
		return
	}
	if was == stageReady && w.phase != phaseOpening && w.job.Scenario == Request && errors.Is(err, wire.ErrClosed) {
		w.reopen(c.Index) // HTTP servers may close a connection after any answer
		return
	}
	w.tally.Lost++
	count(&w.tally.Losses, cause(err))
	if was == stageReady {
		w.scenario.lost(c.Index)
	} else {
		w.lostEarly++
	}
}

// reopen dials again in a place.
func (w *Worker) reopen(index int) {
	w.scenario.lost(index)
	w.ready--
	if err := w.opener.dial(index); err != nil {
		w.opener.fail(err, index)
	}
}

func countStatus(t *Tally, status int) { count(&t.Statuses, fmt.Sprintf("%d", status)) }
