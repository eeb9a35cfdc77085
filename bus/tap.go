package bus

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

const (
	// tapLease is how long an edge publishes copies after somebody asked for them: a tapper that dies costs no more.
	tapLease = 15 * time.Second
	// tapAskEvery lets two asks get lost.
	tapAskEvery = tapLease / 3
	// tapBacklog is how many records wait for a slow tapper. Further ones are dropped and counted: a tap never slows
	// an edge.
	tapBacklog = 8192
	// maxRecord bounds a record before it is parsed; ours are under 1 KiB.
	maxRecord = 64 << 10
)

// Tap is the edge's end: it publishes copies of records while a tapper keeps asking. A tapper must not subscribe to the
// events themselves, or it would be a responder (nats-facts §4.5). All methods may be called concurrently.
type Tap struct {
	conn     *Conn
	subjects Subjects
	active   atomic.Bool
	sub      *nats.Subscription

	mu     sync.Mutex // guards expiry and closed
	expiry *time.Timer
	closed bool
}

// NewTap starts to listen for tappers. Close it before its connection.
func NewTap(conn *Conn, s Subjects) (*Tap, error) {
	if conn == nil {
		return nil, errors.New("bus.NewTap: Conn is missing")
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	t := &Tap{conn: conn, subjects: s}
	t.expiry = time.AfterFunc(tapLease, t.expire)
	t.expiry.Stop()
	before := conn.nc.LastError()
	sub, err := conn.nc.Subscribe(s.TapAsk(), t.onAsk)
	if err != nil {
		return nil, publishError(err)
	}
	t.sub = sub
	if err := conn.subscribed(before, map[string]bool{sub.Subject: true}); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tap) onAsk(m *nats.Msg) {
	t.mu.Lock()
	if !t.closed {
		t.expiry.Reset(tapLease)
		t.active.Store(true)
	}
	t.mu.Unlock()
	if m.Reply != "" {
		_ = m.Respond(nil) // tells that somebody will publish; without it the tapper asks again anyway
	}
}

func (t *Tap) expire() { t.active.Store(false) }

// Active reports whether somebody looks. It is one atomic load, so callers ask it before they build a record.
func (t *Tap) Active() bool { return t.active.Load() }

// Publish sends a copy of r to whoever looks. It does not block and does nothing when nobody does.
func (t *Tap) Publish(r event.Record) {
	if !t.Active() {
		return
	}
	b, err := json.Marshal(r)
	if err != nil {
		return // a record that JSON can't hold (a time beyond year 9999) is not worth a failure
	}
	_ = t.conn.nc.Publish(t.subjects.Record(r.API, r.Stage), b) // a lost copy is nobody's failure
}

// Close stops listening.
func (t *Tap) Close() {
	_ = t.sub.Unsubscribe() // fails when the connection is closed, which does the same
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.expiry.Stop()
	t.active.Store(false)
}

// TapperConfig says what to look at.
type TapperConfig struct {
	Conn     *Conn
	Subjects Subjects
	// API and Stage choose the records; empty ones choose all.
	API    gateway.APIID
	Stage  gateway.StageName
	Logger *slog.Logger
}

// Tapper receives the records of all edges. It asks for them until it is closed.
type Tapper struct {
	conn    *Conn
	ask     string
	sub     *nats.Subscription
	logger  *slog.Logger
	records chan *nats.Msg // never closed, since nats.go may still write to it
	stop    chan struct{}
	done    chan struct{} // closed when the asking goroutine has ended
	once    sync.Once
}

// NewTapper subscribes and asks the edges. It fails with CodeUnavailable when no edge is there to answer.
func NewTapper(ctx context.Context, c TapperConfig) (*Tapper, error) {
	if c.Conn == nil {
		return nil, errors.New("bus.NewTapper: Conn is missing")
	}
	if err := c.Subjects.Validate(); err != nil {
		return nil, err
	}
	t := &Tapper{
		conn: c.Conn, ask: c.Subjects.TapAsk(), logger: orDiscard(c.Logger),
		records: make(chan *nats.Msg, tapBacklog), stop: make(chan struct{}), done: make(chan struct{}),
	}
	before := c.Conn.nc.LastError()
	sub, err := c.Conn.nc.ChanSubscribe(c.Subjects.Tap(c.API, c.Stage), t.records)
	if err != nil {
		return nil, publishError(err)
	}
	t.sub = sub
	if err = c.Conn.subscribed(before, map[string]bool{sub.Subject: true}); err == nil {
		err = t.first(ctx)
	}
	if err != nil {
		_ = sub.Unsubscribe() // fails when the connection is closed, which does the same
		return nil, err
	}
	go t.keepAsking()
	return t, nil
}

// first asks once and waits for any edge to have heard it.
func (t *Tapper) first(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushWait)
	defer cancel()
	_, err := t.conn.nc.RequestWithContext(ctx, t.ask, nil)
	if errors.Is(err, nats.ErrNoResponders) {
		return gateway.Errorf(gateway.CodeUnavailable, "no edge is there to be watched").Because(err)
	}
	if err != nil {
		return gateway.Errorf(gateway.CodeUnavailable, "the edges do not answer").Because(err)
	}
	return nil
}

func (t *Tapper) keepAsking() {
	defer close(t.done)
	ticker := time.NewTicker(tapAskEvery)
	defer ticker.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticker.C:
			if err := t.conn.nc.Publish(t.ask, nil); err != nil {
				t.logger.Warn("can't ask the edges for records now", slog.Any("error", err))
			}
		}
	}
}

// Records yields records as they come until ctx ends or the tapper is closed. Messages that are no records are skipped.
func (t *Tapper) Records(ctx context.Context) iter.Seq[event.Record] {
	return func(yield func(event.Record) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.stop:
				return
			case m := <-t.records:
				var r event.Record
				if len(m.Data) > maxRecord || json.Unmarshal(m.Data, &r) != nil {
					continue
				}
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Dropped is how many records were lost because Records was read too slowly.
func (t *Tapper) Dropped() int {
	n, err := t.sub.Dropped()
	if err != nil {
		return 0
	}
	return n
}

// Close stops asking. It may be called more than once.
func (t *Tapper) Close() {
	t.once.Do(func() {
		close(t.stop)
		<-t.done
		_ = t.sub.Unsubscribe() // fails when the connection is closed, which does the same
	})
}
