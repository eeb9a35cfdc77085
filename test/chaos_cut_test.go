package test

import (
	"regexp"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// fenceAfter is how long an edge may go without its lease (DESIGN §3.6).
const fenceAfter = 12 * time.Second

// closeAfter is the shortest cut that an edge may not outlast: its last refresh was up to four seconds before.
const closeAfter = fenceAfter - 4*time.Second

// outage lets a fault last. Its length is what is tested, so there is nothing to wait for.
func outage(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// cutWorld is two edges on one NATS server, one of them by a cable.
type cutWorld struct {
	*notebook
	cable      *cable
	cut, other *gatewayProcess
	seats      []*seat // of the cut one
	edge       gateway.EdgeID
}

func startCutWorld(t *testing.T, flags ...string) *cutWorld {
	t.Helper()
	servers := natsServers(t, 1)
	w := &cutWorld{notebook: startNotebook(t, urls(servers), 1), cable: startCable(t, servers[0].url())}
	w.cut = startEdges(t, w.cable.url(), []string{"cut"}, flags...)[0]
	w.other = startEdges(t, urls(servers), []string{"other"}, flags...)[0]
	for range 5 {
		w.seats = append(w.seats, takeSeat(t, w.cut.Data))
	}
	w.edge = w.seats[0].id.Edge()
	return w
}

// pull cuts the edge off, for the nth time, and waits until it knows: what it sends before goes into a connection that is
// dead already, and waits for its route's time-out.
func (w *cutWorld) pull(nth int) {
	w.t.Helper()
	w.cable.pull()
	w.cut.output.awaitCount(w.t, "NATS connection lost", nth)
}

// isBack waits until the cut edge serves again, and returns its name.
func (w *cutWorld) isBack() gateway.EdgeID {
	w.t.Helper()
	var edge gateway.EdgeID
	eventually(w.t, "the cut edge serves again", func() error {
		s, err := trySeat(w.t, w.cut.Data)
		if err == nil {
			edge = s.id.Edge()
		}
		return err
	})
	return edge
}

// An edge that is cut off from NATS, by a broken connection or by one that carries nothing, sends its clients away before
// another edge tells the backend that they are gone. While they are there they get an error frame for each message. The
// edge comes back under another name.
func TestChaosEdgeIsCutOff(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name  string
		cut   func(*cutWorld)
		frame time.Duration // within which the error frame comes
		want  []string
	}{
		{"pulled", func(w *cutWorld) { w.pull(1) }, quick, []string{frameInternal}},
		// Until NATS' pings find out, the route's own time-out tells.
		{"mute", func(w *cutWorld) { w.cable.mute() }, 5*time.Second + lateness, []string{frameTimeout, frameInternal}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := startCutWorld(t)
			began := time.Now()
			way.cut(w)
			w.seats[0].ask()
			got, took := w.seats[0].hears(way.frame)
			if took > way.frame || !oneOf(got, way.want) {
				t.Errorf("a message got %s after %s", got, took)
			}
			for _, s := range w.seats {
				if frame := s.ended(fenceAfter + lateness - time.Since(began)); frame.Code != 1013 || frame.Reason != "Try again later" {
					t.Errorf("a client was closed with %v", frame)
				}
			}
			w.awaitAll(promised+lateness-time.Since(began), w.edge) // the last refresh may have come a moment after the cut began
			for _, s := range w.seats {
				all := w.of(s.id)
				if len(all) != 1 || all[0].reason != lostReason || all[0].code != 1006 {
					t.Errorf("the backend heard %+v", all)
				} else if all[0].at.Before(s.at) {
					t.Errorf("the backend was told %s before the client was closed", s.at.Sub(all[0].at))
				}
				if asked := w.asksOf(s.id); asked.After(began.Add(quick)) {
					t.Errorf("the backend got a message of a connection that was cut off, %s later", asked.Sub(began))
				}
			}
			if err := tookOver([]*gatewayProcess{w.other}, 1); err != nil {
				eventually(t, "the take-over ends", func() error { return tookOver([]*gatewayProcess{w.other}, 1) })
			}
			if chaosFull() {
				outage(t, 30*time.Second-time.Since(began))
			}
			w.cable.mend()
			if edge := w.isBack(); edge == w.edge {
				t.Errorf("the edge came back under its old name, %s", edge)
			}
			w.checkStream(w.known(w.edge))
		})
	}
}

func oneOf(got string, want []string) bool {
	for _, w := range want {
		if got == w {
			return true
		}
	}
	return false
}

// An edge that was frozen (SIGSTOP) serves nothing when it runs again: its clients' messages of the time between are not
// passed on, answers that waited for it are not, and it closes them with 1013.
func TestChaosEdgeIsFrozen(t *testing.T) {
	t.Parallel()
	frozen := 18 * time.Second
	if chaosFull() {
		frozen = 40 * time.Second
	}
	w := startCutWorld(t)
	freeze(t, w.cut.cmd.Process)
	began := time.Now()
	for _, s := range w.seats {
		s.ask() // its kernel takes it
	}
	// The server finds out that it is frozen, so another edge may take over while it is.
	w.awaitAll(promised+lateness, w.edge)
	outage(t, frozen-time.Since(began))
	thaw(t, w.cut.cmd.Process)
	for _, s := range w.seats {
		if frame := s.ended(fenceAfter + lateness); frame.Code != 1013 {
			t.Errorf("a client was closed with %v", frame)
		}
		for len(s.got) > 0 {
			if text := <-s.got; text == string(s.id) {
				t.Error("a client got an answer of an edge that was taken over")
			}
		}
		if asked := w.asksOf(s.id); asked.After(began) {
			t.Errorf("the backend got a message %s after its edge was frozen", asked.Sub(began))
		}
	}
	if edge := w.isBack(); edge == w.edge {
		t.Errorf("the edge came back under its old name, %s", edge)
	}
	ids := w.known(w.edge)
	w.checkEnds(ids)
	for _, id := range ids {
		if n := len(w.of(id)); n != 1 {
			t.Errorf("%s: its end was told %d times", id, n)
		}
	}
}

// A short cut ends nobody's connection, whatever the policy: a message of that time gets the error frame, and all is well
// again without anybody's doing.
func TestChaosShortCut(t *testing.T) {
	t.Parallel()
	for policy, longest := range map[string]time.Duration{"close": closeAfter - 2*time.Second, "keep": 10 * time.Second} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			lengths := []time.Duration{time.Second}
			if chaosFull() {
				lengths = append(lengths, longest)
			}
			w := startCutWorld(t, "--nats-loss", policy)
			for i, length := range lengths {
				began := time.Now()
				w.pull(i + 1)
				for _, s := range w.seats {
					s.ask()
					if got, took := s.hears(quick); got != frameInternal {
						t.Errorf("%s: a message got %s after %s", length, got, took)
					}
				}
				outage(t, length-time.Since(began))
				w.cable.mend()
				w.seats[0].answersAgain()
				for _, s := range w.seats {
					s.ask()
					if got, _ := s.hears(patience); got != "answer" {
						t.Errorf("%s: afterwards a message got %s", length, got)
					}
				}
				if edge := w.isBack(); edge != w.edge {
					t.Errorf("%s: the edge has another name", length)
				}
			}
			if left := len(w.open(w.edge)); left < len(w.seats) {
				t.Errorf("the backend has heard of the end of %d connections", len(w.seats)-left)
			}
		})
	}
}

// Between closeAfter and fenceAfter it depends on the moment whether the default policy closes clients: the lease may have
// been refreshed just before the cut, or four seconds before. Either all stay and are served again, or all are closed with
// 1013 and told of once.
func TestChaosCutOfTenSeconds(t *testing.T) {
	if !chaosFull() {
		t.Skip("task chaos runs it")
	}
	t.Parallel()
	w := startCutWorld(t)
	began := time.Now()
	w.pull(1)
	outage(t, 10*time.Second-time.Since(began))
	w.cable.mend()
	stayed := w.isBack() == w.edge
	for _, s := range w.seats {
		if stayed {
			s.answersAgain()
			if all := w.of(s.id); len(all) > 0 {
				t.Errorf("the backend heard of the end of an open connection: %+v", all)
			}
			continue
		}
		if frame := s.ended(lateness); frame.Code != 1013 {
			t.Errorf("a client was closed with %v", frame)
		}
		w.awaitOne(promised, s.id)
		if all := w.of(s.id); len(all) != 1 || all[0].reason != lostReason {
			t.Errorf("the backend heard %+v", all)
		}
	}
	t.Logf("the clients stayed: %v", stayed)
}

// answersAgain asks until there is an answer.
func (s *seat) answersAgain() {
	s.t.Helper()
	eventually(s.t, "messages are answered again", func() error {
		s.ask()
		if got, _ := s.hears(patience); got != "answer" {
			return errorf("a message got %s", got)
		}
		return nil
	})
}

// With --nats-loss keep all clients stay while NATS is away as a whole, and are served again when it is back: the edges
// find their leases as they left them, or take them back.
func TestChaosKeepWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	away := 22 * time.Second // longer than a lease lives
	if chaosFull() {
		away = time.Minute
	}
	servers := natsServers(t, 1)
	b := startNotebook(t, urls(servers), 1)
	processes := startEdges(t, urls(servers), nodeNames("edge", 2), "--nats-loss", "keep")
	var seats []*seat
	for _, p := range processes {
		for range 3 {
			seats = append(seats, takeSeat(t, p.Data))
		}
	}
	leaver := takeSeat(t, processes[0].Data)
	servers[0].kill()
	began := time.Now()
	for _, p := range processes {
		p.output.awaitIn(t, fenceAfter+lateness, "clients are kept, their messages get the error frame")
		if text := call(t, "GET", "http://"+p.Admin+"/metrics", ""); !regexp.MustCompile(`sallyport_edge_cut_off(\{[^}]*\})? 1 `).MatchString(text) {
			t.Error("/metrics does not say that the edge is cut off")
		}
	}
	for _, s := range seats {
		s.ask()
		if got, _ := s.hears(quick); got != frameInternal {
			t.Errorf("a message got %s", got)
		}
	}
	_ = leaver.conn.CloseNow()
	outage(t, away-time.Since(began))
	servers[0].start()
	for _, s := range seats {
		s.answersAgain()
	}
	b.awaitOne(promised, leaver.id)
	for _, s := range seats {
		s.isOpen()
		if all := b.of(s.id); len(all) > 0 {
			t.Errorf("the backend heard of the end of an open connection: %+v", all)
		}
	}
	if all := b.of(leaver.id); len(all) != 1 || all[0].reason == lostReason {
		t.Errorf("of a client that left meanwhile the backend heard %+v", all)
	}
	if s := takeSeat(t, processes[0].Data); s.id.Edge() != seats[0].id.Edge() {
		t.Error("the edge has another name")
	}
}

// With --nats-loss keep an edge that alone is cut off holds its clients too, but the others do not wait for it: the
// backend hears that they are gone, and when the edge is back it closes them.
func TestChaosKeepAndTakenOver(t *testing.T) {
	t.Parallel()
	w := startCutWorld(t, "--nats-loss", "keep")
	leaver := takeSeat(t, w.cut.Data)
	began := time.Now()
	w.pull(1)
	_ = leaver.conn.CloseNow()
	w.awaitAll(promised+lateness, w.edge)
	if chaosFull() {
		outage(t, time.Minute-time.Since(began))
	}
	for _, s := range w.seats {
		s.isOpen()
		s.ask()
		if got, _ := s.hears(quick); got != frameInternal {
			t.Errorf("a message got %s", got)
		}
	}
	w.cable.mend()
	for _, s := range w.seats {
		if frame := s.ended(promised); frame.Code != 1013 {
			t.Errorf("a client was closed with %v", frame)
		}
	}
	if edge := w.isBack(); edge == w.edge {
		t.Errorf("the edge came back under its old name, %s", edge)
	}
	for _, id := range w.known(w.edge) {
		if all := w.of(id); len(all) != 1 || all[0].reason != lostReason {
			t.Errorf("%s: the backend heard %+v", id, all)
		}
	}
}
