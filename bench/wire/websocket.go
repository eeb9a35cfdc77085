package wire

import (
	"bytes"
	"crypto/sha1" // the handshake of RFC 6455 §4.2.2 asks for it; it protects nothing
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/gobwas/ws"
)

// acceptSuffix is appended to the key before it is hashed, RFC 6455 §1.3.
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// closeFrame is our only one: 1000, and no reason.
var closeFrame = control{ws.OpClose, "\x03\xe8"}

// control is a control frame that the client sends.
type control struct {
	op      ws.OpCode
	payload string
}

// newRandom makes the source of masks and keys. Masks only have to be unforeseeable for proxies between client and
// server (RFC 6455 §10.3), so that a fast generator is enough.
func newRandom() *rand.ChaCha8 {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], rand.Uint64())
	binary.LittleEndian.PutUint64(seed[8:], uint64(time.Now().UnixNano()))
	return rand.NewChaCha8(seed)
}

// handshake appends the request of c to b.
func (l *Loop) handshake(c *Conn, b []byte) []byte {
	var nonce [16]byte
	_, _ = l.random.Read(nonce[:]) // never fails
	b = append(b, c.target.head...)
	from := len(b)
	b = base64.StdEncoding.AppendEncode(b, nonce[:])
	sum := sha1.Sum(append(b[from:len(b):len(b)], acceptSuffix...))
	c.key = base64.StdEncoding.AppendEncode(nil, sum[:])
	return append(b, "\r\n\r\n"...)
}

// parseHandshake reads the answer to it, and returns how long that is: 0 when it is not whole yet.
func (l *Loop) parseHandshake(c *Conn, data []byte) (int, error) {
	head, ok, err := cutHead(data)
	if !ok || err != nil {
		return 0, err
	}
	status, err := statusOf(head)
	if err != nil {
		return 0, err
	}
	used := len(head)
	if status != 101 {
		return used, &StatusError{Status: status, Body: string(data[used:min(len(data), used+maxExcerpt)])}
	}
	if !bytes.Equal(headerValue(head, "Sec-WebSocket-Accept"), c.key) {
		return used, errAccept
	}
	c.state, c.key = open, nil
	l.handler.Opened(c)
	return used, nil
}

// parseFrames reads whole frames, which servers do not mask, and returns how many bytes they were.
func (l *Loop) parseFrames(c *Conn, data []byte) (int, error) {
	used := 0
	for c.state == open || c.state == closing {
		rest := data[used:]
		if len(rest) < 2 {
			break
		}
		head, length := 2, uint64(rest[1]&0x7f)
		switch {
		case length == 126 && len(rest) >= 4:
			head, length = 4, uint64(binary.BigEndian.Uint16(rest[2:]))
		case length == 127 && len(rest) >= 10:
			head, length = 10, binary.BigEndian.Uint64(rest[2:])
		case length > 125:
			return used, nil
		}
		if rest[1]&0x80 != 0 || rest[0]&0x70 != 0 {
			return used, errFrame // no extension was agreed on
		}
		if length > maxMessage {
			return used, errTooLarge
		}
		if uint64(len(rest)-head) < length {
			break
		}
		used += head + int(length)
		if err := l.received(c, rest[0], rest[head:head+int(length)]); err != nil {
			return used, err
		}
	}
	return used, nil
}

// received handles one frame. first is its first byte.
func (l *Loop) received(c *Conn, first byte, payload []byte) error {
	fin, op := first&0x80 != 0, ws.OpCode(first&0x0f)
	if op.IsControl() && (!fin || len(payload) > ws.MaxControlFramePayloadSize) {
		return errFrame
	}
	switch op {
	case ws.OpText, ws.OpBinary:
		if c.pieces {
			return errFrame
		}
		if fin {
			if c.state == open {
				l.handler.Message(c, payload)
			}
			return nil
		}
		c.pieces, c.parts = true, append(c.parts[:0], payload...)
	case ws.OpContinuation:
		if !c.pieces {
			return errFrame
		}
		if len(c.parts)+len(payload) > maxMessage {
			return errTooLarge
		}
		c.parts = append(c.parts, payload...)
		if fin {
			whole := c.parts
			c.pieces, c.parts = false, nil
			if c.state == open {
				l.handler.Message(c, whole)
			}
		}
	case ws.OpPing:
		l.control(c, control{ws.OpPong, string(payload)})
		if l.onPing != nil {
			l.onPing(c)
		}
	case ws.OpPong:
		l.handler.Pong(c)
	case ws.OpClose:
		l.receivedClose(c, payload)
	default:
		return errFrame
	}
	return nil
}

// receivedClose answers a close frame. The server then closes the connection, RFC 6455 §7.1.1, so that its end of the
// port is the one that waits. When the frame answers ours, that is still to come too.
func (l *Loop) receivedClose(c *Conn, payload []byte) {
	if c.state == closing {
		return
	}
	why := &CloseError{Code: int(ws.StatusNoStatusRcvd)}
	if len(payload) >= 2 {
		why.Code, why.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
	}
	l.sayClose(c, why)
}

// sayClose sends our close frame and begins to wait for the server's end. Closed is called with why.
func (l *Loop) sayClose(c *Conn, why error) {
	c.state, c.why = closing, why
	l.closing.add(c, l.Now())
	l.control(c, closeFrame)
}

// Send sends one text message, when the connection is open. It copies payload.
func (l *Loop) Send(c *Conn, payload []byte) {
	if c.state != open {
		return
	}
	l.frame = l.appendFrame(l.frame[:0], ws.OpText, payload)
	l.put(c, l.frame)
}

// Ping sends a ping, which Handler.Pong sees answered.
func (l *Loop) Ping(c *Conn) {
	if c.state == open {
		l.control(c, control{ws.OpPing, "sallyport"})
	}
}

func (l *Loop) control(c *Conn, f control) {
	var payload [ws.MaxControlFramePayloadSize]byte
	n := copy(payload[:], f.payload)
	l.frame = l.appendFrame(l.frame[:0], f.op, payload[:n])
	l.put(c, l.frame)
}

// appendFrame appends a masked frame.
func (l *Loop) appendFrame(b []byte, op ws.OpCode, payload []byte) []byte {
	const fin, masked = 0x80, 0x80
	b = append(b, fin|byte(op))
	switch n := len(payload); {
	case n < 126:
		b = append(b, masked|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), uint64(n))
	}
	var mask [4]byte
	binary.LittleEndian.PutUint32(mask[:], uint32(l.random.Uint64()))
	b = append(b, mask[:]...)
	from := len(b)
	b = append(b, payload...)
	ws.Cipher(b[from:], mask, 0)
	return b
}
