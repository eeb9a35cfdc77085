package mapping

import (
	"strings"
	"unicode"
)

// bodyPrefix begins every variable of a route selection expression: after the handshake there is nothing but the body
// (contract/websocket-api.md §3).
const bodyPrefix = "request.body"

// Expression is a parsed selection expression, such as `${request.body.service}/${request.body.action}`.
type Expression struct{ parts []part }

// part is a literal, or a variable when it has a path.
type part struct {
	literal string
	path    path
}

// ParseExpression reads a selection expression over message bodies (contract/websocket-api.md §3): `$request.body.x`,
// `${request.body.x}`, both mixed with text, `\$` for a dollar. An error is a *SyntaxError.
//
// A variable without braces runs to the next `$`, `/`, white space or the end, so that hyphenated names need none.
func ParseExpression(s string) (*Expression, error) {
	e := &Expression{}
	var literal strings.Builder
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], `\$`):
			literal.WriteByte('$')
			i += 2
		case s[i] != '$':
			literal.WriteByte(s[i])
			i++
		default:
			variable, next, err := parseVariable(s, i)
			if err != nil {
				return nil, err
			}
			e.addLiteral(&literal)
			e.parts = append(e.parts, part{path: variable})
			i = next
		}
	}
	e.addLiteral(&literal)
	if len(e.parts) == 0 {
		return nil, syntaxError(s, 0, "the expression is empty", "for instance $request.body.action")
	}
	return e, nil
}

func (e *Expression) addLiteral(b *strings.Builder) {
	if b.Len() > 0 {
		e.parts = append(e.parts, part{literal: b.String()})
		b.Reset()
	}
}

// parseVariable reads the variable whose dollar stands at start and returns the index behind it.
func parseVariable(s string, start int) (path, int, error) {
	begin, end := start+1, 0
	next := 0
	if strings.HasPrefix(s[begin:], "{") {
		begin++
		length := strings.IndexByte(s[begin:], '}')
		if length < 0 {
			return nil, 0, syntaxError(s, start, "the brace is not closed", "write ${request.body.name}")
		}
		end = begin + length
		next = end + 1
	} else {
		end = begin + unwrappedLength(s[begin:])
		next = end
	}
	name := s[begin:end]
	rest, isBody := strings.CutPrefix(name, bodyPrefix)
	if !isBody || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return nil, 0, syntaxError(s, start, "unknown variable $"+name, hintForVariable(name))
	}
	if rest == "" {
		return nil, 0, syntaxError(s, end, "$request.body needs the name of a member", "for instance $request.body.action")
	}
	p, err := parsePath(s, begin+len(bodyPrefix), end)
	if err != nil {
		return nil, 0, err
	}
	return p, next, nil
}

func unwrappedLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return r == '$' || r == '/' || unicode.IsSpace(r) })
	if n < 0 {
		return len(s)
	}
	return n
}

func hintForVariable(name string) string {
	switch {
	case name == "":
		return `write \$ for a dollar sign`
	case strings.HasPrefix(name, "request.header"), strings.HasPrefix(name, "request.querystring"):
		return "messages have a body only; write $request.body.name"
	case strings.Contains(name, "."):
		return "write $request.body.name"
	}
	return `write $request.body.name, or \$` + name + ` for that text`
}

// Eval appends what e yields over body to dst. body is valid JSON (see Valid). A path that finds nothing, or null, yields
// the empty text; the rest of the expression stays (contract/websocket-api.md §3). Eval allocates only when dst is too
// small or a text in body has escapes.
func (e *Expression) Eval(dst []byte, body []byte) []byte {
	json := textOf(body)
	for i := range e.parts {
		p := &e.parts[i]
		if p.path == nil {
			dst = append(dst, p.literal...)
			continue
		}
		dst = appendValue(dst, p.path.find(json))
	}
	return dst
}
