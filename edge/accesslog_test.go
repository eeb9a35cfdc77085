package edge

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// lineLog keeps the lines of an access log.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) write(_ string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSuffix(string(line), "\n"))
}

// take returns the lines of messages that have come since, without the ids at their ends.
func (l *lineLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, line := range l.lines {
		if strings.HasPrefix(line, "MESSAGE ") {
			out = append(out, line[:strings.LastIndexByte(line, ' ')])
		}
	}
	l.lines = nil
	return out
}

func withAccessLog(format string) func(*gateway.API) {
	return func(a *gateway.API) { a.Stages["dev"].AccessLog = &gateway.AccessLogSettings{Format: format} }
}

// The line of a native one-way message waits for its failure, and is written once.
func TestLinesOfOneWayMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lineLog)
		w := newPipeWorld(t, chatAPI(withAccessLog("$context.eventType $context.routeKey $context.status $context.integrationLatency "+
			"$context.error.responseType $context.requestId")), func(c *Config) { c.AccessLog = log.write })
		defer w.end()
		c := w.connect()
		say := func() gateway.RequestID {
			t.Helper()
			c.say(`{"action":"say"}`)
			ev := w.sender.next(t, "say")
			if ev.Expect != gateway.ExpectNothing {
				t.Errorf("the log changes what is expected to %v", ev.Expect)
			}
			synctest.Wait()
			return ev.Request
		}
		wantLines := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if got := strings.Join(log.take(), "\n"); got != strings.Join(want, "\n") {
				t.Errorf("the log has %q, want %q", got, want)
			}
		}
		unavailable := gateway.Errorf(gateway.CodeUnavailable, "nobody serves the route")

		failed := say()
		elapse(200 * time.Millisecond)
		say()
		w.Failed(c.id, failed, unavailable)
		c.read()
		wantLines("MESSAGE say 504 200 INTEGRATION_FAILURE") // the other one still waits
		elapse(settleTime - time.Millisecond)
		wantLines()
		elapse(time.Millisecond)
		wantLines("MESSAGE say 200 - -")

		late := say()
		elapse(time.Minute)
		wantLines("MESSAGE say 200 - -")
		w.Failed(c.id, late, unavailable) // the client hears of it, and the log says so
		c.read()
		wantLines("MESSAGE - 504 - INTEGRATION_FAILURE")

		gone := say()
		_ = c.Close()
		w.wantDisconnect(c, 1006, reasonLost)
		w.Failed(c.id, gone, unavailable) // nobody is left to hear it but the log
		wantLines("MESSAGE say 504 0 INTEGRATION_FAILURE")
	})
}

// A stop writes what waits.
func TestWaitingLinesAreWrittenAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lineLog)
		w := newPipeWorld(t, chatAPI(withAccessLog("$context.eventType $context.status $context.requestId")),
			func(c *Config) { c.AccessLog = log.write })
		c := w.connect()
		c.say(`{"action":"say"}`)
		w.sender.next(t, "say")
		synctest.Wait()
		if got := log.take(); len(got) > 0 {
			t.Errorf("too early: %q", got)
		}
		_ = c.Close()
		w.end()
		if got := log.take(); len(got) != 1 || got[0] != "MESSAGE 200" {
			t.Errorf("the log has %q", got)
		}
	})
}

// A flood is written rather than kept.
func TestWaitingLinesAreBounded(t *testing.T) {
	log := new(lineLog)
	w := prepareWorld(t, chatAPI(withAccessLog("$context.eventType $context.requestId")), func(c *Config) { c.AccessLog = log.write })
	p := w.program("chat", "dev")
	for range maxUnsettled + 1 {
		w.unsettled.hold(p, &gateway.Event{Request: gateway.NewRequestID(), Context: []byte(`{"eventType":"MESSAGE"}`)}, time.Now())
	}
	if got := len(log.take()); got != 1 {
		t.Errorf("%d lines were written, want the one too many", got)
	}
}

// A refusal of the edge's own is told in the words that the client saw, and blames no integration.
func TestLineOfAnUnavailableEdge(t *testing.T) {
	log := new(lineLog)
	w := newWorld(t, chatAPI(withAccessLog("$context.eventType $context.status $context.error.message $context.error.responseType $context.requestId")),
		func(c *Config) { c.AccessLog = log.write })
	w.journal.mu.Lock()
	w.journal.refuse = gateway.Errorf(gateway.CodeUnavailable, "no store")
	w.journal.mu.Unlock()
	if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != http.StatusServiceUnavailable {
		t.Fatal(status)
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if len(log.lines) != 1 || !strings.HasPrefix(log.lines[0], "CONNECT 503 Service Unavailable DEFAULT_5XX ") {
		t.Errorf("the log has %q", log.lines)
	}
}
