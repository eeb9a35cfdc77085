package mapping

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"
)

// maxIndexDigits keeps array indexes far from the overflow of gjson's number parser; no message is that long.
const maxIndexDigits = 9

// path leads to a value inside a JSON document, one step a level.
type path []step

// step is one level of a path. In an object it is a member's name, in an array an index: only the document decides.
type step struct {
	name  string // escaped for gjson
	index string // canonical decimal, "" when the step can't be an index
}

// memberStep takes name as a whole, dots included.
func memberStep(name string) step {
	s := step{name: gjson.Escape(name)}
	if len(name) <= maxIndexDigits {
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			s.index = strconv.FormatUint(n, 10)
		}
	}
	return s
}

// parsePath reads text[start:end], which is empty or a sequence of ".name" and "[index]". Errors count their columns in
// the whole text.
func parsePath(text string, start, end int) (path, *SyntaxError) {
	var p path
	for i := start; i < end; {
		switch text[i] {
		case '.':
			stop := i + 1 + nameLength(text[i+1:end])
			name := text[i+1 : stop]
			if name == "" {
				return nil, syntaxError(text, i, "a name is missing after the dot", "name each level of the message")
			}
			if bad := strings.IndexFunc(name, refusedInName); bad >= 0 {
				return nil, syntaxError(text, i+1+bad, "this character can't stand in a name", "paths are plain names and [index]")
			}
			p = append(p, memberStep(name))
			i = stop
		case '[':
			length := strings.IndexByte(text[i:end], ']')
			if length < 0 {
				return nil, syntaxError(text, i, "the bracket is not closed", "write [0]")
			}
			digits := text[i+1 : i+length]
			s := memberStep(digits)
			if s.index == "" {
				return nil, syntaxError(text, i+1, "only a number can stand in brackets", "write [0], or .name for a member")
			}
			p = append(p, s)
			i += length + 1
		default:
			return nil, syntaxError(text, i, "a dot or a bracket should stand here", "write .name or [0]")
		}
	}
	return p, nil
}

func nameLength(s string) int {
	if n := strings.IndexAny(s, ".["); n >= 0 {
		return n
	}
	return len(s)
}

// refusedInName finds what means something in JSONPath, so that an expression that works there in another sense is
// an error here instead of a route that never matches.
func refusedInName(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`*?()'"\]{}`, r)
}

// find returns the value that p leads to, or one that does not exist. json is valid JSON.
func (p path) find(json string) gjson.Result {
	if len(p) == 0 {
		return gjson.Parse(json)
	}
	var found gjson.Result
	for _, s := range p {
		// gjson looks for the first bracket wherever it stands, also inside a string, so the kind is checked here.
		json = trimSpace(json)
		if json == "" {
			return gjson.Result{}
		}
		switch {
		case json[0] == '{':
			found = gjson.Get(json, s.name)
		case json[0] == '[' && s.index != "":
			found = gjson.Get(json, s.index)
		default:
			return gjson.Result{}
		}
		if !found.Exists() {
			return gjson.Result{}
		}
		json = found.Raw
	}
	return found
}

func trimSpace(json string) string {
	for i := range len(json) {
		switch json[i] {
		case ' ', '\t', '\n', '\r':
		default:
			return json[i:]
		}
	}
	return ""
}
