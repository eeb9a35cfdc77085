package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// roverCount and roverWindow: enough clients for each edge to have some with messages under way at any moment, few enough
	// for a machine that runs other tests too.
	roverCount  = 12
	roverWindow = 2
	// pushPause is the time between two pushes.
	pushPause = 5 * time.Millisecond
)

// rovers are clients that ask without a pause and go to another edge when theirs closes them, and a backend that pushes to
// them over HTTP by whichever edge takes its call.
type rovers struct {
	t         *testing.T
	addresses []string
	all       []*rover
	next      atomic.Int64 // number of the next message or push
	turn      atomic.Int64 // which edge is tried next
	over      chan struct{}
	pushing   context.CancelFunc
	work      sync.WaitGroup // clients
	pushers   sync.WaitGroup

	mu        sync.Mutex // guards the fields below and the rovers' maps
	connected map[gateway.ConnectionID]bool
	handled   map[int64]int // by the backend
	pushed    map[int64]int // status
	arrived   map[int64]int // pushes at clients
	told      chan struct{} // closed at the next answer
}

// rover is one client.
type rover struct {
	*rovers
	moves      int
	answered   map[int64]bool
	unanswered map[int64]bool // when a close frame came
}

func newRovers(t *testing.T, addresses []string) *rovers {
	w := &rovers{
		t: t, addresses: addresses, over: make(chan struct{}), connected: map[gateway.ConnectionID]bool{}, handled: map[int64]int{},
		pushed: map[int64]int{}, arrived: map[int64]int{}, told: make(chan struct{}),
	}
	for range roverCount {
		w.all = append(w.all, &rover{rovers: w, answered: map[int64]bool{}, unanswered: map[int64]bool{}})
	}
	return w
}

func (w *rovers) note(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *rovers) run() {
	for _, r := range w.all {
		w.work.Go(r.live)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	w.pushing = cancel
	w.pushers.Go(func() { w.push(ctx) })
}

// stop ends the pushes first, so that what was taken for a client can still reach it.
func (w *rovers) stop() {
	w.pushing()
	w.pushers.Wait()
	close(w.over)
	w.work.Wait()
}

// awaitAnswers waits until each client has had some answers more.
func (w *rovers) awaitAnswers() {
	w.t.Helper()
	const more = 2 * roverWindow // those that were under way, and others
	limit := time.After(4 * patience)
	var from []int
	for {
		w.mu.Lock()
		done := true
		for i, r := range w.all {
			if len(from) <= i {
				from = append(from, len(r.answered))
			}
			done = done && len(r.answered) >= from[i]+more
		}
		told := w.told
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-told:
		case <-limit:
			w.t.Fatal("some clients get no answers")
		}
	}
}

// live connects wherever there is an edge, until the test is over.
func (r *rover) live() {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		if conn := r.connect(); conn != nil {
			r.stay(conn)
			r.note(func() { r.moves++ })
		}
		select {
		case <-r.over:
			return
		case <-ticker.C:
		}
	}
}

func (r *rover) connect() *websocket.Conn {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	address := r.addresses[int(r.turn.Add(1))%len(r.addresses)]
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/chat/dev", nil)
	if err != nil {
		return nil // refused, or sent away with 503
	}
	return conn
}

// stay asks and listens until the edge closes the connection or the test is over.
func (r *rover) stay(conn *websocket.Conn) {
	defer conn.CloseNow() //nolint:errcheck // it is closed already
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	window := make(chan struct{}, roverWindow)
	waiting := map[int64]bool{} // guarded by mu
	var asking sync.WaitGroup
	asking.Go(func() { r.ask(ctx, conn, window, waiting) })
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			r.left(err, waiting)
			break
		}
		r.hear(text, waiting, window)
	}
	cancel()
	asking.Wait()
}

// ask keeps the window full. At the end of the test it waits for the last answers and closes.
func (r *rover) ask(ctx context.Context, conn *websocket.Conn, window chan struct{}, waiting map[int64]bool) {
	for {
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			return
		case <-r.over:
			for range cap(window) {
				select {
				case window <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
			_ = conn.Close(websocket.StatusNormalClosure, "")
			return
		}
		n := r.next.Add(1)
		body, _ := json.Marshal(roverMessage{Action: "ask", Number: n}) // a text and a number
		r.note(func() { waiting[n] = true })
		if conn.Write(ctx, websocket.MessageText, body) != nil {
			return // the reader sees why
		}
	}
}

func (r *rover) hear(text []byte, waiting map[int64]bool, window <-chan struct{}) {
	var m roverMessage
	if err := json.Unmarshal(text, &m); err != nil || m.Number == 0 && m.Push == 0 {
		r.t.Errorf("a client heard %s", text)
		return
	}
	if m.Push != 0 {
		r.note(func() { r.arrived[m.Push]++ })
		return
	}
	r.note(func() {
		if !waiting[m.Number] {
			r.t.Errorf("an answer to %d, which waits for none", m.Number)
		}
		delete(waiting, m.Number)
		r.answered[m.Number] = true
		close(r.told)
		r.told = make(chan struct{})
	})
	<-window
}

// left notes what has no answer. Only a close frame may leave something so.
func (r *rover) left(err error, waiting map[int64]bool) {
	r.mu.Lock()
	left := len(waiting)
	r.mu.Unlock()
	select {
	case <-r.over:
		if left == 0 {
			return // it left by itself
		}
	default:
	}
	var frame websocket.CloseError
	if !errors.As(err, &frame) || frame.Code != websocket.StatusGoingAway {
		r.t.Errorf("a client was not closed with 1001: %v", err)
	}
	r.note(func() {
		for n := range waiting {
			r.unanswered[n] = true
		}
	})
}

// push sends one push after the other. An edge that is away is passed over, as a backend with several addresses does.
func (w *rovers) push(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	ticker := time.NewTicker(pushPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		id, ok := w.someone()
		if !ok {
			continue
		}
		n := w.next.Add(1)
		body, _ := json.Marshal(roverMessage{Push: n}) // a number
		for range w.addresses {
			url := callbackURL(w.addresses[int(w.turn.Add(1))%len(w.addresses)], "chat/dev", id)
			response, err := client.Post(url, "text/plain", bytes.NewReader(body))
			if err != nil {
				continue
			}
			_, _ = io.Copy(io.Discard, response.Body) // the status says it all
			_ = response.Body.Close()
			w.note(func() { w.pushed[n] = response.StatusCode })
			break
		}
	}
}
