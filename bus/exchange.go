package bus

import (
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// exchangeShards spreads the lock of the pending requests; the readers of many sockets send at once.
	exchangeShards = 16
	// sweepTick is how coarse deadlines are: one fires at most a tick after its time, plus the wait for the sweeper.
	sweepTick = 50 * time.Millisecond
	// restAfter is how many ticks without a request end the sweeping: one second.
	restAfter = 20
	// wheelSlots is one turn of 25.6 s; a later deadline goes round once or twice more.
	wheelSlots = 512
	// spareWaiters bounds what a shard keeps for reuse after a burst.
	spareWaiters = 1024
	// longestWait bounds a request that has no deadline of its own, so that nothing can stay pending for ever.
	longestWait = 5 * time.Minute
	// replyBytes bounds what may wait for the reply callback, which never blocks: room for a burst of the largest
	// bodies. More is dropped by nats.go and reported (nats-facts §4.7); those requests time out.
	replyBytes = 256 << 20
	// replyMessages goes with it: nats.go's own default.
	replyMessages = 500_000

	tokenBase = 36
)

// answerFunc is called once with the outcome of a request. It must not block.
type answerFunc = func(*gateway.Reply, error)

// exchange matches replies with requests: one subscription for all replies, one token per request, one goroutine for
// all deadlines. nats.go's own request mux costs twice as much (DESIGN §3.12).
//
// The subscription is plain and on the connection that publishes, or "no responders" would not arrive (nats-facts §4.2).
type exchange struct {
	conn   *Conn
	prefix string
	sub    *nats.Subscription
	next   atomic.Uint64
	shards [exchangeShards]shard
	start  time.Time
	logger *slog.Logger

	rests atomic.Bool   // the sweeper waits for the next request
	woken chan struct{} // ends its rest; has room for one
	stop  chan struct{}
	done  chan struct{} // closed when the sweeper has ended

	late, junk atomic.Uint64
	warnAck    sync.Once
}

// shard holds a part of the pending requests.
type shard struct {
	mu      sync.Mutex
	pending map[uint64]*waiter
	wheel   [wheelSlots]*waiter
	spare   *waiter
	spares  int
	closed  bool
}

// waiter is one pending request. It belongs to its shard and is reused.
type waiter struct {
	token      uint64
	due        int64 // in ticks since the exchange's start
	answer     answerFunc
	span       trace.Span
	next, prev *waiter
}

func newExchange(conn *Conn, subjects Subjects, id gateway.EdgeID, logger *slog.Logger) (*exchange, error) {
	x := &exchange{
		conn:   conn,
		prefix: subjects.ReplyPrefix(id),
		start:  time.Now(),
		logger: logger,
		woken:  make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	x.next.Store(rand.Uint64() >> 1) // no token of an earlier life of the same id is likely to be met again
	for i := range x.shards {
		x.shards[i].pending = make(map[uint64]*waiter)
	}
	before := conn.nc.LastError()
	sub, err := conn.nc.Subscribe(subjects.Replies(id), x.onReply)
	if err != nil {
		return nil, publishError(err)
	}
	x.sub = sub
	if err := sub.SetPendingLimits(replyMessages, replyBytes); err != nil {
		return nil, publishError(err)
	}
	if err := conn.subscribed(before, map[string]bool{sub.Subject: true}); err != nil {
		_ = sub.Unsubscribe() // the server never took it
		return nil, err
	}
	go x.sweep()
	return x, nil
}

// ticks is the time since the start in ticks, rounded down.
func (x *exchange) ticks() int64 { return int64(time.Since(x.start) / sweepTick) }

// open registers a request and returns the reply subject for it, or false when the exchange is closed. wait of 0 means
// longestWait.
func (x *exchange) open(wait time.Duration, span trace.Span, answer answerFunc) (uint64, string, bool) {
	if wait <= 0 {
		wait = longestWait
	}
	token := x.next.Add(1)
	// Rounded up, so that no deadline fires early.
	due := int64((time.Since(x.start)+wait)/sweepTick) + 1
	if !x.shards[token%exchangeShards].add(token, due, span, answer) {
		return 0, "", false
	}
	if x.rests.Load() && x.rests.CompareAndSwap(true, false) {
		x.woken <- struct{}{} // the sweeper takes one for each rest
	}
	var b [96]byte
	return token, string(strconv.AppendUint(append(b[:0], x.prefix...), token, tokenBase)), true
}

// take removes a request: whoever gets true must tell its sender. Everybody else is late.
func (x *exchange) take(token uint64) (answerFunc, trace.Span, bool) {
	return x.shards[token%exchangeShards].take(token)
}

// fail ends a request that could not be sent.
func (x *exchange) fail(token uint64, err error) {
	if answer, span, ok := x.take(token); ok {
		finish(span, err)
		answer(nil, err)
	}
}

func (x *exchange) onReply(m *nats.Msg) {
	text, stored := cutStored(strings.TrimPrefix(m.Subject, x.prefix))
	token, err := strconv.ParseUint(text, tokenBase, 64)
	if err != nil {
		x.junk.Add(1)
		return
	}
	answer, span, ok := x.take(token)
	if !ok {
		x.late.Add(1) // after its time-out, a second answer, or a token that we never gave
		return
	}
	if stored {
		err := readStored(m)
		finish(span, err)
		answer(nil, err)
		return
	}
	reply, from, err := readReply(m)
	switch from {
	case originJunk:
		x.junk.Add(1)
		x.logger.Warn("a backend's reply has headers that mean nothing", slog.String("sallyport_status", m.Header.Get(HeaderStatus)),
			slog.String("sallyport_error", m.Header.Get(HeaderError)))
	case originPlain:
		if looksLikePubAck(m.Data) {
			x.warnAck.Do(func() {
				x.logger.Error("a JetStream stream captures event subjects and answers in the backends' place; " +
					"take the gateway's event subjects out of the stream (docs/subjects.md)")
			})
		}
	}
	finish(span, err)
	answer(reply, err)
}

// looksLikePubAck recognises a stream's acknowledgement of a captured message (nats-facts §4.5).
func looksLikePubAck(body []byte) bool {
	const ackStart, ackMember, longestAck = `{"stream":"`, `"seq":`, 512
	return len(body) < longestAck && strings.HasPrefix(string(body), ackStart) && strings.Contains(string(body), ackMember)
}

// sweep fires the deadlines until close. After restAfter ticks without a request it rests until the next one: an idle
// process would spend most of its time on waking up.
func (x *exchange) sweep() {
	defer close(x.done)
	ticker := time.NewTicker(sweepTick)
	defer ticker.Stop()
	swept, quiet := int64(-1), 0
	for {
		select {
		case <-x.stop:
			return
		case <-ticker.C:
		}
		now := x.ticks()
		for i := range x.shards {
			expire(x.shards[i].due(swept+1, now), errTimeout())
		}
		swept = now
		if quiet++; x.pending() > 0 {
			quiet = 0
		}
		if quiet < restAfter {
			continue
		}
		ticker.Stop()
		if !x.rest() {
			return
		}
		ticker.Reset(sweepTick)
		quiet = 0
	}
}

// rest waits until there is a request. It returns false when the exchange closes.
func (x *exchange) rest() bool {
	x.rests.Store(true)
	// A request that came before the mark was seen by nobody; one that comes after it wakes us.
	if x.pending() > 0 && x.rests.CompareAndSwap(true, false) {
		return true
	}
	select {
	case <-x.stop:
		return false
	case <-x.woken:
		return true
	}
}

func errTimeout() *gateway.Error {
	return gateway.Errorf(gateway.CodeTimeout, "the integration did not answer in time")
}

func errClosed() *gateway.Error {
	return gateway.Errorf(gateway.CodeUnavailable, "the gateway is stopping")
}

func expire(list []outcome, err error) {
	for _, o := range list {
		finish(o.span, err)
		o.answer(nil, err)
	}
}

// close ends all pending requests with CodeUnavailable, and takes no more.
func (x *exchange) close() {
	close(x.stop)
	<-x.done
	_ = x.sub.Unsubscribe() // fails when the connection is closed, which does the same
	for i := range x.shards {
		expire(x.shards[i].close(), errClosed())
	}
}

// pending counts the requests under way.
func (x *exchange) pending() int {
	n := 0
	for i := range x.shards {
		x.shards[i].mu.Lock()
		n += len(x.shards[i].pending)
		x.shards[i].mu.Unlock()
	}
	return n
}
