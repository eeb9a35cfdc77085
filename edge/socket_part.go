package edge

// How a client leaves a drain. What it sent before it could know is not lost: everything that has arrived is read, and the
// messages are answered, before the close frame goes out; what arrived meanwhile is read again, in rounds. So a message of
// a two-way route that has no answer when the close frame comes was not handed to a backend, unless the drain ran out of
// time.

// part asks the socket to leave as soon as it has nothing under way. It may be called again.
func (k *socket) part() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != socketOpen {
		return
	}
	k.round = max(k.round, 1)
	k.link.settle()
}

// settled is the engine's word that all that has arrived was received.
func (k *socket) settled() {
	if k.mayLeave() {
		k.end(k.server.endDrained())
	}
}

// mayLeave reports whether nothing is under way. Else the client is not read until its messages are answered, or a message
// of which a part has come is there. settled calls it.
func (k *socket) mayLeave() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.round == 0, k.state != socketOpen:
		return false
	case k.inFlight > 0, k.judging:
		k.deaf = true
		return false
	}
	return k.frames.part == nil
}

// nextRoundLocked goes on when the last message of a leaving client is answered: it reads what arrived meanwhile, or, after
// maxRounds, reports that the socket is to end without that.
func (k *socket) nextRoundLocked() (leaves bool) {
	if k.round == 0 || k.state != socketOpen || k.inFlight > 0 || k.judging {
		return false
	}
	if k.deaf {
		if k.round == maxRounds {
			return true
		}
		k.round++
		k.deaf = false
		k.resumeLocked()
	}
	k.link.settle()
	return false
}
