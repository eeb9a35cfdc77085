package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Position is a place in a file. Line and Column count from 1, columns in characters; both are 0 where the place is
// the file as a whole.
type Position struct{ Line, Column int }

// Problem is one thing that is wrong with a document, at its place in the file.
type Problem struct {
	File string
	Position
	// Path are the keys from the document's root to the place; empty when the problem is the document itself.
	Path []string
	// Message says what is wrong, Hint what would be right; Hint may be empty.
	Message, Hint string
	// Excerpt is a line of the value at the place and a second one with a caret; it may be empty.
	Excerpt string
}

// Error returns "file:line:col: message (hint)", the form in which editors and terminals make places clickable, and the
// excerpt on lines of its own.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	for line := range strings.Lines(p.Excerpt) {
		b.WriteString("\n    " + strings.TrimSuffix(line, "\n"))
	}
	return b.String()
}

// quotedLength is how much of a document's own text a message repeats: enough to recognise it, and no more than a
// line of a terminal however long the text is.
const quotedLength = 60

// quote repeats a piece of the document in a message: printable, and cut when long.
func quote(s string) string {
	return fmt.Sprintf("%q", shorten(s))
}

func shorten(s string) string {
	if len(s) <= quotedLength {
		return s
	}
	cut := quotedLength
	for cut > 0 && s[cut]&0xC0 == 0x80 { // not inside a character
		cut--
	}
	return s[:cut] + "…"
}

// dotted is a path as it stands in messages: routes.join.integration.
func dotted(path []string) string {
	short := make([]string, len(path))
	for i, key := range path {
		short[i] = printable(shorten(key))
	}
	return strings.Join(short, ".")
}

// printable quotes a key that a terminal should not get as it is.
func printable(key string) string {
	if quoted := fmt.Sprintf("%q", key); key == "" || quoted[1:len(quoted)-1] != key && strings.ContainsFunc(key, isControl) {
		return quoted
	}
	return key
}

// withoutControls makes a text that may repeat the document's own fit for a terminal.
func withoutControls(text string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

func isControl(r rune) bool {
	return r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 || r == 0x2028 || r == 0x2029
}

// inFileOrder sorts problems as a reader meets them; those of one place keep their order.
func inFileOrder(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
