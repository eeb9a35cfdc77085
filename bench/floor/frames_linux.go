package floor

import (
	"bytes"
	"crypto/sha1" // the handshake of RFC 6455 §4.2.2 asks for it; it protects nothing
	"encoding/base64"
	"encoding/binary"

	"github.com/gobwas/ws"
)

// acceptSuffix is appended to the key before it is hashed, RFC 6455 §1.3.
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// maxHead bounds a handshake.
const maxHead = 8 << 10

// handshake answers a whole request and returns its length, or 0 when it is not whole yet.
func (e *echo) handshake(data []byte) (used int, stays bool) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, len(data) < maxHead
	}
	key := keyOf(data[:end])
	if key == nil {
		e.write = append(e.write, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"...)
		return end + 4, false
	}
	sum := sha1.Sum(append(bytes.Clone(key), acceptSuffix...))
	e.write = append(e.write, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	e.write = base64.StdEncoding.AppendEncode(e.write, sum[:])
	e.write = append(e.write, "\r\n\r\n"...)
	return end + 4, true
}

// keyOf returns the value of Sec-WebSocket-Key, or nil.
func keyOf(head []byte) []byte {
	const name = "Sec-WebSocket-Key:"
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\r\n"))
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name):])
		}
		head = rest
	}
	return nil
}

// frames echoes the whole frames of data, and returns how long they were.
func (e *echo) frames(data []byte) (used int, stays bool) {
	for {
		rest := data[used:]
		if len(rest) < 2 {
			return used, true
		}
		head, length := 2, uint64(rest[1]&0x7f)
		switch {
		case length == 126 && len(rest) >= 4:
			head, length = 4, uint64(binary.BigEndian.Uint16(rest[2:]))
		case length == 127 && len(rest) >= 10:
			head, length = 10, binary.BigEndian.Uint64(rest[2:])
		case length > 125:
			return used, true
		}
		if rest[1]&0x80 == 0 || length > readSize-14 {
			return used, false // clients mask
		}
		if uint64(len(rest)) < uint64(head)+4+length {
			return used, true
		}
		payload := rest[head+4 : head+4+int(length)]
		ws.Cipher(payload, [4]byte(rest[head:]), 0)
		op := rest[0] & 0x0f
		if ws.OpCode(op) == ws.OpPing {
			op = byte(ws.OpPong)
		}
		e.answer(rest[0]&0xf0|op, payload)
		used += head + 4 + len(payload)
		if ws.OpCode(op) == ws.OpClose {
			return used, false // its own frame is the answer
		}
	}
}

// answer appends a server's frame to what will be written.
func (e *echo) answer(first byte, payload []byte) {
	e.write = append(e.write, first)
	switch n := len(payload); {
	case n < 126:
		e.write = append(e.write, byte(n))
	case n <= 0xffff:
		e.write = binary.BigEndian.AppendUint16(append(e.write, 126), uint16(n))
	default:
		e.write = binary.BigEndian.AppendUint64(append(e.write, 127), uint64(n))
	}
	e.write = append(e.write, payload...)
}
