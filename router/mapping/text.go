package mapping

import (
	"bytes"
	"unsafe"

	"github.com/tidwall/gjson"
)

// MaxDepth is how deep a message may nest and still count as JSON. gjson's validator recurses, and a megabyte of '['
// would make it fill hundreds of megabytes of stack. 1,000 is what common JSON readers of backends take.
const MaxDepth = 1000

// Valid reports whether body is JSON that nests at most MaxDepth levels. Eval and Apply expect it of the bodies they
// read; text that is not valid has no fields.
func Valid(body []byte) bool {
	return !deeperThan(body, MaxDepth) && gjson.ValidBytes(body)
}

// deeperThan reports whether body opens more than limit brackets at once. Invalid JSON may give either answer.
func deeperThan(body []byte, limit int) bool {
	// Most messages are decided here: they are too short, or have too few brackets.
	if len(body) <= limit || bytes.Count(body, []byte{'['})+bytes.Count(body, []byte{'{'}) <= limit {
		return false
	}
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// textOf shows b as a string without copying it, as gjson does itself. The string and all that gjson cuts from it is
// used only while the caller holds b, which nobody writes to (gateway.Event).
func textOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// bytesOf is the opposite of textOf, for readers that take bytes and keep none.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// appendValue writes a value the way selection expressions see it (contract/websocket-api.md §3): strings bare, numbers
// and booleans as their JSON text, nothing for null and what is missing, lists as [a, b], objects as compact JSON.
func appendValue(dst []byte, v gjson.Result) []byte {
	switch v.Type {
	case gjson.String:
		return append(dst, v.Str...)
	case gjson.Number, gjson.True, gjson.False:
		return append(dst, v.Raw...)
	case gjson.JSON:
		return appendContainer(dst, v.Raw)
	default:
		return dst
	}
}

// appendContainer writes a list or an object in one pass, so that deep nesting costs no more than length.
func appendContainer(dst []byte, raw string) []byte {
	inObject := 0 // open brackets since the outermost object; 0 while only lists are open
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch c {
		case ' ', '\t', '\n', '\r':
		case '"':
			end := stringEnd(raw, i)
			if inObject > 0 {
				dst = append(dst, raw[i:end]...)
			} else {
				dst = append(dst, gjson.Parse(raw[i:end]).Str...)
			}
			i = end - 1
		case '{':
			inObject++
			dst = append(dst, c)
		case '[':
			if inObject > 0 {
				inObject++
			}
			dst = append(dst, c)
		case '}', ']':
			if inObject > 0 {
				inObject--
			}
			dst = append(dst, c)
		case ',':
			dst = append(dst, c)
			if inObject == 0 {
				dst = append(dst, ' ')
			}
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
