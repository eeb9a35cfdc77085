package bus

import (
	"hash/maphash"
	"runtime"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/sallyport/sallyport/gateway"
)

// The commands of one connection are run one after the other, those of different ones side by side: most of a push is the
// write to its socket, and one goroutine alone would leave the other cores idle. While few commands come they are run where
// they arrive, since to wake a goroutine takes as long as a push.

const (
	// maxLanes is how many cores may write pushes at the same time.
	maxLanes = 8
	// laneQueue is what may wait in a lane; further commands wait with nats.go, whose bounds are commandMessages and
	// commandBytes.
	laneQueue = 256
)

// command is a connection command on its way.
type command struct {
	message *nats.Msg
	ref     gateway.ConnectionRef
	verb    Verb
	err     error // what is wrong with its subject
}

// lane runs the commands of a part of the connections.
type lane struct {
	queue chan command
	left  atomic.Int64 // queued or being run by the lane's goroutine
	ended chan struct{}
}

// startLanes starts the lanes' goroutines; they end with s.ctx.
func (s *ConnectionServer) startLanes() {
	s.seed = maphash.MakeSeed()
	for range min(runtime.GOMAXPROCS(0), maxLanes) {
		l := &lane{queue: make(chan command, laneQueue), ended: make(chan struct{})}
		s.lanes = append(s.lanes, l)
		go s.runLane(l)
	}
}

func (s *ConnectionServer) runLane(l *lane) {
	defer close(l.ended)
	for {
		select {
		case c := <-l.queue:
			s.run(c)
			l.left.Add(-1)
		case <-s.ctx.Done():
			s.runLeft(l)
			return
		}
	}
}

// runLeft runs what waits in a lane at the end, so that whoever sent it hears what became of it.
func (s *ConnectionServer) runLeft(l *lane) {
	for {
		select {
		case c := <-l.queue:
			s.run(c)
		default:
			return
		}
	}
}

// take runs a command, or gives it to its connection's lane when others wait. Only nats.go's goroutine for the subscription
// calls it, so nothing gets into a lane while a command of the same lane is run here.
func (s *ConnectionServer) take(c command) {
	l := s.lanes[maphash.String(s.seed, string(c.ref.ID))%uint64(len(s.lanes))]
	if l.left.Load() == 0 && s.fewWait(c.message.Sub) {
		s.run(c)
		return
	}
	l.left.Add(1)
	select {
	case l.queue <- c:
	case <-s.ctx.Done(): // Close stops listening
	}
}

// fewWait reports that no other command has arrived.
func (s *ConnectionServer) fewWait(sub *nats.Subscription) bool {
	waiting, _, err := sub.Pending()
	return err != nil || waiting <= 1 // the one in hand may be counted still
}
