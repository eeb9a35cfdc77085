package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxExpression is the most bytes of an expression: a definition has many of them, and what they cost to parse grows with
// their length. It is the length that a JSON path may have by itself.
const maxExpression = 4096

// piece is a part of an expression: text, or the place of a variable.
type piece struct {
	literal string // "" for a variable
	// start is the index of the variable's dollar; its name is the expression's [begin:end].
	start, begin, end int
}

// pieces cuts an expression into text and variables: `$name` and `${name}` are variables, `\$` is a dollar.
//
// A variable without braces runs to the next `$`, `/`, white space or the end, so that hyphenated names need none; with
// braces to the `}`. Neither looks into square brackets, so a filter may contain all of these.
func pieces(s string) ([]piece, *SyntaxError) {
	if len(s) > maxExpression {
		return nil, syntaxError(s, 0, "the expression is longer than 4096 bytes", "")
	}
	var found []piece
	var literal strings.Builder
	endLiteral := func() {
		if literal.Len() > 0 {
			found = append(found, piece{literal: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], `\$`):
			literal.WriteByte('$')
			i += 2
		case s[i] != '$':
			literal.WriteByte(s[i])
			i++
		default:
			variable, next, err := cutVariable(s, i)
			if err != nil {
				return nil, err
			}
			endLiteral()
			found = append(found, variable)
			i = next
		}
	}
	endLiteral()
	if len(found) == 0 {
		return nil, syntaxError(s, 0, "the expression is empty", "for instance $request.body.action")
	}
	return found, nil
}

// cutVariable finds the end of the variable whose dollar stands at start, and the index behind it.
func cutVariable(s string, start int) (piece, int, *SyntaxError) {
	v := piece{start: start, begin: start + 1}
	braces := strings.HasPrefix(s[v.begin:], "{")
	ends := endsBare
	if braces {
		v.begin++
		ends = endsBraced
	}
	for v.end = v.begin; v.end < len(s); {
		r, size := utf8.DecodeRuneInString(s[v.end:])
		if ends(r) {
			break
		}
		if r == '[' {
			if size = bracketLength(s[v.end:]); size == 0 {
				return piece{}, 0, syntaxError(s, v.end, "the bracket is not closed", "write [0] or ['name']")
			}
		}
		v.end += size
	}
	if !braces {
		return v, v.end, nil
	}
	if v.end == len(s) {
		return piece{}, 0, syntaxError(s, start, "the brace is not closed", "write ${request.body.name}")
	}
	return v, v.end + 1, nil
}

func endsBraced(r rune) bool { return r == '}' }

func endsBare(r rune) bool { return r == '$' || r == '/' || unicode.IsSpace(r) }

// bracketLength is the length of […] at the start of s, 0 if it is not closed. Brackets within it, in quotes and in the
// /pattern/ behind =~ count as what they are there.
func bracketLength(s string) int {
	open := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[':
			open++
		case c == ']':
			if open--; open == 0 {
				return i + 1
			}
		case c == '\'' || c == '"':
			i += quotedLength(s[i:], c) - 1
		case strings.HasPrefix(s[i:], "=~"):
			i++
			rest := strings.TrimLeft(s[i+1:], " ")
			if strings.HasPrefix(rest, "/") {
				i = len(s) - len(rest)
				i += quotedLength(rest, '/') - 1
			}
		}
	}
	return 0
}

// quotedLength is the length of the text in quotes at the start of s; what is not closed reaches to the end.
func quotedLength(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(s)
}
