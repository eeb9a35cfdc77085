package mapping

import (
	"slices"
	"strings"
)

// bodyPrefix begins every variable of a route selection expression: after the handshake there is nothing but the body
// (contract/websocket-api.md §3).
const bodyPrefix = "request.body"

// Expression is a parsed selection expression, such as `${request.body.service}/${request.body.action}`.
type Expression struct{ parts []part }

// part is a literal, or a variable when that is "".
type part struct {
	literal string
	lookup  lookup
}

// ParseExpression reads a selection expression over message bodies (contract/websocket-api.md §3): `$request.body.x`,
// `${request.body.x}`, both mixed with text, `\$` for a dollar; x is any JSON path. An error is a *SyntaxError.
//
// A variable without braces runs to the next `$`, `/`, white space or the end, so that hyphenated names need none. What
// stands in square brackets ends no variable, with braces or without.
func ParseExpression(s string) (*Expression, error) {
	found, err := pieces(s)
	if err != nil {
		return nil, err
	}
	e := &Expression{parts: make([]part, 0, len(found))}
	for _, one := range found {
		p := part{literal: one.literal}
		if one.literal == "" {
			if p.lookup, err = parseBodyVariable(s, one, hintForVariable); err != nil {
				return nil, err
			}
		}
		e.parts = append(e.parts, p)
	}
	return e, nil
}

// parseBodyVariable reads request.body with a path. hint says what a variable of another name should be.
func parseBodyVariable(s string, v piece, hint func(name string) string) (lookup, *SyntaxError) {
	name := s[v.begin:v.end]
	rest, isBody := strings.CutPrefix(name, bodyPrefix)
	if !isBody || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return lookup{}, syntaxError(s, v.start, "unknown variable $"+name, hint(name))
	}
	if rest == "" {
		return lookup{}, syntaxError(s, v.end, "$request.body needs the name of a member", "for instance $request.body.action")
	}
	return parseLookup(s, v.begin+len(bodyPrefix), v.end)
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

// Queries reports whether e has a JSON path beyond names and indexes, which reads the whole message first.
func (e *Expression) Queries() bool {
	return slices.ContainsFunc(e.parts, func(p part) bool { return p.lookup.query != nil })
}

// Backtracks reports whether e has a filter with a regular expression. Java's kind of them may take up to a second for a
// message of any size.
func (e *Expression) Backtracks() bool {
	return slices.ContainsFunc(e.parts, func(p part) bool { return p.lookup.backtracks })
}

// Eval appends what e yields over body to dst. body is valid JSON (see Valid). A path that finds nothing, or null, yields
// the empty text, and so does one that needs more work than a message of that length may cost; the rest of the expression
// stays (contract/websocket-api.md §3). Where all paths are plain names and indexes, Eval allocates only when dst is too
// small or a text in body has escapes.
func (e *Expression) Eval(dst []byte, body []byte) []byte {
	d := document{json: textOf(body)}
	for i := range e.parts {
		p := &e.parts[i]
		if p.literal != "" {
			dst = append(dst, p.literal...)
			continue
		}
		dst = d.append(dst, &p.lookup)
	}
	return dst
}
