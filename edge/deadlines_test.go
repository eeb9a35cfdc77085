package edge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/sallyport/sallyport/gateway"
)

// soon is when something due at want may happen: never early, at most a second late.
func soon(t *testing.T, what string, took, want time.Duration) {
	t.Helper()
	if took < want || took > want+time.Second {
		t.Errorf("%s after %v, want %v", what, took, want)
	}
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) { l.Profile = gateway.ProfileAWS })))
		defer w.end()
		c := w.connect()
		elapse(9*time.Minute + 700*time.Millisecond)
		c.say(`{"action":"say"}`) // a message in,
		w.sender.next(t, "say")
		elapse(9 * time.Minute)
		if err := w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte("out")}); err != nil { // a message out
			t.Fatal(err)
		}
		c.wantText("out")
		elapse(9 * time.Minute)
		c.send(ping("")) // and a ping count as activity.
		c.read()
		start := time.Now()
		c.wantClose(1001, "Going away")
		soon(t, "closed", time.Since(start), 10*time.Minute)
		w.wantDisconnect(c, 1001, "Going away")
		// The client does not answer the close frame: cut.
		start = time.Now()
		c.wantEnd()
		soon(t, "cut", time.Since(start), closeTimeout)
	})
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) { l.MaxConnectionSeconds = ptr(7200) })))
		defer w.end()
		start := time.Now()
		c := w.connect()
		quiet := make(chan struct{})
		go func() { // pongs keep the heartbeat quiet
			defer close(quiet)
			for range 200 {
				elapse(50 * time.Second)
				if _, err := c.Write(ping("")); err != nil {
					return
				}
			}
		}()
		for {
			h, b := c.read()
			if h.OpCode == ws.OpPong {
				continue
			}
			if h.OpCode != ws.OpClose || string(b[2:]) != "Going away" {
				t.Fatalf("%v %q", h, b)
			}
			break
		}
		soon(t, "closed", time.Since(start), 2*time.Hour)
		w.wantDisconnect(c, 1001, "Going away")
		_ = c.Close()
		<-quiet
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI())
		defer w.end()
		c := w.connect()
		start := time.Now()
		for range 3 {
			if h, _ := c.read(); h.OpCode != ws.OpPing {
				t.Fatal(h)
			}
			soon(t, "pinged", time.Since(start), 60*time.Second)
			elapse(19 * time.Second)
			c.send(frame(ws.Header{Fin: true, OpCode: ws.OpPong}, nil))
			start = time.Now()
		}
		if h, _ := c.read(); h.OpCode != ws.OpPing {
			t.Fatal(h)
		}
		start = time.Now()
		c.wantEnd() // no pong: cut without a close frame
		soon(t, "given up", time.Since(start), 20*time.Second)
		w.wantDisconnect(c, 1006, reasonNoPong)
	})
}

// While messages wait for their replies the socket is not read, and silence is not the client's.
func TestClocksStandStillWhileNotReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(func(a *gateway.API) { a.MaxInFlight = 1 }, withLimits(func(l *gateway.LimitSettings) {
			l.IdleTimeoutSeconds = ptr(90)
		})))
		defer w.end()
		w.sender.hold("ask")
		c := w.connect()
		c.say(`{"action":"ask"}`)
		ev := w.sender.next(t, "ask")
		go c.say(`{"action":"say"}`) // waits in front of the closed gate
		elapse(time.Hour)
		if !w.hub.get(c.id).isPaused() {
			t.Error("the socket is read")
		}
		w.sender.release(t, ev.Request, &gateway.Reply{Body: []byte("late")}, nil)
		c.wantText("late")
		w.sender.next(t, "say")
		_ = c.Close()
		w.wantDisconnect(c, 1006, reasonLost)
	})
}

func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		w := newPipeWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) {
			l.MaxMessageBytes, l.SendQueueBytes, l.SlowClientSeconds = ptr(1024), ptr(1024), ptr(10)
			l.PingIntervalSeconds = ptr(0)
		})), func(c *Config) { c.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)) })
		defer w.end()
		c := w.connect()
		post := func() error {
			return w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte(strings.Repeat("x", 300))})
		}
		fill := func() {
			synctest.Wait() // nothing is in the queue
			for i := range 3 {
				if err := post(); err != nil {
					t.Fatal(i, err)
				}
			}
			synctest.Wait() // the first is under way, the queue has three
			if err := post(); gateway.ErrorCode(err) != gateway.CodeSlowClient {
				t.Fatalf("into a full queue: %v", err)
			}
		}
		fill()
		// Reading on in time keeps the client, and nothing of the refused one was delivered.
		elapse(9 * time.Second)
		for range 3 {
			c.wantText(strings.Repeat("x", 300))
		}
		elapse(time.Minute)
		fill()
		start := time.Now()
		elapse(11 * time.Second)
		w.wantDisconnect(c, 1008, reasonSlow)
		if err := post(); gateway.ErrorCode(err) != gateway.CodeGone {
			t.Errorf("after the end: %v", err)
		}
		c.wantText(strings.Repeat("x", 300)) // was under way
		c.wantClose(1008, reasonSlow)
		soon(t, "closed", time.Since(start), 10*time.Second)
		_ = c.Close()
		synctest.Wait()
		series := measured(t, reader)
		for _, want := range []string{
			"sallyport.callbacks [{call}] error.type=slow_client,sallyport.api=chat,sallyport.callback.method=POST,sallyport.stage=dev: 2",
			"sallyport.disconnects [{connection}] sallyport.api=chat,sallyport.disconnect.cause=slow,sallyport.stage=dev: 1",
			"sallyport.send_queue.full [{occurrence}] sallyport.api=chat,sallyport.stage=dev: 2",
		} {
			if !slices.Contains(series, want) {
				t.Errorf("%s is not among\n%s", want, strings.Join(series, "\n"))
			}
		}
	})
}

// A client that sends without reading its answers is not read either, and closed as slow.
func TestSlowReaderOfItsOwnAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(withDefault, withLimits(func(l *gateway.LimitSettings) {
			l.MaxMessageBytes, l.SendQueueBytes = ptr(1024), ptr(1024)
			l.SlowClientSeconds, l.PingIntervalSeconds = ptr(10), ptr(0)
		})))
		defer w.end()
		w.sender.on(gateway.RouteDefault, func(ev *gateway.Event) (*gateway.Reply, error) { return &gateway.Reply{Body: ev.Body}, nil })
		c := w.connect()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range 100 {
				if _, err := c.Write(textFrame(strings.Repeat("y", 100))); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		w.sender.next(t, gateway.RouteDefault)
		elapse(time.Second)
		k := w.hub.get(c.id)
		if !k.isPaused() || k.queuedBytes() > 1200 {
			t.Errorf("paused %v with %d bytes", k.isPaused(), k.queuedBytes())
		}
		elapse(15 * time.Second)
		taken := 1
		var closed time.Duration
		for len(w.sender.events) > 0 {
			ev := <-w.sender.events
			if ev.Route == gateway.RouteDefault {
				taken++
				continue
			}
			got := contextOf(t, ev)
			if got.DisconnectStatusCode != 1008 {
				t.Errorf("context %s", ev.Context)
			}
			closed = time.UnixMilli(got.RequestTimeEpoch).Sub(start)
		}
		soon(t, "closed", closed, 10*time.Second)
		_ = c.Close()
		<-sent
		if taken > 12 { // 1,024 bytes of answers of 102, and one
			t.Errorf("%d messages were taken", taken)
		}
	})
}

func (k *socket) queuedBytes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.out == nil {
		return 0
	}
	return k.out.bytes
}

// A message that is larger than the queue passes, and while it is written the queue takes what it holds behind it.
func TestQueueBehindALargeMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) {
			l.SendQueueBytes, l.PingIntervalSeconds = ptr(1024), ptr(0)
		})))
		defer w.end()
		c := w.connect()
		synctest.Wait()
		post := func(size int) error {
			return w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte(strings.Repeat("x", size))})
		}
		if err := post(100_000); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := post(500); err != nil {
				t.Error(err)
			}
		}
		if err := post(500); gateway.ErrorCode(err) != gateway.CodeSlowClient {
			t.Errorf("into a full queue: %v", err)
		}
		for _, size := range []int{100_000, 500, 500} {
			c.wantText(strings.Repeat("x", size))
		}
		_ = c.Close()
		w.wantDisconnect(c, 1006, reasonLost)
	})
}

// Shorter limits of a new deployment reach sockets that are open.
func TestNewLimitsReachOpenSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) { l.PingIntervalSeconds = ptr(0) })))
		defer w.end()
		c := w.connect()
		elapse(5 * time.Minute)
		w.swap(chatAPI(withLimits(func(l *gateway.LimitSettings) { l.PingIntervalSeconds, l.IdleTimeoutSeconds = ptr(0), ptr(400) })))
		c.wantClose(1001, "Going away")
		_ = c.Close()
		w.wantDisconnect(c, 1001, "Going away")
	})
}

func TestDisconnectIsRepeated(t *testing.T) {
	for _, test := range []struct {
		name     string
		failures int
		err      error
		attempts int
	}{
		{"until somebody serves it", 3, gateway.Errorf(gateway.CodeUnavailable, "nobody"), 4},
		{"for ten seconds", 1000, gateway.Errorf(gateway.CodeUnavailable, "nobody"), 7},
		{"not when it failed", 1000, gateway.Errorf(gateway.CodeIntegration, "boom"), 1},
		{"not when nobody answered", 1000, gateway.Errorf(gateway.CodeTimeout, "silence"), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPipeWorld(t, chatAPI())
				defer w.end()
				left := test.failures
				w.sender.on(gateway.RouteDisconnect, func(*gateway.Event) (*gateway.Reply, error) {
					if left > 0 {
						left--
						return nil, test.err
					}
					return &gateway.Reply{}, nil
				})
				c := w.connect()
				_ = c.Close()
				start := time.Now()
				var requests []string
				for range test.attempts {
					requests = append(requests, fmt.Sprint(w.sender.next(t, gateway.RouteDisconnect).Request))
				}
				w.journal.waitClosed(t, 1)
				if took := time.Since(start); took > disconnectRetry {
					t.Errorf("settled after %v", took)
				}
				elapse(time.Minute)
				w.sender.none(t)
				for _, r := range requests {
					if r != string(disconnectRequestID(c.id)) {
						t.Errorf("request ids %q", requests)
					}
				}
			})
		})
	}
}

func TestConnectThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI())
		defer w.end()
		w.sender.hold(gateway.RouteConnect) // a Sender that forgets us
		start := time.Now()
		_, status, _ := w.knock(upgradeRequest("/chat/dev"))
		if status != 504 || time.Since(start) != 29*time.Second+connectGrace {
			t.Errorf("%d after %v", status, time.Since(start))
		}
		w.journal.waitClosed(t, 1)
	})
}

func TestJournalThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI())
		defer w.end()
		w.journal.hold = make(chan struct{})
		start := time.Now()
		if _, status, _ := w.knock(upgradeRequest("/chat/dev")); status != 503 || time.Since(start) != journalWait {
			t.Errorf("%d after %v", status, time.Since(start))
		}
		w.sender.none(t)
	})
}

// counter is a timed thing that notes when it was called.
type counter struct {
	timer timer
	next  time.Duration
	calls []time.Time
}

func (c *counter) due(now time.Time) time.Time {
	c.calls = append(c.calls, now)
	if c.next == 0 {
		return time.Time{}
	}
	return now.Add(c.next)
}

func TestWheel(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	w := newWheel(start)
	once, often, off, far := &counter{}, &counter{next: 1500 * time.Millisecond}, &counter{}, &counter{}
	for _, c := range []*counter{once, often, off, far} {
		c.timer.owner = c
	}
	w.arm(&once.timer, at(2100*time.Millisecond))
	w.arm(&once.timer, at(5*time.Second)) // later changes nothing
	w.arm(&often.timer, at(time.Second))
	w.arm(&off.timer, at(time.Second))
	w.disarm(&off.timer)
	w.arm(&far.timer, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) // further than a Duration reaches
	w.arm(&off.timer, time.Time{})
	for tick := range 10 {
		w.sweep(at(time.Duration(tick) * time.Second))
	}
	if len(once.calls) != 1 || once.calls[0] != at(3*time.Second) {
		t.Errorf("once at %v", once.calls)
	}
	if len(often.calls) != 5 { // at 1, 3, 5, 7, 9
		t.Errorf("often at %v", often.calls)
	}
	if len(off.calls) != 0 || len(far.calls) != 0 {
		t.Errorf("off at %v, far at %v", off.calls, far.calls)
	}
	w.arm(&once.timer, at(-time.Hour)) // overdue
	w.sweep(at(12 * time.Second))      // a sweep that comes late
	if len(once.calls) != 2 {
		t.Errorf("overdue at %v", once.calls)
	}
	if n := testing.AllocsPerRun(100, func() { w.arm(&off.timer, at(20*time.Second)); w.disarm(&off.timer) }); n != 0 {
		t.Errorf("%v allocations to arm", n)
	}
}
