package edge

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// The even rate holds at every moment, also with clients that have messages under way.
func TestDrainKeepsItsRate(t *testing.T) {
	const clients, busy, whole, tolerance = 200, 20, 10 * time.Second, 0.05
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(), func(c *Config) { c.DrainTimeout = whole })
		defer w.end()
		w.sender.hold("ask")
		start := time.Now()
		watch := func(c *client, told chan<- time.Duration) {
			c.wantClose(1001, "Going away")
			told <- time.Since(start)
			_ = c.Close()
		}
		ends, late := make(chan time.Duration, clients), make(chan time.Duration, busy)
		for range clients {
			go watch(w.connect(), ends)
		}
		for range busy {
			c := w.connect()
			c.say(`{"action":"ask"}`)
			w.sender.next(t, "ask")
			go watch(c, late)
		}
		if time.Since(start) != 0 {
			t.Fatal("the clients took time to come")
		}
		if err := w.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		var at []time.Duration
		for range clients {
			at = append(at, <-ends)
		}
		slices.Sort(at)
		for i, d := range at {
			even := float64(i) / clients
			if got := float64(d) / float64(whole); got < even-tolerance || got > even+tolerance {
				t.Errorf("client %d of %d is closed after %v, which is %.3f of the time", i, clients, d, got)
			}
		}
		for range busy { // what has no answer is given up with the last
			if d := <-late; d < whole+answerGrace || d > whole+answerGrace+minDrainPause {
				t.Errorf("a client without an answer is closed after %v", d)
			}
		}
	})
}

func TestTurns(t *testing.T) {
	for _, c := range []struct {
		n              int
		elapsed, whole time.Duration
		want           int
	}{
		{1, 0, time.Second, 1}, {10, 0, time.Second, 1}, {10, 99 * time.Millisecond, time.Second, 1}, {10, 100 * time.Millisecond, time.Second, 2},
		{10, 950 * time.Millisecond, time.Second, 10}, {10, 2 * time.Second, time.Second, 10}, {10, 0, 0, 10},
		{1_000_000, 30 * time.Minute, time.Hour, 500_001},
	} {
		if got := turns(c.n, c.elapsed, c.whole); got != c.want {
			t.Errorf("%d clients, %v of %v: %d turns, want %d", c.n, c.elapsed, c.whole, got, c.want)
		}
	}
}

// What a client sent before its close frame is answered before it: also what arrived while earlier messages waited, and a
// message of which only a part had arrived.
func TestDrainAnswersWhatHasArrived(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		w := newWorld(t, chatAPI(), func(c *Config) { c.DrainTimeout, c.DrainCode = time.Minute, DrainServiceRestart })
		testDrainAnswers(t, w, gateway.Close{Code: 1012, Reason: "Service restart"})
	})
	t.Run("TLS", func(t *testing.T) {
		w := newTLSWorld(t, chatAPI(), 0)
		w.cfg.DrainTimeout = time.Minute
		testDrainAnswers(t, w, gateway.Close{Code: 1001, Reason: "Going away"})
	})
}

func testDrainAnswers(t *testing.T, w *world, want gateway.Close) {
	w.sender.hold("ask")
	c := w.connect()
	c.say(`{"action":"ask","n":1}`)
	first := w.sender.next(t, "ask")
	drained := make(chan error, 1)
	go func() { drained <- w.Drain(t.Context()) }()
	k := w.hub.get(c.id)
	waitFor(t, "a socket that waits for its answers", k.isDeaf)
	second := textFrame(`{"action":"ask","n":2}`)
	c.send(second[:len(second)-1])
	w.sender.release(t, first.Request, &gateway.Reply{Body: []byte("one")}, nil)
	c.wantText("one")
	waitFor(t, "a part of a message", func() bool { return !k.isDeaf() })
	if err := w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte("pushed")}); err != nil {
		t.Errorf("a push before the close frame: %v", err)
	}
	c.wantText("pushed")
	c.send(second[len(second)-1:])
	ev := w.sender.next(t, "ask")
	if string(ev.Body) != `{"action":"ask","n":2}` {
		t.Errorf("body %s", ev.Body)
	}
	w.sender.release(t, ev.Request, &gateway.Reply{Body: []byte("two")}, nil)
	c.wantText("two")
	c.wantClose(want.Code, want.Reason)
	c.say(`{"action":"ask","n":3}`) // it can't be answered any more, so nobody gets it
	c.send(closeFrame(want.Code, ""))
	c.wantEnd()
	if err := <-drained; err != nil {
		t.Error(err)
	}
	w.wantDisconnect(c, want.Code, want.Reason)
	w.sender.none(t)
	if got := w.Inside(); got != (Inside{}) {
		t.Errorf("inside are %+v", got)
	}
	if err := w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte("late")}); gateway.ErrorCode(err) != gateway.CodeGone {
		t.Errorf("a push after the close frame: %v", err)
	}
}

// A client that never pauses is not waited for without end: each answer lets another message in, maxRounds times.
func TestDrainOfAClientThatNeverPauses(t *testing.T) {
	w := newWorld(t, chatAPI(), func(c *Config) { c.DrainTimeout = time.Minute })
	w.sender.hold("ask")
	c := w.connect()
	c.say(`{"action":"ask"}`)
	asked := w.sender.next(t, "ask")
	k := w.hub.get(c.id)
	go w.Drain(t.Context())
	for range maxRounds - 1 {
		waitFor(t, "a deaf socket", k.isDeaf)
		c.say(`{"action":"ask"}`)
		w.sender.release(t, asked.Request, &gateway.Reply{Body: []byte("ok")}, nil)
		c.wantText("ok")
		asked = w.sender.next(t, "ask")
	}
	waitFor(t, "a deaf socket", k.isDeaf)
	c.say(`{"action":"ask"}`)
	w.sender.release(t, asked.Request, &gateway.Reply{Body: []byte("ok")}, nil)
	c.wantText("ok")
	c.wantClose(1001, "Going away")
	w.wantDisconnect(c, 1001, "Going away")
	w.sender.none(t)
}

// While clients have their turns the door stays open for those who have not heard: they are answered, or sent away with a
// time to come back.
func TestDrainRefusesUpgradesOnly(t *testing.T) {
	w := newWorld(t, chatAPI(), func(c *Config) { c.DrainTimeout = time.Minute })
	a, b := w.connect(), w.connect()
	waitFor(t, "the end of both handshakes", func() bool { return w.Inside().Handshakes == 0 }) // else both might leave at once
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- w.Drain(ctx) }()
	here := func(c *client) bool { _, ok := w.Look(c.id); return ok }
	waitFor(t, "the first turn", func() bool { return here(a) != here(b) })
	closed, open := a, b
	if here(a) {
		closed, open = b, a
	}
	c, status, _ := w.knock(upgradeRequest("/chat/dev"))
	if status != http.StatusServiceUnavailable || !strings.Contains(c.head, "Retry-After: 1") {
		t.Errorf("an upgrade got %d\n%s", status, c.head)
	}
	post := func(c *client) int {
		d, status, _ := w.knock(fmt.Sprintf("POST /chat/dev/@connections/%s HTTP/1.1\r\nHost: test.local\r\nContent-Length: 2\r\n\r\nhi",
			strings.ReplaceAll(string(c.id), "=", "%3D")))
		d.wantEnd() // the next one of this backend looks for another edge
		return status
	}
	if status := post(open); status != http.StatusOK {
		t.Errorf("a callback to the open client got %d", status)
	}
	open.wantText("hi")
	if status := post(closed); status != http.StatusGone {
		t.Errorf("a callback to the closed client got %d", status)
	}
	cancel()
	open.wantClose(1001, "Going away")
	if err := <-drained; err == nil {
		t.Error("Drain does not say that its time was over")
	}
}

func (k *socket) isDeaf() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.deaf
}
