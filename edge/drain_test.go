package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/connstore"
	"github.com/sallyport/sallyport/gateway"
)

func TestDrain(t *testing.T) {
	w := newWorld(t, chatAPI())
	w.sender.on(gateway.RouteDisconnect, func(*gateway.Event) (*gateway.Reply, error) {
		return nil, gateway.Errorf(gateway.CodeTimeout, "a native backend does not answer")
	})
	a, b := w.connect(), w.connect()
	drained := make(chan error, 1)
	go func() { drained <- w.Drain(t.Context()) }()
	for _, c := range []*client{a, b} {
		c.wantClose(1001, "Going away")
		c.send(closeFrame(1001, ""))
		c.wantEnd()
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := <-w.served; err != nil {
		t.Error(err)
	}
	w.served = nil
	for range 2 {
		if got := contextOf(t, w.sender.next(t, gateway.RouteDisconnect)); got.DisconnectStatusCode != 1001 {
			t.Errorf("%+v", got)
		}
	}
	w.journal.waitClosed(t, 2)
	if nc, err := net.Dial("tcp", w.addr); err == nil {
		_ = nc.Close()
		t.Error("the listener is open")
	}
}

// Clients are closed in equal parts over the drain timeout; a handshake that was under way is let in and closed.
func TestDrainIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(), func(c *Config) { c.DrainTimeout = 5 * time.Second })
		defer w.end()
		start := time.Now()
		ends := make(chan time.Duration, 10)
		for range 10 {
			c := w.connect()
			go func() {
				c.wantClose(1001, "Going away")
				ends <- time.Since(start)
				_ = c.Close()
			}()
		}
		w.sender.hold(gateway.RouteConnect)
		late := w.dial()
		_, _ = io.WriteString(late, upgradeRequest("/chat/dev"))
		ev := w.sender.next(t, gateway.RouteConnect)
		go func() {
			elapse(8 * time.Second)
			w.sender.release(t, ev.Request, &gateway.Reply{Status: 200}, nil)
			c := &client{Conn: late, t: t, r: bufio.NewReader(late)}
			if status, _ := c.response(); status != http.StatusSwitchingProtocols {
				t.Error(status)
			}
			c.wantClose(1001, "Going away")
			_ = late.Close()
		}()
		if err := w.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		var last time.Duration
		for range 10 {
			last = max(last, <-ends)
		}
		if last < 4*time.Second || last > 5*time.Second {
			t.Errorf("the last client was closed after %v", last)
		}
		if n := len(w.journal.closed); n != 11 {
			t.Errorf("%d connections are settled, want 11", n)
		}
	})
}

// What can't be delivered does not hold the process up: it stays in the journal.
func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI())
		defer w.end()
		w.sender.hold(gateway.RouteDisconnect)
		c := w.connect()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		go func() { c.wantClose(1001, "Going away"); _ = c.Close() }()
		err := w.Drain(ctx)
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 $disconnect") {
			t.Errorf("error %v", err)
		}
		if !w.journal.has(c.id) {
			t.Error("the journal forgot a connection whose end was not told")
		}
	})
}

func TestFence(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	close(w.journal.lost)
	c.wantClose(1013, "Try again later")
	c.send(closeFrame(1013, ""))
	c.wantEnd()
	if err := <-w.served; !errors.Is(err, ErrFenced) {
		t.Errorf("Serve: %v", err)
	}
	w.served = nil
	w.sender.none(t) // the taker-over tells the backend
	if !w.journal.has(c.id) {
		t.Error("the connection is closed in a journal that is not ours any more")
	}
	err := w.Connections().Post(t.Context(), c.ref(), gateway.Push{Body: []byte("x")})
	if gateway.ErrorCode(err) != gateway.CodeGone {
		t.Error(err)
	}
}

func TestOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI())
		defer w.end()
		failures := 2
		w.sender.on(gateway.RouteDisconnect, func(*gateway.Event) (*gateway.Reply, error) {
			if failures > 0 {
				failures--
				return nil, gateway.Errorf(gateway.CodeUnavailable, "not yet")
			}
			return nil, gateway.Errorf(gateway.CodeTimeout, "no answer")
		})
		var orphans []gateway.Connection
		for range orphanWindow + 10 {
			orphans = append(orphans, gateway.Connection{
				ID: gateway.NewConnectionID("OLDE"), API: "chat", Stage: "dev", ConnectedAt: time.Now(), DomainName: "old.example",
			})
		}
		orphans = append(orphans, gateway.Connection{ID: gateway.NewConnectionID("OLDE"), API: "removed", Stage: "dev"})
		if _, err := w.Orphans(t.Context(), orphans, heldAlways); err != nil {
			t.Fatal(err)
		}
		told := map[gateway.ConnectionID]bool{}
		for len(w.sender.events) > 0 {
			ev := <-w.sender.events
			if got := contextOf(t, ev); got.DisconnectStatusCode != 1006 || got.DomainName != "old.example" {
				t.Fatalf("context %s", ev.Context)
			}
			told[ev.Connection] = true
		}
		if len(told) != orphanWindow+10 {
			t.Errorf("%d are told of", len(told))
		}
		if len(w.journal.closed) != 0 {
			t.Error("connections of another incarnation are closed in our journal")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.sender.hold(gateway.RouteDisconnect)
		if rest, err := w.Orphans(ctx, orphans, heldAlways); len(rest) == 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// TestDisconnectWaitsForTheLease: however many wait, none is forgotten because the lease is in doubt in one moment and
// refreshed in the next; a drain would wait for it in vain.
func TestDisconnectWaitsForTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI())
		defer w.end()
		crowd := func(n int) {
			w.disconnects.mu.Lock()
			defer w.disconnects.mu.Unlock()
			w.disconnects.count += n
		}
		crowd(maxDisconnects)
		w.journal.cutOff.Store(true) // and Healthy again, as it is after the refresh
		w.disconnects.add(gateway.Connection{ID: gateway.NewConnectionID("EDGE"), API: "chat", Stage: "dev"}, gateway.Close{Code: 1006})
		w.sender.none(t)
		w.journal.cutOff.Store(false)
		elapse(2 * awayDisconnectPause)
		w.sender.next(t, gateway.RouteDisconnect)
		crowd(-maxDisconnects)
		if n := w.disconnects.left(); n != 0 {
			t.Errorf("%d are not settled", n)
		}
	})
}

func heldAlways() bool { return true }

// TestOrphansTaken: a take-over that lost its own lease publishes nothing more, not even what waits to be repeated; this
// edge's own lease does not count.
func TestOrphansTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI())
		defer w.end()
		w.sender.on(gateway.RouteDisconnect, func(*gateway.Event) (*gateway.Reply, error) {
			return nil, gateway.Errorf(gateway.CodeUnavailable, "nobody yet")
		})
		var orphans []gateway.Connection
		for range 3 {
			orphans = append(orphans, gateway.Connection{ID: gateway.NewConnectionID("OLDE"), API: "chat", Stage: "dev"})
		}
		var lost atomic.Bool
		type result struct {
			rest []gateway.Connection
			err  error
		}
		ended := make(chan result, 1)
		go func() {
			rest, err := w.Orphans(t.Context(), orphans, func() bool { return !lost.Load() })
			ended <- result{rest, err}
		}()
		for range orphans {
			w.sender.next(t, gateway.RouteDisconnect) // the first attempts
		}
		lost.Store(true)
		got := <-ended
		if !errors.Is(got.err, connstore.ErrTaken) || len(got.rest) != len(orphans) {
			t.Errorf("%d left, %v; want all %d, and that they are taken", len(got.rest), got.err, len(orphans))
		}
		elapse(2 * disconnectRetry)
		w.sender.none(t)
		if n := w.disconnects.left(); n != 0 {
			t.Errorf("%d are still counted", n)
		}
	})
}

// Without a drain sockets are cut, and their ends left to the next incarnation.
func TestCut(t *testing.T) {
	w := newWorld(t, chatAPI())
	c, closing := w.connect(), w.connect()
	if err := w.Connections().Delete(t.Context(), closing.ref(), gateway.Close{Code: 4001, Reason: "bye"}); err != nil {
		t.Fatal(err)
	}
	w.wantDisconnect(closing, 4001, "bye") // its client does not answer the close frame
	if err := w.end(); err != nil {
		t.Error(err)
	}
	c.wantEnd()
	w.sender.none(t)
	if !w.journal.has(c.id) || w.journal.has(closing.id) {
		t.Errorf("the journal has %v", w.journal.open)
	}
}
