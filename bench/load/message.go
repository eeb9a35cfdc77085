package load

import (
	"bytes"
	"strconv"
	"strings"
)

// template makes messages: text with %d for the message's number and %c for the connection's, filled
// with spaces up to a size. Spaces behind a JSON value change nothing.
type template struct {
	parts []string // text, mark, text, mark, …
	size  int
	space []byte // size of it
	whole []byte // when there are no marks
}

const (
	markNumber     = "%d"
	markConnection = "%c"
)

func newTemplate(text string, size int) *template {
	t := &template{size: size, space: bytes.Repeat([]byte{' '}, size)}
	for {
		at := strings.IndexByte(text, '%')
		for at >= 0 && !strings.HasPrefix(text[at:], markNumber) && !strings.HasPrefix(text[at:], markConnection) {
			next := strings.IndexByte(text[at+1:], '%')
			if next < 0 {
				at = -1
			} else {
				at += 1 + next
			}
		}
		if at < 0 {
			t.parts = append(t.parts, text)
			break
		}
		t.parts = append(t.parts, text[:at], text[at:at+2])
		text = text[at+2:]
	}
	if len(t.parts) == 1 {
		t.whole = t.pad([]byte(text))
	}
	return t
}

// render appends message number n of a connection to b[:0]. The result is read only, and holds until the next call.
func (t *template) render(b []byte, n int64, connection int) []byte {
	if t.whole != nil {
		return t.whole
	}
	b = b[:0]
	for _, part := range t.parts {
		switch part {
		case markNumber:
			b = strconv.AppendInt(b, n, 10)
		case markConnection:
			b = strconv.AppendInt(b, int64(connection), 10)
		default:
			b = append(b, part...)
		}
	}
	return t.pad(b)
}

func (t *template) pad(b []byte) []byte {
	return append(b, t.space[:max(t.size-len(b), 0)]...)
}
