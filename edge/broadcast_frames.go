package edge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// preparedFrames are a broadcast's messages as frames, in each form that some client wants: plain, or compressed with one
// of the windows. A form is made when the first client asks for it, and messages are compressed once for each window.
type preparedFrames struct {
	messages  []gateway.Push
	maxFrame  int
	deflaters *deflaterPool
	forms     [maxWindowBits - minWindowBits + 2]preparedForm // plain, and the windows from the smallest
}

// preparedForm is one form. Its bytes don't change once they are made, so that queues may keep them.
type preparedForm struct {
	once sync.Once
	b    []byte
	kept atomic.Bool // some queue has the bytes: they are the collector's
}

// prepare takes the messages, which must not change until release.
func (f *preparedFrames) prepare(messages []gateway.Push, maxFrame int, deflaters *deflaterPool) {
	f.messages, f.maxFrame, f.deflaters = messages, maxFrame, deflaters
}

// form returns the frames for clients with that window.
func (f *preparedFrames) form(window windowBits) *preparedForm {
	form := &f.forms[0]
	if window != 0 {
		form = &f.forms[window-minWindowBits+1]
	}
	form.once.Do(func() {
		for _, m := range f.messages {
			op := ws.OpText
			if m.Binary {
				op = ws.OpBinary
			}
			form.b = f.deflaters.appendMessage(form.b, window, op, m.Body, f.maxFrame)
		}
	})
	return form
}

// release forgets the messages, and keeps the memory of forms that no queue has.
func (f *preparedFrames) release() {
	f.messages = nil
	for i := range f.forms {
		form := &f.forms[i]
		if form.kept.Swap(false) || cap(form.b) > keepBufferBytes {
			form.b = nil
		}
		form.b = form.b[:0]
		form.once = sync.Once{}
	}
}

// given is what a client was given of a broadcast.
type given uint8

const (
	givenAll     given = iota
	givenNothing       // there is no room
	givenTooLate       // the socket is not open any more
)

// give sends a broadcast's frames, all or none, under the policy of a push.
func (k *socket) give(frames *preparedFrames, limits gateway.Limits, now time.Time) given {
	form := frames.form(k.window)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.state != socketOpen:
		return givenTooLate
	case !k.roomForLocked(len(form.b), limits):
		k.fullLocked(limits.SlowClient)
		return givenNothing
	}
	k.sendFormLocked(form)
	k.touch(now)
	return givenAll
}

// sendFormLocked is sendLocked for bytes that others have too.
func (k *socket) sendFormLocked(form *preparedForm) {
	rest := form.b
	if !k.out.waits() {
		n, ok := k.writeLocked(rest)
		if !ok || n == len(rest) {
			return
		}
		rest = rest[n:]
	}
	var buf *buffer
	if len(rest) <= copyBytes {
		buf = k.server.buffers.get()
		buf.b = append(buf.b, rest...)
	} else {
		form.kept.Store(true)
		buf = &buffer{b: rest[:len(rest):len(rest)], shared: true}
	}
	k.waitLocked(buf)
}
