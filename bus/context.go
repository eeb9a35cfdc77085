package bus

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/tidwall/gjson"
)

// contextIDs are the members of an event's context that the bus itself reads.
type contextIDs struct{ connection, request string }

// The members' names, as schemas/event writes them.
const (
	memberConnection = "connectionId"
	memberRequest    = "requestId"
)

// bytesOf returns the bytes of text without a copy: for reading only.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// textOf returns bytes as text without a copy. They must not change as long as the text is used.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// readContext checks that text is JSON and finds the ids in it, which are parts of text. It goes over the bytes once: a
// check and two searches one after the other cost a worker three times as much for each event.
func readContext(text string) (contextIDs, bool) {
	s := scanner{b: bytesOf(text)}
	s.space()
	if s.peek() != '{' {
		return contextIDs{}, s.value() && s.atEnd()
	}
	var connection, request, plain = span{}, span{}, true
	ok := s.object(func(key, value span) {
		switch name := text[key.from:key.to]; {
		case key.escaped:
			plain = false
		case name == memberConnection:
			connection.first(value)
		case name == memberRequest:
			request.first(value)
		}
	})
	if !ok || !s.atEnd() {
		return contextIDs{}, false
	}
	if !plain || connection.escaped || request.escaped { // nobody who means well writes them so
		return contextIDs{gjson.Get(text, memberConnection).Str, gjson.Get(text, memberRequest).Str}, true
	}
	return contextIDs{text[connection.from:connection.to], text[request.from:request.to]}, true
}

// span is where a string's content lies. escaped says that it stands for other bytes. What is no string has no content.
type span struct {
	from, to int
	escaped  bool
	seen     bool
}

// first keeps the first of several members of one name.
func (s *span) first(value span) {
	if !s.seen {
		*s = value
		s.seen = true
	}
}

// scanner goes over JSON text (RFC 8259). Like most readers it does not look into UTF-8.
type scanner struct {
	depth int
	b     []byte
	i     int
}

// peek returns the byte at hand; 0, which JSON nowhere has, at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

func (s *scanner) atEnd() bool {
	s.space()
	return s.i == len(s.b)
}

// take goes past c, if that is what comes.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// maxDepth is how deep values may be nested: ours are a few levels deep, and each level costs stack.
const maxDepth = 1000

// value goes past any value.
func (s *scanner) value() bool {
	if s.depth >= maxDepth {
		return false
	}
	s.depth++
	defer func() { s.depth-- }()
	switch c := s.peek(); c {
	case '"':
		_, ok := s.text()
		return ok
	case '{':
		return s.object(nil)
	case '[':
		return s.array()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// object goes past an object and calls member, if there is one, for each of its members.
func (s *scanner) object(member func(key, value span)) bool {
	s.i++
	s.space()
	if s.take('}') {
		return true
	}
	for {
		key, ok := s.text()
		if !ok {
			return false
		}
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		var value span
		if s.peek() == '"' {
			value, ok = s.text()
		} else {
			ok = s.value()
		}
		if !ok {
			return false
		}
		if member != nil {
			member(key, value)
		}
		s.space()
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

func (s *scanner) array() bool {
	s.i++
	s.space()
	if s.take(']') {
		return true
	}
	for {
		if !s.value() {
			return false
		}
		s.space()
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

// text goes past a string.
func (s *scanner) text() (span, bool) {
	if !s.take('"') {
		return span{}, false
	}
	content := span{from: s.i}
	for {
		s.plain()
		switch c := s.peek(); {
		case c == '"':
			content.to = s.i
			s.i++
			return content, true
		case c == '\\':
			content.escaped = true
			if s.i++; !s.escape() {
				return span{}, false
			}
		case c < ' ': // the end among them
			return span{}, false
		default:
			s.i++
		}
	}
}

// plain goes past eight bytes at a time as long as none of them needs a look.
func (s *scanner) plain() {
	const (
		each  = 0x0101010101010101
		high  = 0x8080808080808080
		width = 8
	)
	for s.i+width <= len(s.b) {
		w := binary.LittleEndian.Uint64(s.b[s.i:])
		quote, escape := w^(each*'"'), w^(each*'\\')
		// The lowest bit that is set marks the first byte that is a quote, a backslash or a control character.
		found := ((w-each*' ')&^w | (quote-each)&^quote | (escape-each)&^escape) & high
		if found != 0 {
			s.i += bits.TrailingZeros64(found) / width
			return
		}
		s.i += width
	}
}

// escape goes past what follows a backslash.
func (s *scanner) escape() bool {
	c := s.peek()
	s.i++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		const digits = 4
		for range digits {
			if !isHex(s.peek()) {
				return false
			}
			s.i++
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.peek()|0x20 != 'e' {
		return true
	}
	s.i++
	if !s.take('+') {
		s.take('-')
	}
	return s.digits()
}

// digits goes past at least one.
func (s *scanner) digits() bool {
	from := s.i
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > from
}
