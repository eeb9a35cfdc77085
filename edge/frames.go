package edge

import (
	"bytes"
	"encoding/binary"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// The reasons that go with our own close codes. Amazon's texts are not known (contract/websocket-api.md §4.6).
const (
	reasonProtocol = "Protocol error"
	reasonUTF8     = "Invalid UTF-8"
	reasonTooBig   = "Message too big"
	reasonBinary   = "Binary messages are not accepted"
)

// frameLimits are the limits that a client's frames are held to.
type frameLimits struct {
	frame, message int
	binary         gateway.BinaryPolicy
	// inflaters read compressed messages; nil when compression was not negotiated.
	inflaters *inflaterPool
}

// inbound is one whole thing that a client sent: a message or a control frame. op 0 means that there is none yet.
type inbound struct {
	op      ws.OpCode
	payload []byte // unmasked; valid until the next call of next
	// owned says that payload is the receiver's to keep.
	owned bool
	// deflated says that payload is still compressed; next never returns it so.
	deflated bool
}

// frameReader puts frames together from bytes in whatever pieces they arrive. It keeps memory only while a frame or a
// fragmented message is under way; the zero value is ready. RFC 6455 §5.
type frameReader struct {
	part *assembly
}

// assembly is a frame or message under way.
type assembly struct {
	head     [ws.MaxHeaderSize]byte // the header's bytes while it is not complete
	headLen  int
	inFrame  bool // the header is complete, payload is missing
	header   ws.Header
	got      int64 // payload bytes of this frame so far
	op       ws.OpCode
	deflated bool   // of the message: its first frame had RSV1
	message  []byte // the message's bytes so far; op tells whether there is one
	control  [ws.MaxControlFramePayloadSize]byte
}

// next takes bytes from the front of b, unmasking them in place, until one message or control frame is complete or b is
// used up. It returns how many it took. A close with a Code says that the client broke a rule; the reader must not be
// used again then.
func (r *frameReader) next(b []byte, lim frameLimits, pool *assemblyPool) (int, inbound, gateway.Close) {
	taken := 0
	for {
		h, n, ready := r.header(b[taken:], pool)
		taken += n
		if !ready {
			return taken, inbound{}, gateway.Close{}
		}
		if r.part == nil || !r.part.inFrame {
			if fault := r.check(h, lim); fault.Code != 0 {
				return taken, inbound{}, fault
			}
			rest := b[taken:]
			whole := h.Fin && (h.OpCode.IsControl() || h.OpCode != ws.OpContinuation)
			if whole && int64(len(rest)) >= h.Length {
				payload := rest[:h.Length:h.Length]
				ws.Cipher(payload, h.Mask, 0)
				r.settle(pool)
				in, fault := checked(inbound{op: h.OpCode, payload: payload, deflated: h.Rsv == rsvDeflated}, lim)
				return taken + int(h.Length), in, fault
			}
			r.begin(h, pool)
		}
		n, done := r.part.fill(b[taken:])
		taken += n
		if !done {
			return taken, inbound{}, gateway.Close{}
		}
		if in := r.part.finish(); in.op != 0 {
			r.settle(pool)
			in, fault := checked(in, lim)
			return taken, in, fault
		}
	}
}

// header returns the header of the frame under way, reading it from b when it is not known yet.
func (r *frameReader) header(b []byte, pool *assemblyPool) (ws.Header, int, bool) {
	a := r.part
	if a != nil && a.inFrame {
		return a.header, 0, true
	}
	if a == nil || a.headLen == 0 {
		h, size := parseHeader(b)
		if size > 0 {
			return h, size, true
		}
		if len(b) == 0 {
			return h, 0, false
		}
		if a == nil {
			a = pool.get()
			r.part = a
		}
	}
	// A header in pieces: one byte at a time until it is complete, at most fourteen times.
	for n, c := range b {
		a.head[a.headLen] = c
		a.headLen++
		if h, size := parseHeader(a.head[:a.headLen]); size > 0 {
			a.headLen = 0
			return h, n + 1, true
		}
	}
	return ws.Header{}, len(b), false
}

// parseHeader reads a frame header (RFC 6455 §5.2) from the front of b and returns its size, 0 when b is too short.
func parseHeader(b []byte) (ws.Header, int) {
	const (
		minHeader = 2
		bit16     = 126 // the 7-bit length that announces a 16-bit one
		bit64     = 127
		high      = 0x80
	)
	var h ws.Header
	if len(b) < minHeader {
		return h, 0
	}
	h.Fin = b[0]&high != 0
	h.Rsv = b[0] >> 4 & 0x7
	h.OpCode = ws.OpCode(b[0] & 0xf)
	h.Masked = b[1]&high != 0
	h.Length = int64(b[1] &^ high)
	size := minHeader
	switch h.Length {
	case bit16:
		if len(b) < size+2 {
			return h, 0
		}
		h.Length = int64(binary.BigEndian.Uint16(b[size:]))
		size += 2
	case bit64:
		if len(b) < size+8 {
			return h, 0
		}
		h.Length = int64(binary.BigEndian.Uint64(b[size:])) //nolint:gosec // the sign bit is checked in check
		size += 8
	}
	if h.Masked {
		if len(b) < size+len(h.Mask) {
			return h, 0
		}
		size += copy(h.Mask[:], b[size:])
	}
	return h, size
}

// check holds a header to the protocol and the limits, before any of its payload is kept.
func (r *frameReader) check(h ws.Header, lim frameLimits) gateway.Close {
	state := ws.StateServerSide
	soFar := 0
	if r.part != nil && r.part.op != 0 {
		state = state.Set(ws.StateFragmented)
		soFar = len(r.part.message)
	}
	deflated := r.part != nil && r.part.deflated
	if h.Rsv == rsvDeflated && lim.inflaters != nil && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary) {
		deflated, h.Rsv = true, 0 // RFC 7692 §6: on the first frame of a message, and nowhere else
	}
	if deflated { // what it inflates to is held to the limit itself
		lim.frame += deflateSlack(lim.frame)
		lim.message += deflateSlack(lim.message)
	}
	if h.Length < 0 || ws.CheckHeader(h, state) != nil {
		return gateway.Close{Code: int(ws.StatusProtocolError), Reason: reasonProtocol}
	}
	if h.OpCode.IsControl() {
		return gateway.Close{}
	}
	if h.OpCode == ws.OpBinary && lim.binary == gateway.BinaryRefuse {
		return gateway.Close{Code: int(ws.StatusUnsupportedData), Reason: reasonBinary}
	}
	if h.Length > int64(lim.frame) || h.Length > int64(lim.message-soFar) {
		return gateway.Close{Code: int(ws.StatusMessageTooBig), Reason: reasonTooBig}
	}
	return gateway.Close{}
}

// begin keeps a frame whose payload comes in pieces or belongs to a fragmented message.
func (r *frameReader) begin(h ws.Header, pool *assemblyPool) {
	if r.part == nil {
		r.part = pool.get()
	}
	a := r.part
	a.header, a.inFrame, a.got = h, true, 0
	if h.OpCode.IsControl() {
		return
	}
	if h.OpCode != ws.OpContinuation {
		a.op, a.deflated = h.OpCode, h.Rsv == rsvDeflated
		a.message = make([]byte, 0, min(h.Length, trustedBytes))
	}
}

// fill copies payload bytes of the frame under way and reports whether it is complete.
func (a *assembly) fill(b []byte) (int, bool) {
	n := int(min(int64(len(b)), a.header.Length-a.got))
	b = b[:n]
	ws.Cipher(b, a.header.Mask, int(a.got))
	if a.header.OpCode.IsControl() {
		copy(a.control[a.got:], b)
	} else {
		a.message = append(a.message, b...)
	}
	a.got += int64(n)
	return n, a.got == a.header.Length
}

// finish ends the frame under way and returns what it completed, if anything.
func (a *assembly) finish() inbound {
	a.inFrame = false
	switch {
	case a.header.OpCode.IsControl():
		// A copy, since the assembly goes back to its pool; a control frame in pieces is rare.
		return inbound{op: a.header.OpCode, payload: bytes.Clone(a.control[:a.header.Length]), owned: true}
	case a.header.Fin:
		in := inbound{op: a.op, payload: a.message, owned: true, deflated: a.deflated}
		a.op, a.message, a.deflated = 0, nil, false
		return in
	}
	return inbound{}
}

// settle gives the memory back when nothing is under way.
func (r *frameReader) settle(pool *assemblyPool) {
	if a := r.part; a != nil && a.op == 0 && !a.inFrame && a.headLen == 0 {
		r.part = nil
		pool.put(a)
	}
}

// checked inflates a complete message and holds it to RFC 6455 §8.1. Control payloads are checked by whoever reads them.
func checked(in inbound, lim frameLimits) (inbound, gateway.Close) {
	if in.deflated {
		plain, fault := lim.inflaters.inflate(in.payload, lim.message)
		if fault.Code != 0 {
			return inbound{}, fault
		}
		in = inbound{op: in.op, payload: plain, owned: true}
	}
	if in.op == ws.OpText && !utf8.Valid(in.payload) {
		return inbound{}, gateway.Close{Code: int(ws.StatusInvalidFramePayloadData), Reason: reasonUTF8}
	}
	return in, gateway.Close{}
}

// assemblyPool keeps assemblies between messages.
type assemblyPool struct{ pool sync.Pool }

func (p *assemblyPool) get() *assembly {
	if a, ok := p.pool.Get().(*assembly); ok {
		return a
	}
	return new(assembly)
}

func (p *assemblyPool) put(a *assembly) {
	*a = assembly{}
	p.pool.Put(a)
}
