package mapping

import (
	"errors"
	"strings"
	"unicode"

	"github.com/sallyport/sallyport/router/vtl/jsonpath"
)

// lookup is a path into a message: a plain one, or a JSON path for the engine, which reads the whole message first.
type lookup struct {
	plain path
	query *jsonpath.Path // nil for a plain path
	// backtracks: a filter has a regular expression, which may take a second for any message.
	backtracks bool
}

const (
	hintQuery = "for instance $request.body.list[?(@.name == 'x')].id"
	hintName  = "write ['name'] for a name that has it"
)

// parseLookup reads text[start:end], which is empty or a path without its $. Errors count their columns in the whole text.
//
// Names, indexes and ['quoted names'] make a plain path. Everything else that may stand in a JSON path is the engine's
// (contract/websocket-api.md §3). Outside brackets a name can't have characters that mean something in JSON paths, so that
// one which was meant otherwise is an error instead of a route that never matches.
func parseLookup(text string, start, end int) (lookup, *SyntaxError) {
	var plain path
	isPlain := true
	for i := start; i < end; {
		s, length, err := nextStep(text, i, end)
		if err != nil {
			return lookup{}, err
		}
		isPlain = isPlain && s.name != ""
		plain = append(plain, s)
		i += length
	}
	if isPlain {
		return lookup{plain: plain}, nil
	}
	query, err := jsonpath.Compile("$" + text[start:end])
	if err != nil {
		problem, offset := err.Error(), start
		if fault := (*jsonpath.SyntaxError)(nil); errors.As(err, &fault) {
			problem, offset = fault.Problem, min(start+max(fault.Offset-1, 0), end) // less the $
		}
		return lookup{}, syntaxError(text, offset, "no JSON path: "+problem, hintQuery)
	}
	return lookup{query: query, backtracks: strings.Contains(text[start:end], "=~")}, nil
}

// nextStep reads the step at the start of text[start:end] and returns its length. A step without a name is the engine's.
func nextStep(text string, start, end int) (step, int, *SyntaxError) {
	s := text[start:end]
	switch {
	case s[0] == '[':
		length := bracketLength(s)
		if length == 0 {
			return step{}, 0, syntaxError(text, start, "the bracket is not closed", "write [0] or ['name']")
		}
		return bracketStep(s[1 : length-1]), length, nil
	case s[0] != '.':
		return step{}, 0, syntaxError(text, start, "a dot or a bracket should stand here", "write .name or [0]")
	case strings.HasPrefix(s, "..["), strings.HasPrefix(s, ".["):
		return step{}, strings.IndexByte(s, '['), nil // the bracket is the next step
	}
	dots := 1
	if strings.HasPrefix(s, "..") {
		dots = 2
	}
	length := dots + nameLength(s[dots:])
	name := s[dots:length]
	switch {
	case name == "":
		return step{}, 0, syntaxError(text, start+dots-1, "a name is missing after the dot", "name each level of the message")
	case name == "*":
		return step{}, length, nil
	}
	if bad := strings.IndexFunc(name, refusedInName); bad >= 0 {
		return step{}, 0, syntaxError(text, start+dots+bad, "this character can't stand in a name", hintName)
	}
	if dots == 2 {
		return step{}, length, nil
	}
	return memberStep(name), length, nil
}

// bracketStep reads the inside of brackets: digits or one quoted name, else it is the engine's.
func bracketStep(inside string) step {
	if s := memberStep(inside); s.index != noIndex {
		return s
	}
	inside = strings.Trim(inside, " ")
	if len(inside) < 3 || inside[0] != '\'' && inside[0] != '"' {
		return step{}
	}
	quote, name := inside[:1], inside[1:len(inside)-1]
	if inside[len(inside)-1:] != quote || strings.ContainsAny(name, quote+`\`) {
		return step{}
	}
	s := memberStep(name)
	s.index = noIndex // a quoted number names a member
	return s
}

func nameLength(s string) int {
	if n := strings.IndexAny(s, ".["); n >= 0 {
		return n
	}
	return len(s)
}

func refusedInName(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`*?()'"\]{}`, r)
}
