package edge

import (
	"encoding/binary"
	"sync"

	"github.com/gobwas/ws"

	"github.com/sallyport/sallyport/gateway"
)

// buffer holds bytes on their way out. off is what the socket has taken already.
type buffer struct {
	b      []byte
	off    int
	shared bool // other sockets send b too: it never changes, and no pool takes it
}

func (b *buffer) rest() []byte { return b.b[b.off:] }

// bufferPool keeps buffers between frames.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return new(buffer)
}

func (p *bufferPool) put(b *buffer) {
	if b.shared || cap(b.b) > keepBufferBytes {
		return
	}
	b.b, b.off = b.b[:0], 0
	p.pool.Put(b)
}

// appendMessage appends a message as one frame, or as several when it is longer than maxFrame: clients of the aws
// profile see no frame beyond its limit (contract/websocket-api.md §9.1).
func appendMessage(dst []byte, op ws.OpCode, payload []byte, maxFrame int) []byte {
	return appendFrames(dst, ws.Header{OpCode: op}, payload, maxFrame)
}

// appendFrames is appendMessage with the opcode and the reserved bits of the first frame.
func appendFrames(dst []byte, first ws.Header, payload []byte, maxFrame int) []byte {
	for maxFrame > 0 && len(payload) > maxFrame {
		first.Length = int64(maxFrame)
		dst = appendFrame(dst, first, payload[:maxFrame])
		payload, first = payload[maxFrame:], ws.Header{OpCode: ws.OpContinuation}
	}
	first.Fin, first.Length = true, int64(len(payload))
	return appendFrame(dst, first, payload)
}

// appendControl appends a control frame.
func appendControl(dst []byte, op ws.OpCode, payload []byte) []byte {
	return appendFrame(dst, ws.Header{Fin: true, OpCode: op, Length: int64(len(payload))}, payload)
}

// appendClose appends a close frame. Without a code it has no payload.
func appendClose(dst []byte, c gateway.Close) []byte {
	if c.Code == 0 {
		return appendControl(dst, ws.OpClose, nil)
	}
	var payload [ws.MaxControlFramePayloadSize]byte
	binary.BigEndian.PutUint16(payload[:], uint16(c.Code)) //nolint:gosec // codes are checked to be below 5000
	n := 2 + copy(payload[2:], cutReason(c.Reason))
	return appendControl(dst, ws.OpClose, payload[:n])
}

// cutReason shortens a reason to what fits into a close frame, between two characters.
func cutReason(reason string) string {
	const most = ws.MaxControlFramePayloadSize - 2
	if len(reason) <= most {
		return reason
	}
	end := most
	for end > 0 && reason[end]&0xC0 == 0x80 { // a continuation byte of UTF-8
		end--
	}
	return reason[:end]
}

// appendFrame appends one unmasked frame (RFC 6455 §5.2).
func appendFrame(dst []byte, h ws.Header, payload []byte) []byte {
	const (
		fin   = 0x80
		len7  = 125
		len16 = 1<<16 - 1
		mark2 = 126
		mark8 = 127
	)
	first := byte(h.OpCode) | h.Rsv<<4
	if h.Fin {
		first |= fin
	}
	switch {
	case h.Length <= len7:
		dst = append(dst, first, byte(h.Length))
	case h.Length <= len16:
		dst = append(dst, first, mark2)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	default:
		dst = append(dst, first, mark8)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	return append(dst, payload...)
}

// validCloseCode reports whether a client may send code in a close frame: RFC 6455 §7.4 and the codes that IANA added
// since (1012 to 1014).
func validCloseCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
