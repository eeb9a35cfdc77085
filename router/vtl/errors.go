package vtl

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/router/vtl/javalang"
	"github.com/sallyport/sallyport/router/vtl/javaregex"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// Kind says when a template failed.
type Kind uint8

// The kinds of errors.
const (
	// KindParse: the text is no template.
	KindParse Kind = iota + 1
	// KindRuntime: rendering failed, as it does for an index out of range.
	KindRuntime
	// KindLimit: a limit of limits.go was reached.
	KindLimit
)

// Error is a fault of a template at its place. It may be shown to whoever wrote the template, and to nobody else: it
// quotes the template's text.
type Error struct {
	Kind Kind
	// Name is the name that Parse was given.
	Name string
	// Line and Column count from 1, columns in characters.
	Line, Column int
	Problem      string
	// Rule is what the language says about it, such as "a binary minus needs blanks around it"; it may be empty.
	Rule string
	// Source is the line of the template.
	Source string
}

// Error returns "name:line:column: problem (rule)".
func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Problem)
	if e.Rule != "" {
		s += " (" + e.Rule + ")"
	}
	return s
}

// shownLine is how many characters of a line an excerpt shows: what fits into a terminal.
const shownLine = 100

// Excerpt returns the line and, below it, a caret under the column.
func (e *Error) Excerpt() string {
	line, at := []rune(strings.TrimRight(e.Source, "\r\n")), e.Column-1
	if from := max(0, at-shownLine/2); len(line) > shownLine {
		line, at = line[min(from, len(line)):], at-from
		line = line[:min(len(line), shownLine)]
	}
	return strings.Map(printable, string(line)) + "\n" + strings.Repeat(" ", min(max(at, 0), len(line))) + "^"
}

// printable keeps control characters of a template away from a terminal, and tabs from moving the caret.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case r < ' ', r >= 0x7F && r < 0xA0, r == 0x2028, r == 0x2029:
		return utf8.RuneError
	}
	return r
}

// position turns a byte offset into a line, a column and the line's text.
func position(text string, at int) (line, column int, source string) {
	at = min(max(at, 0), len(text))
	start := strings.LastIndexByte(text[:at], '\n') + 1
	source = text[start:]
	if end := strings.IndexByte(source, '\n'); end >= 0 {
		source = source[:end]
	}
	return strings.Count(text[:start], "\n") + 1, utf8.RuneCountInString(text[start:at]) + 1, source
}

func errorAt(kind Kind, name, text string, at int, problem, rule string) *Error {
	line, column, source := position(text, at)
	return &Error{Kind: kind, Name: name, Line: line, Column: column, Problem: problem, Rule: rule, Source: source}
}

// The errors of a run that are not yet at a place.
var (
	errOutput = fmt.Errorf("the output is longer than allowed")
	errRounds = fmt.Errorf("the loop goes round more often than allowed")
	errDepth  = fmt.Errorf("blocks, macros or #evaluate are nested too deep")
)

// fault is a failure of a template that is no limit.
type fault struct{ problem, rule string }

func (f *fault) Error() string { return f.problem }

// located gives err its place, unless it has one or only steers the control flow.
func (r *run) located(err error, at int) error {
	if err == nil {
		return nil
	}
	return r.placed(err, at)
}

func (r *run) placed(err error, at int) error {
	var known *Error
	if errors.As(err, &known) || isControl(err) {
		return err
	}
	kind, problem, rule := KindRuntime, err.Error(), ""
	for _, limit := range []error{
		errOutput, errRounds, errDepth, value.ErrWork, value.ErrTime, value.ErrDepth, javaregex.ErrTime, javalang.ErrTooLong,
	} {
		if errors.Is(err, limit) {
			kind = KindLimit
		}
	}
	if f, ok := err.(*fault); ok {
		rule = f.rule
	}
	return errorAt(kind, r.template.name, r.template.text, at, problem, rule)
}
