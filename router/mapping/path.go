package mapping

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// maxIndexDigits keeps array indexes far from overflow; no message is that long.
const maxIndexDigits = 9

// path leads to a value inside a JSON document, one step a level.
type path []step

// step is one level of a path. In an object it is a member's name, in an array an index: only the document decides.
type step struct {
	name  string
	index int // noIndex when the step can't be one
}

const noIndex = -1

// memberStep takes name as a whole, dots included.
func memberStep(name string) step {
	s := step{name: name, index: noIndex}
	if len(name) <= maxIndexDigits {
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			s.index = int(n)
		}
	}
	return s
}

// parsePath reads text[start:end], a plain path. Errors count their columns in the whole text.
func parsePath(text string, start, end int) (path, *SyntaxError) {
	l, err := parseLookup(text, start, end)
	if err == nil && l.query != nil {
		return nil, syntaxError(text, start, "only names and indexes can stand here", "write .name or [0]")
	}
	return l.plain, err
}

// find returns the value that p leads to, or one that does not exist. json is valid JSON.
func (p path) find(json string) gjson.Result {
	if len(p) == 0 {
		return gjson.Parse(json)
	}
	for _, s := range p {
		if json = json[skipSpace(json, 0):]; json == "" {
			return gjson.Result{}
		}
		switch {
		case json[0] == '{':
			json = memberOf(json, s.name)
		case json[0] == '[' && s.index != noIndex:
			json = itemOf(json, s.index)
		default:
			return gjson.Result{}
		}
	}
	if json == "" {
		return gjson.Result{}
	}
	return gjson.Parse(json)
}
