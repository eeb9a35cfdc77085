package edge

import (
	"time"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// The policy for what goes out, in one place. A push is refused while the queue is full, and its sender is told so;
// nothing of it was delivered then. Answers to the client's own messages (replies, error frames, pongs) are never
// refused: at most maxInFlight of them can come, since a full queue stops reading. A queue that stays full for the API's
// slowClientSeconds closes the client with 1008; it counts as full until half of it is gone.

// push sends a message that the client did not ask for. The error is CodeGone or CodeSlowClient.
func (k *socket) push(op ws.OpCode, payload []byte, limits gateway.Limits) error {
	// Before the message is compressed, which is the dear part of it.
	if k.window != 0 {
		if err := k.mayPush(limits); err != nil {
			return err
		}
	}
	buf := k.server.buffers.get()
	buf.b = k.server.deflaters.appendMessage(buf.b, k.window, op, payload, limits.MaxFrameBytes)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.mayPushLocked(len(buf.b), limits); err != nil {
		k.server.buffers.put(buf)
		return err
	}
	k.sendLocked(buf)
	k.touch(k.server.now())
	return nil
}

// mayPush looks before it is known how long a compressed message will be.
func (k *socket) mayPush(limits gateway.Limits) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mayPushLocked(0, limits)
}

func (k *socket) mayPushLocked(size int, limits gateway.Limits) error {
	if k.state != socketOpen {
		return errGone()
	}
	if !k.roomForLocked(size, limits) {
		k.fullLocked(limits.SlowClient)
		return gateway.Errorf(gateway.CodeSlowClient, "the client reads too slowly, its send queue is full")
	}
	return nil
}

// roomForLocked reports whether the queue takes so many bytes. An empty one takes any message: SendQueueBytes may be
// smaller than the largest of them.
func (k *socket) roomForLocked(size int, limits gateway.Limits) bool {
	return k.out == nil || len(k.out.queue) == 0 || k.out.counted(limits.SendQueueBytes)+size <= limits.SendQueueBytes
}

// answer sends a message that the client waits for. A closing socket drops it.
func (k *socket) answer(op ws.OpCode, payload []byte, limits gateway.Limits) {
	buf := k.server.buffers.get()
	buf.b = k.server.deflaters.appendMessage(buf.b, k.window, op, payload, limits.MaxFrameBytes)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != socketOpen {
		k.server.buffers.put(buf)
		return
	}
	k.sendLocked(buf)
	k.touch(k.server.now())
	if k.out.counted(limits.SendQueueBytes) >= limits.SendQueueBytes {
		k.fullLocked(limits.SlowClient)
	}
}

// pong answers a ping, also while closing: RFC 6455 §5.5.3 wants it until the close frame went out, and it is not
// forbidden before.
func (k *socket) pong(payload []byte) {
	buf := k.server.buffers.get()
	buf.b = appendControl(buf.b, ws.OpPong, payload)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != socketOpen {
		k.server.buffers.put(buf)
		return
	}
	k.sendLocked(buf)
}

func (k *socket) pingLocked() {
	buf := k.server.buffers.get()
	buf.b = appendControl(buf.b, ws.OpPing, nil)
	k.sendLocked(buf)
}

// fullLocked notes that the queue is full; it may stay so for the given time.
func (k *socket) fullLocked(most time.Duration) {
	if k.fullSince != 0 {
		return
	}
	now := k.server.now()
	k.fullSince = now.UnixNano()
	k.server.wheel.arm(&k.timer, now.Add(most))
	k.server.metrics.queueFull(k.conn.API, k.conn.Stage)
}

// sendLocked gives bytes to the link at once if nothing waits before them, else to the queue. It owns buf.
func (k *socket) sendLocked(buf *buffer) {
	if k.state == socketClosed {
		k.server.buffers.put(buf)
		return
	}
	if !k.out.waits() {
		n, ok := k.writeLocked(buf.b)
		if !ok || n == len(buf.b) {
			k.server.buffers.put(buf)
			return
		}
		buf.off = n
	}
	k.waitLocked(buf)
}

// writeLocked gives b to the link, which may take less. After a failure the link is closed.
func (k *socket) writeLocked(b []byte) (int, bool) {
	n, err := k.link.write(b)
	if err != nil {
		k.link.close() // the engine's gone tells the rest
		return 0, false
	}
	return n, true
}

// waitLocked queues what the link did not take, and sees to it that somebody empties the queue. It owns buf.
func (k *socket) waitLocked(buf *buffer) {
	if k.out == nil {
		k.out = new(outgoing)
	}
	k.queueLocked(buf)
	if !k.out.flushing {
		k.out.flushing = true
		k.link.flush()
	}
}

// queueLocked appends to the last buffer when that is ours alone and not under way, so that many small frames go out in
// one write.
func (k *socket) queueLocked(buf *buffer) {
	o := k.out
	o.bytes += len(buf.rest())
	if last := len(o.queue) - 1; last > 0 && !o.queue[last].shared && len(buf.rest()) <= copyBytes {
		tail := o.queue[last]
		if len(tail.b)+len(buf.rest()) <= flushBytes {
			tail.b = append(tail.b, buf.rest()...)
			k.server.buffers.put(buf)
			return
		}
	}
	o.queue = append(o.queue, buf)
}

func (k *socket) pending() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.out == nil || len(k.out.queue) == 0 || k.state == socketClosed {
		k.out = nil // idle sockets keep no queue
		k.flushedLocked()
		return nil
	}
	b := k.out.queue[0].rest()
	return b[:min(len(b), flushBytes)]
}

func (k *socket) written(n int, err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || k.state == socketClosed {
		k.out.flushing = false
		k.link.close() // the engine's gone tells the rest
		return false
	}
	o := k.out
	head := o.queue[0]
	head.off += n
	o.bytes -= n
	if len(head.rest()) == 0 {
		o.queue[0] = nil
		o.queue = o.queue[1:]
		k.server.buffers.put(head)
	}
	k.roomLocked()
	return true
}

// roomLocked ends fullness when half of the queue is gone, and reads on if the queue was what stopped it.
func (k *socket) roomLocked() {
	const half = 2
	p := k.server.program(k.conn.API, k.conn.Stage)
	if p == nil {
		return
	}
	if bound := p.Limits().SendQueueBytes; k.out.counted(bound) > bound/half {
		return
	}
	k.fullSince = 0
	k.resumeLocked()
}
