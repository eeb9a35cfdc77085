package edge

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

var everyone = audience{api: "chat", stage: "dev"}

func texts(list ...string) (messages []gateway.Push) {
	for _, s := range list {
		messages = append(messages, gateway.Push{Body: []byte(s)})
	}
	return messages
}

// Everybody of the stage, or those who are listed; in the order of the calls.
func TestBroadcast(t *testing.T) {
	w := newWorld(t, chatAPI())
	var clients []*client
	var ids []gateway.ConnectionID
	for range 5 {
		c := w.connect()
		clients, ids = append(clients, c), append(ids, c.id)
	}
	send := func(to audience, want int, messages ...gateway.Push) {
		t.Helper()
		got, err := w.broadcast(to, messages...)
		if err != nil || got != (broadcastResult{took: want}) {
			t.Fatalf("%+v, %v; want %d", got, err, want)
		}
	}
	send(everyone, 5, texts("one", "two")...)
	send(everyone, 5, gateway.Push{Body: []byte{0xff}, Binary: true})
	for _, c := range clients {
		c.wantText("one")
		c.wantText("two")
		if h, b := c.read(); h.OpCode != ws.OpBinary || !bytes.Equal(b, []byte{0xff}) {
			t.Errorf("%v %q, want a binary message", h, b)
		}
	}
	listed := audience{api: "chat", stage: "dev", ids: []gateway.ConnectionID{ids[1], "EDGExxxxxxxxxxx=", ids[3]}}
	send(listed, 2, texts("some")...)
	send(audience{api: "chat", stage: "dev", ids: []gateway.ConnectionID{}}, 0, texts("nobody")...)
	send(everyone, 0)
	send(everyone, 5, texts("end")...)
	for i, c := range clients {
		if i == 1 || i == 3 {
			c.wantText("some")
		}
		c.wantText("end")
	}
}

func TestBroadcastIsRefused(t *testing.T) {
	w := newWorld(t, chatAPI())
	c := w.connect()
	for name, test := range map[string]struct {
		to       audience
		messages []gateway.Push
		want     gateway.Code
	}{
		"another stage": {audience{api: "chat", stage: "prod"}, texts("x"), gateway.CodeGone},
		"too large":     {everyone, texts("fine", strings.Repeat("x", 1<<20+1)), gateway.CodeTooLarge},
		"not UTF-8":     {everyone, texts("fine", "\xff"), gateway.CodeBadRequest},
	} {
		if got, err := w.broadcast(test.to, test.messages...); gateway.ErrorCode(err) != test.want || got != (broadcastResult{}) {
			t.Errorf("%s: %+v, %v; want %s", name, got, err, test.want)
		}
	}
	if _, err := w.broadcast(everyone, texts("end")...); err != nil {
		t.Error(err)
	}
	c.wantText("end") // and nothing before it
}

// Each client gets what it negotiated, and a message is compressed once for each window.
func TestBroadcastCompresses(t *testing.T) {
	w := newWorld(t, chatAPI())
	body := prose(3000)
	var packed []*deflateClient
	for _, bits := range []int{15, 15, 9} {
		c := w.connect(fmt.Sprintf("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=%d", bits))
		packed = append(packed, &deflateClient{client: c})
	}
	plain := w.connect()
	if got, err := w.broadcast(everyone, texts(body)...); err != nil || got.took != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	plain.wantText(body)
	for _, c := range packed {
		if op, got, compressed := c.message(); op != ws.OpText || got != body || !compressed {
			t.Errorf("opcode %x, %d bytes, compressed %v", op, len(got), compressed)
		}
	}
}

func TestPreparedFormsAreMadeOnce(t *testing.T) {
	var f preparedFrames
	f.prepare(texts(prose(3000), "short"), 1000, new(deflaterPool))
	lengths := map[int]bool{}
	for _, window := range []windowBits{0, minWindowBits, maxWindowBits} {
		one, two := f.form(window), f.form(window)
		if one != two || unsafe.SliceData(one.b) != unsafe.SliceData(two.b) {
			t.Errorf("window %d: made twice", window)
		}
		lengths[len(one.b)] = true
	}
	if len(lengths) != 3 {
		t.Errorf("the forms have the lengths %v, want three", lengths)
	}
	kept := f.form(0)
	kept.kept.Store(true)
	b := kept.b
	before := bytes.Clone(b)
	f.release()
	f.prepare(texts(strings.Repeat("z", 3000)), 1000, new(deflaterPool))
	f.form(0)
	if !bytes.Equal(b, before) {
		t.Error("bytes that a queue keeps were written over")
	}
}

// A client without room is skipped, all of the messages at once, and closed if it stays so; the others have everything.
func TestBroadcastSkipsTheSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPipeWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) {
			l.MaxMessageBytes, l.SendQueueBytes, l.SlowClientSeconds, l.PingIntervalSeconds = ptr(1024), ptr(1024), ptr(10), ptr(0)
		})))
		defer w.end()
		stuck := w.connect()
		synctest.Wait() // its 101 is not in the queue any more
		text := strings.Repeat("x", 300)
		for i := range 3 {
			if got, err := w.broadcast(everyone, texts(text)...); err != nil || got != (broadcastResult{took: 1}) {
				t.Fatal(i, got, err)
			}
		}
		synctest.Wait()
		other := w.connect()
		synctest.Wait()
		if got, err := w.broadcast(everyone, texts("a", strings.Repeat("b", 200))...); err != nil || got != (broadcastResult{took: 1, skipped: 1}) {
			t.Fatal(got, err)
		}
		if got, err := w.broadcast(everyone, texts("c")...); err != nil || got != (broadcastResult{took: 2}) {
			t.Fatal("there is room for something small:", got, err)
		}
		other.wantText("a")
		other.wantText(strings.Repeat("b", 200))
		other.wantText("c")
		elapse(11 * time.Second)
		w.wantDisconnect(stuck, 1008, reasonSlow)
		_ = stuck.Close()
		_ = other.Close()
		synctest.Wait()
	})
}

// Queues that a large broadcast waits in share its bytes, and what follows does not disturb them.
func TestBroadcastIsShared(t *testing.T) {
	w := newWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) { l.SendQueueBytes = ptr(32 << 20) })))
	slow := []*client{w.connect(), w.connect()}
	var want []string
	for i := range 40 { // until the kernel takes no more, and then some
		list := []string{strings.Repeat(string(rune('a'+i%26)), 500_000), fmt.Sprint("small ", i), fmt.Sprint("smaller ", i)}
		for j, part := range [][]string{list[:1], list[1:]} {
			got, err := w.broadcast(everyone, texts(part...)...)
			if err != nil || got != (broadcastResult{took: 2}) {
				t.Fatal(i, j, got, err)
			}
		}
		want = append(want, list...)
	}
	var memory [][]*byte
	for _, c := range slow {
		k := w.hub.get(c.id)
		k.mu.Lock()
		var list []*byte
		for _, buf := range k.out.queue[1:] {
			if buf.shared {
				list = append(list, unsafe.SliceData(buf.b))
			}
		}
		k.mu.Unlock()
		memory = append(memory, list)
	}
	if len(memory[0]) < 10 || !slices.Equal(memory[0][len(memory[0])-10:], memory[1][len(memory[1])-10:]) {
		t.Errorf("%d and %d shared buffers, not the same", len(memory[0]), len(memory[1]))
	}
	for _, c := range slow {
		for _, s := range want {
			c.wantText(s)
		}
	}
}

// Broadcasts, pushes and ends at the same time: each client's frames stay whole, and every broadcast's before the next.
func TestBroadcastsAmongOthers(t *testing.T) {
	w := newWorld(t, chatAPI(withLimits(func(l *gateway.LimitSettings) { l.SendQueueBytes = ptr(8 << 20) })))
	const rounds = 50
	var clients []*client
	for range 8 {
		clients = append(clients, w.connect())
	}
	var work sync.WaitGroup
	for sender := range 3 {
		work.Go(func() {
			for i := range rounds {
				text := fmt.Sprintf("%d %d %s", sender, i, strings.Repeat("x", i*i*3))
				if _, err := w.broadcast(everyone, texts(text)...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Go(func() {
		for range rounds {
			_ = w.Connections().Post(t.Context(), clients[0].ref(), gateway.Push{Body: []byte("push")})
			_ = w.Connections().Post(t.Context(), clients[7].ref(), gateway.Push{Body: []byte("push")})
		}
		_ = w.Connections().Delete(t.Context(), clients[7].ref(), gateway.Close{})
	})
	for _, c := range clients[:7] {
		var next [3]int
		for got := 0; got < 3*rounds; {
			_, b := c.read()
			if string(b) == "push" {
				continue
			}
			var sender, i int
			if _, err := fmt.Sscan(string(b), &sender, &i); err != nil || i != next[sender] || len(b) < i*i*3 {
				t.Fatalf("%d bytes of message %d %d, want message %d: %v", len(b), sender, i, next[sender], err)
			}
			next[sender]++
			got++
		}
	}
	work.Wait()
}

func TestBroadcastAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops pooled memory at random")
	}
	const (
		sockets = 1000
		most    = 2 * maxPasses // a goroutine and its function for each pass
	)
	s := hotCrowd(t, sockets)
	burst := texts(strings.Repeat("x", 128), strings.Repeat("y", 128))
	n := testing.AllocsPerRun(100, func() {
		if got, err := s.broadcast(everyone, burst...); err != nil || got.took != sockets {
			t.Fatal(got, err)
		}
	})
	if n > most {
		t.Errorf("%v allocations for %d clients, want at most %d", n, sockets, most)
	}
}

// hotCrowd is a server that does not run, with sockets whose links take everything.
func hotCrowd(t testing.TB, n int) *Server {
	t.Helper()
	first, _ := hotSocket(t)
	s := first.server
	for range n - 1 {
		c := *first.conn
		c.ID = gateway.NewConnectionID("EDGE")
		k := s.newSocket(&c, first.prefix)
		k.link = new(sink)
		s.remember(k)
	}
	return s
}

// BenchmarkBroadcastPass is a broadcast without sockets: what the passes themselves cost.
func BenchmarkBroadcastPass(b *testing.B) {
	s := hotCrowd(b, 1000)
	message := texts(strings.Repeat("x", 128))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.broadcast(everyone, message...); err != nil {
			b.Fatal(err)
		}
	}
}
