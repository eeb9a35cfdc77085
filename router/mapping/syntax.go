package mapping

import (
	"fmt"
	"unicode/utf8"
)

// SyntaxError says where a text of a definition can't be read.
type SyntaxError struct {
	// Column counts characters from 1.
	Column  int
	Problem string
	// Hint says what would be right; it may be empty.
	Hint string
}

// Error returns "column N: problem (hint)".
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("column %d: %s", e.Column, e.Problem)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// syntaxError blames the byte at offset of text.
func syntaxError(text string, offset int, problem, hint string) *SyntaxError {
	return &SyntaxError{Column: utf8.RuneCountInString(text[:offset]) + 1, Problem: problem, Hint: hint}
}
