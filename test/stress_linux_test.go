package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/schemas/event"
)

// Thousands of first requests that come a byte at a time: each costs a bounded piece of memory, and others are served.
func TestStressOfSlowHandshakes(t *testing.T) {
	t.Parallel()
	const (
		each  = 32      // KiB: the head's buffer is 10, its goroutine's stack 8
		fixed = 8 << 10 // KiB of the witnesses
		extra = 16      // descriptors of the witnesses and of the journal
	)
	n := scaled(1500, 6000)
	p := startStressed(t, benchDefinition)
	if _, err := visit(t.Context(), p.Data); err != nil {
		t.Fatal(err)
	}
	before := p.usage()
	slow := make([]net.Conn, n)
	for i := range slow {
		slow[i] = dialTCP(t, p.Data)
	}
	var trickle sync.WaitGroup
	stop := make(chan struct{})
	trickle.Go(func() {
		ticker := time.NewTicker(lookAgain)
		defer ticker.Stop()
		head := upgradeHead
		for i := range len(head) {
			for _, nc := range slow {
				_, _ = nc.Write([]byte{head[i]}) // it may be cut off
			}
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
		}
	})
	worst := time.Duration(0)
	for range 20 {
		took, err := visit(t.Context(), p.Data)
		if err != nil {
			t.Fatalf("somebody else's visit: %v", err)
		}
		worst = max(worst, took)
	}
	during := p.usage()
	close(stop)
	trickle.Wait()
	t.Logf("%d slow handshakes: before %s; during %s; the slowest of 20 visits took %s", n, before, during, worst)
	if grown := during.residentKiB - before.residentKiB; grown > n*each+fixed {
		t.Errorf("%d KiB more for %d heads", grown, n)
	}
	if more := during.descriptors - before.descriptors; more > n+extra {
		t.Errorf("%d descriptors more", more)
	}
	for _, nc := range slow {
		_ = nc.Close()
	}
	eventually(t, "descriptors are given back", func() error {
		if u := p.usage(); u.descriptors > before.descriptors+extra {
			return fmt.Errorf("%s, before %s", u, before)
		}
		return nil
	})
}

// Without free descriptors new clients wait in the kernel's queue; the old ones are served, and room lets the new ones in.
func TestStressOfDescriptors(t *testing.T) {
	t.Parallel()
	const room, enough = 60, 20 // of which the gateway may need some itself
	p := startStressed(t, benchDefinition)
	if _, err := visit(t.Context(), p.Data); err != nil {
		t.Fatal(err)
	}
	limit := uint64(p.usage().descriptors + room)
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
		t.Skipf("the limit of another process can't be lowered here: %v", err)
	}
	var in []*websocket.Conn
	var late chan error // of the first that does not get in at once
	for late == nil {
		if len(in) > 2*room { // some were in use when they were counted
			t.Fatalf("%d clients with %d descriptors", len(in), room)
		}
		answer := make(chan error, 1)
		got := make(chan *websocket.Conn, 1)
		go func() {
			conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Data+benchPath, nil)
			got <- conn
			answer <- err
		}()
		select {
		case conn := <-got:
			if err := <-answer; err != nil {
				t.Logf("client %d is refused: %v", len(in), err)
				late = make(chan error, 1)
				late <- nil
				break
			}
			in = append(in, conn)
			t.Cleanup(func() { _ = conn.CloseNow() })
		case <-time.After(time.Second):
			late = answer
			t.Cleanup(func() { _ = (<-got).CloseNow() })
		}
	}
	t.Logf("%d clients got in, the next one waits; %s", len(in), p.usage())
	if len(in) < enough {
		t.Errorf("%d clients with %d descriptors", len(in), room)
	}
	for i, conn := range in {
		if err := ask(t.Context(), conn); err != nil {
			t.Fatalf("client %d of the old: %v", i, err)
		}
	}
	for _, conn := range in[:len(in)/2] {
		_ = conn.CloseNow()
	}
	select {
	case err := <-late:
		if err != nil {
			t.Errorf("who waited did not get in: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("nobody gets in although there is room")
	}
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := visit(ctx, p.Data); err != nil {
			t.Errorf("after that: %v", err)
		}
		cancel()
	}
	for i, conn := range in[len(in)/2:] {
		if err := ask(t.Context(), conn); err != nil {
			t.Fatalf("client %d of the old, at the end: %v", i, err)
		}
	}
}

// garbage are messages that look like JSON for a while, of the greatest length.
func garbage(size int) [][]byte {
	fill := func(head, part string) []byte {
		return append([]byte(head), bytes.Repeat([]byte(part), (size-len(head))/len(part))...)
	}
	return [][]byte{
		fill("", "["),
		fill("", `{"a":`),
		fill(`{"action":"`, `\u0061`),
		fill("{", `"action":"x",`),
		fill(`{"x":"`, "y"),
		fill(`{"n":`, "9"),
		fill("[", `{"action":"echo"},`),
	}
}

// A hundred MiB of garbage are refused message by message, in bounded memory, and others are served meanwhile.
func TestStressOfGarbage(t *testing.T) {
	t.Parallel()
	const (
		size  = 1 << 20
		total = 100
		most  = 160 << 10 // KiB: of a message, its copies, and what is not collected yet
	)
	p := startStressed(t, benchDefinition)
	if _, err := visit(t.Context(), p.Data); err != nil {
		t.Fatal(err)
	}
	before := p.usage()
	var worst atomic.Int64
	var witness sync.WaitGroup
	stop := make(chan struct{})
	witness.Go(func() {
		for {
			took, err := visit(t.Context(), p.Data)
			if err != nil {
				t.Errorf("somebody else's visit: %v", err)
				return
			}
			worst.Store(max(worst.Load(), int64(took)))
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	c := dialBare(t, p.Data, benchPath)
	began := time.Now()
	var work sync.WaitGroup
	work.Go(func() {
		kinds := garbage(size)
		for i := range total {
			if _, err := c.Write(maskedText(kinds[i%len(kinds)])); err != nil {
				t.Errorf("message %d: %v", i, err)
				return
			}
		}
	})
	for i := range total {
		op, b, err := c.frame()
		if err != nil || op != 0x81 || !strings.HasPrefix(string(b), `{"message": "Forbidden"`) {
			t.Fatalf("answer %d is %x %.100s, %v; want Forbidden", i, op, b, err)
		}
	}
	took := time.Since(began)
	work.Wait()
	close(stop)
	witness.Wait()
	after := p.usage()
	t.Logf("%d MiB of garbage in %s: before %s; after %s; the slowest visit took %s", total, took, before, after, time.Duration(worst.Load()))
	if grown := after.peakKiB - before.residentKiB; grown > most {
		t.Errorf("%d KiB more at the peak", grown)
	}
}

// A backend that is asked for far more than it can do: clients are held back by TCP, what was accepted waits for no more
// than the messages before it, and nothing is lost.
func TestStressOfOverload(t *testing.T) {
	t.Parallel()
	const (
		clients  = 20
		inFlight = 16 // the default maxInFlight
		pace     = 200 * time.Microsecond
		most     = 48 << 10 // KiB
		slack    = time.Second
	)
	each := scaled(200, 3000)
	p := startStressed(t, write(t, t.TempDir(), "chat.yaml", quietChat+"stages:\n  dev: {}\n"))
	nc, err := nats.Connect(p.NATS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	ticker := time.NewTicker(pace)
	t.Cleanup(ticker.Stop)
	var oldest time.Duration // from acceptance to the backend; the subscription's goroutine alone
	waiting := 0
	var sub *nats.Subscription
	ready := make(chan struct{})
	sub, err = nc.QueueSubscribe("sallyport.chat.dev.ws.ask", "backend", func(m *nats.Msg) {
		<-ready
		<-ticker.C // one message a tick: the backend's capacity
		if c, err := event.Parse([]byte(m.Header.Get("Sallyport-Context"))); err == nil {
			oldest = max(oldest, time.Since(time.UnixMilli(c.RequestTimeEpoch)))
		}
		if n, _, err := sub.Pending(); err == nil {
			waiting = max(waiting, n)
		}
		_ = m.Respond([]byte(`"done"`)) // the client would miss it
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	before := p.usage()
	message := maskedText([]byte(`{"action":"ask","text":"` + strings.Repeat("x", 1000) + `"}`))
	began := time.Now()
	var work sync.WaitGroup
	for range clients {
		c := dialBare(t, p.Data, "/chat/dev")
		work.Go(func() { // as fast as it goes
			for range each {
				if _, err := c.Write(message); err != nil {
					t.Errorf("send: %v", err)
					return
				}
			}
		})
		work.Go(func() {
			for i := range each {
				if _, b, err := c.frame(); err != nil || string(b) != `"done"` {
					t.Errorf("answer %d: %s, %v", i, b, err)
					return
				}
			}
		})
	}
	work.Wait()
	took := time.Since(began)
	after := p.usage()
	nc.Close() // ends the subscription
	bound := 2*took*clients*inFlight/time.Duration(clients*each) + slack
	t.Logf("%d messages in %s, %.0f/s: an accepted message waited %s at most, %d waited at a time; before %s; after %s",
		clients*each, took, clients*float64(each)/took.Seconds(), oldest, waiting, before, after)
	if oldest > bound {
		t.Errorf("an accepted message waited for %s, want at most %s", oldest, bound)
	}
	if waiting > clients*inFlight {
		t.Errorf("%d messages wait at the backend, want at most %d", waiting, clients*inFlight)
	}
	if grown := after.peakKiB - before.residentKiB; grown > most {
		t.Errorf("%d KiB more at the peak", grown)
	}
}

// All clients of a gateway that died come back at once, and all get in.
func TestStressOfReconnects(t *testing.T) {
	t.Parallel()
	const (
		in    = 3        // seconds
		each  = 16       // KiB: a handshake's buffers and its goroutine's stack
		fixed = 16 << 10 // KiB: of the journal's batches
	)
	n := scaled(1500, 15_000)
	p := startStressed(t, benchDefinition)
	if _, err := visit(t.Context(), p.Data); err != nil {
		t.Fatal(err)
	}
	before := p.usage()
	cmd := exec.CommandContext(t.Context(), sallyport.path(t), "bench", "idle", "ws://"+p.Data+benchPath,
		"--connections", fmt.Sprint(n), "--connect-rate", fmt.Sprint(n/in), "--handshakes", fmt.Sprint(n), "--warmup", "0s", "--duration", "500ms", "--json")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &problems)
	}
	var report struct {
		Connections struct {
			Opened, Failed, Lost, Alive int
			OpenSeconds                 float64
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	after := p.usage()
	c := report.Connections
	t.Logf("%d clients in %.1f s: before %s; after %s", c.Opened, c.OpenSeconds, before, after)
	if c.Opened != n || c.Failed != 0 || c.Lost != 0 || c.Alive != n {
		t.Errorf("%+v, want %d opened and alive", c, n)
	}
	if grown := after.peakKiB - before.residentKiB; grown > n*each+fixed {
		t.Errorf("%d KiB more at the peak", grown)
	}
}
