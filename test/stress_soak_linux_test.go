package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sallyport/sallyport/schemas/event"
)

// soakAPI has events for every step of a connection's life.
const soakAPI = `name: chat
protocolType: WEBSOCKET
routeSelectionExpression: $request.body.action
routes:
  $connect: {integration: {type: NATS}}
  $disconnect: {integration: {type: NATS}}
  ask: {integration: {type: NATS}, routeResponse: true}
stages:
  dev: {}
`

// holdings are what must not grow.
type holdings struct {
	goroutines, descriptors int
	heap, journal           uint64
}

func (h holdings) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d KiB of heap, %d KiB of journal", h.goroutines, h.descriptors, h.heap>>10, h.journal>>10)
}

// hold looks at this process, in which the gateway runs, and at its journal.
func hold(t *testing.T, nc *nats.Conn) (h holdings) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	h.descriptors = len(list)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		h.journal += info.State.Bytes
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	const collections = 2 // the second takes what pools kept through the first
	for range collections {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.heap, h.goroutines = m.HeapAlloc, runtime.NumGoroutine()
	return h
}

// Clients come, talk, are pushed to and leave in every way, for as long as SALLYPORT_SOAK says; then the gateway holds no
// more than it did after the first of them. It runs alone, because it counts this process's goroutines.
func TestStressOfASoak(t *testing.T) {
	lasts := 4 * time.Second
	if text := os.Getenv("SALLYPORT_SOAK"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	const (
		clients = 40
		// A warmed gateway may hold a little more or less at each look.
		moreGoroutines, moreDescriptors = 20, 20
		moreHeap                        = 8 << 20
		// A journal holds no more than 1 MiB of what is of no use any more (connstore/journal), and the lease.
		mostJournal = 1<<20 + 256<<10
	)
	g := startGateway(t, map[string]string{"chat.yaml": soakAPI}, asServe)
	var opened, messages, ended atomic.Int64
	for _, subject := range []string{"$connect", "ask", "$disconnect"} {
		_, err := g.nats.QueueSubscribe("sallyport.chat.dev.ws."+subject, "backend", func(m *nats.Msg) {
			c, err := event.Parse([]byte(m.Header.Get("Sallyport-Context")))
			if err != nil {
				t.Errorf("%s: %v", m.Subject, err)
				return
			}
			switch subject {
			case "ask":
				_ = g.nats.Publish("sallyport.chat.dev.@connections."+string(c.ConnectionID), m.Data) // the client counts them
				_ = m.Respond([]byte(`"answer"`))
			case "$disconnect":
				ended.Add(1)
				_ = m.Respond(nil)
			default:
				_ = m.Respond(nil)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := g.nats.Flush(); err != nil {
		t.Fatal(err)
	}
	churn := func(d time.Duration) {
		var work sync.WaitGroup
		until := time.Now().Add(d)
		for i := range clients {
			work.Go(func() {
				dice := rand.New(rand.NewPCG(uint64(i), uint64(d)))
				for time.Now().Before(until) {
					n := 1 + dice.IntN(30)
					if err := live(t.Context(), g.Data, n, dice.IntN(3)); err != nil {
						t.Errorf("a client: %v", err)
						return
					}
					opened.Add(1)
					messages.Add(int64(n))
				}
			})
		}
		work.Wait()
		http.DefaultClient.CloseIdleConnections()
	}
	settled := func() holdings {
		t.Helper()
		eventually(t, "every end is told", func() error {
			if told := ended.Load(); told < opened.Load() {
				return fmt.Errorf("%d of %d", told, opened.Load())
			}
			return nil
		})
		return hold(t, g.nats)
	}
	const warm = 4 // of the whole
	churn(lasts / warm)
	before := settled()
	churn(lasts - lasts/warm)
	var after holdings
	eventually(t, "no growth", func() error {
		after = settled()
		if after.goroutines > before.goroutines+moreGoroutines || after.descriptors > before.descriptors+moreDescriptors ||
			after.heap > before.heap+moreHeap || after.journal > mostJournal {
			return fmt.Errorf("%s; before %s", after, before)
		}
		return nil
	})
	t.Logf("%s: %d connections, %d messages with a push each; before %s; after %s", lasts, opened.Load(), messages.Load(), before, after)
}

// live is one client's life: n questions, each with an answer and a push, and an end with, without, or in place of a close
// handshake.
func live(ctx context.Context, address string, n, end int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/chat/dev", nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	for range n {
		if err := conn.Write(ctx, websocket.MessageText, []byte(`{"action":"ask"}`)); err != nil {
			return err
		}
		for range 2 {
			if _, _, err := conn.Read(ctx); err != nil {
				return err
			}
		}
	}
	switch end {
	case 0:
		return conn.Close(websocket.StatusNormalClosure, "")
	case 1:
		return conn.Close(4000, "enough")
	}
	return conn.CloseNow()
}
