package edge

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// heard is a peer that counts.
type heard struct {
	turn  int // bytes that it takes at a time
	bytes atomic.Int64
	calls atomic.Int64
	over  chan error
}

func (p *heard) receive(b []byte) (int, bool) {
	n := min(len(b), p.turn)
	p.bytes.Add(int64(n))
	p.calls.Add(1)
	return n, true
}
func (p *heard) settled()                {}
func (p *heard) gone(err error)          { p.over <- err }
func (p *heard) pending() []byte         { return nil }
func (p *heard) written(int, error) bool { return true }

func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// A peer whose turn is over in the middle of what was read gets the rest of it later, every byte once.
func TestTurnsEndInTheMiddle(t *testing.T) {
	e := newEpollEngine()
	server, client := tcpPair(t)
	p := &heard{turn: 100, over: make(chan error, 1)}
	l := e.open(server, p)
	l.start([]byte(strings.Repeat("early", 100)))
	const sent = 1 << 20
	if _, err := client.Write(make([]byte, sent)); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	<-p.over
	e.wait()
	if got, want := p.bytes.Load(), int64(sent+500); got != want || p.calls.Load() < want/100 {
		t.Errorf("%d bytes in %d calls, want %d", got, p.calls.Load(), want)
	}
}

// A link may be closed before it is started, such as by a 101 that can't be written.
func TestClosedBeforeItStarts(t *testing.T) {
	e := newEpollEngine()
	for range 200 {
		server, client := tcpPair(t)
		p := &heard{turn: 1 << 20, over: make(chan error, 1)}
		l := e.open(server, p)
		go l.close()
		l.start([]byte("x"))
		select {
		case <-p.over:
		case <-time.After(patience):
			t.Fatal("the link does not end")
		}
		_ = client.Close()
	}
	e.wait()
}

// A pattern that backtracks makes a small message slow: it is judged beside the loop, and others are served meanwhile.
func TestBacktrackingExpressionsAreJudgedBeside(t *testing.T) {
	w := newWorld(t, chatAPI(func(api *gateway.API) {
		api.RouteSelectionExpression = "$request.body.list[?(@.t =~ /(a+)+b/)].action"
	}))
	slow, quick := w.connect(), w.connect()
	if !w.program("chat", "dev").SlowFor(10) {
		t.Error("a small message counts as quick")
	}
	slow.say(fmt.Sprintf(`{"list":[{"t":"%s"}]}`, strings.Repeat("a", 40)))
	quick.send(ping("p"))
	if h, _ := quick.read(); h.OpCode != ws.OpPong {
		t.Errorf("got opcode %v", h.OpCode)
	}
	if _, b := slow.read(); !strings.HasPrefix(string(b), `{"message": "Forbidden"`) {
		t.Errorf("the client got %s", b)
	}
	if p := compileChat(t, chatAPI(chatWithModel)); p.SlowFor(10) || !p.SlowFor(1<<20) {
		t.Errorf("an API with models: slow for 10 bytes %t, for 1 MiB %t", p.SlowFor(10), p.SlowFor(1<<20))
	}
}
