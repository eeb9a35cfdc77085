package edge

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// Who is inside, who waits for them to leave, and how they are put out at the end.

// enter counts a handshake in, unless the server takes no more of them.
func (s *Server) enter() bool {
	if s.draining.Load() || s.fenced.Load() {
		return false
	}
	select {
	case s.upgrades <- struct{}{}:
	default:
		return false
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.noMoreWay {
		<-s.upgrades
		return false
	}
	s.entered++
	return true
}

// ours returns an error while this incarnation may be in other hands: nobody is served by two owners (DESIGN §3.6). The
// fence comes a moment later, or the lease is ours again.
func (s *Server) ours() error {
	if s.cfg.Journal.Held() {
		return nil
	}
	return gateway.Errorf(gateway.CodeUnavailable, "the edge is cut off")
}

func (s *Server) leave() {
	<-s.upgrades
	s.life.Lock()
	defer s.life.Unlock()
	s.entered--
	s.changedLocked()
}

// remember makes a socket reachable and counts it.
func (s *Server) remember(k *socket) {
	s.hub.add(k)
	s.metrics.connection(k.conn.API, k.conn.Stage, 1)
	s.life.Lock()
	defer s.life.Unlock()
	s.sockets++
}

// forget takes a socket out of the hub, once. It is counted until its link has ended, and first noted as leaving, so that
// cutAll finds it in one of both.
func (s *Server) forget(k *socket) {
	s.life.Lock()
	s.leaving[k] = struct{}{}
	s.changedLocked()
	s.life.Unlock()
	if s.hub.remove(k) {
		s.metrics.connection(k.conn.API, k.conn.Stage, -1)
	}
}

// left counts a socket out.
func (s *Server) left(k *socket) {
	s.life.Lock()
	defer s.life.Unlock()
	delete(s.leaving, k)
	s.sockets--
	s.changedLocked()
}

// cutLeaving cuts the sockets whose close handshake still runs.
func (s *Server) cutLeaving() {
	s.life.Lock()
	sockets := slices.Collect(maps.Keys(s.leaving))
	s.life.Unlock()
	for _, k := range sockets {
		k.cut()
	}
}

// countRequests counts net/http's connections; those that were hijacked are handshakes by then.
func (s *Server) countRequests(_ net.Conn, state http.ConnState) {
	s.life.Lock()
	defer s.life.Unlock()
	switch state {
	case http.StateNew:
		s.requests++
	case http.StateClosed, http.StateHijacked:
		s.requests--
		s.changedLocked()
	case http.StateActive, http.StateIdle:
	}
}

// changedLocked wakes those who wait for a count to become 0.
func (s *Server) changedLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// waitFor returns when count, which is called with s.life held, is 0, or with the cause of ctx's end.
func (s *Server) waitFor(ctx context.Context, count func() int) error {
	for {
		s.life.Lock()
		if count() == 0 {
			s.life.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.life.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Server) waitHandshakes(ctx context.Context) error {
	return s.waitFor(ctx, func() int { return s.entered })
}

func (s *Server) waitSockets(ctx context.Context) error {
	return s.waitFor(ctx, func() int { return s.sockets })
}

// waitParted waits until no socket is open: what is left runs its close handshake.
func (s *Server) waitParted(ctx context.Context) error {
	return s.waitFor(ctx, func() int { return s.sockets - len(s.leaving) })
}

// waitFenced gives the clients the time to hear why they are closed.
func (s *Server) waitFenced(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	_ = s.waitSockets(ctx) // what is left is cut
}

// finish lets Serve return.
func (s *Server) finish() { s.finished.Do(func() { close(s.done) }) }

// stopping reports whether Serve is over.
func (s *Server) stopping() bool { return s.ctx.Err() != nil }

// closeDoors ends all accepting.
func (s *Server) closeDoors() {
	s.front.stop()
	_ = s.front.plain.Close()
	_ = s.web.Close() // cuts its connections as well
}

// cutAll ends what is inside and returns when it is out. No $disconnect is published for sockets that are cut here: they
// stay in the journal, and the next incarnation tells of them.
func (s *Server) cutAll() {
	s.front.close()
	_ = s.web.Close() // again: a connection may have come in just before the doors closed
	s.life.Lock()
	s.noMoreWay = true
	s.life.Unlock()
	_ = s.waitHandshakes(context.Background()) // their waits ended with s.ctx
	for _, k := range s.hub.all() {
		k.end(ending{notice: noticeTakeover, cause: causeCut})
	}
	_ = s.waitFor(context.Background(), func() int { return s.requests }) // their connections are closed
	s.cutLeaving()
	s.engine.wait()
	s.besides.Wait() // after the last message was read; what they wait for ended with s.ctx
}

// sweep looks at all that is due, once an interval, until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := s.now()
		s.follow(now)
		s.wheel.sweep(now)
		s.noteCut()
	}
}

// noteCut says in log and metrics when this edge is cut off, and when it is back. Under a policy that closes the clients
// the fence comes at the same time, and says so itself.
func (s *Server) noteCut() {
	cut := !s.cfg.Journal.Held()
	if cut == s.cut || s.fenced.Load() {
		return
	}
	s.cut = cut
	s.metrics.cutOff(cut)
	if cut {
		s.log.Warn("NATS is away for longer than the lease may stand still: clients are kept, their messages get the error frame", "edge", s.cfg.Journal.Edge())
		return
	}
	s.log.Info("the lease is held again: clients are served", "edge", s.cfg.Journal.Edge())
}

// follow brings a new table to the sockets: those of removed APIs are closed, the others' deadlines are asked for anew,
// since limits may have become shorter. Throttle buckets of what was removed are dropped.
func (s *Server) follow(now time.Time) {
	table := s.cfg.Live.Load()
	if table == s.seen.Load() {
		return
	}
	s.dropBuckets(table)
	s.metrics.follow()
	s.hub.each(func(k *socket) bool {
		s.wheel.arm(&k.timer, k.due(now))
		return true
	})
	s.seen.Store(table) // last: until here the old one tells removed APIs' $disconnect routes
}

// hijack takes an upgrade that came on a connection of net/http.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Error("an upgrade can't be taken over", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // what is buffered can be peeked at
	_ = nc.SetDeadline(time.Time{})
	if back, ok := nc.(*replayed); ok {
		nc = back.bare()
	}
	s.upgrade(newHandshake(nc, bytes.Clone(early), hijackedHead(r)))
}

// hijackedHead is the head as net/http read it: names are in its spelling, and Host is back among the headers.
func hijackedHead(r *http.Request) requestHead {
	header := make(gateway.Header, len(r.Header)+1)
	for name, values := range r.Header {
		header[name] = values
	}
	header["Host"] = []string{r.Host}
	if len(r.TransferEncoding) > 0 { // net/http takes it out, and a body would be read as frames
		header["Transfer-Encoding"] = r.TransferEncoding
	}
	return requestHead{method: r.Method, target: r.RequestURI, proto: r.Proto, header: header}
}
