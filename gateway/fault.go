package gateway

import "strings"

// Fault is one thing that is wrong with a definition. Path names the place in the document by its keys, so that
// whoever knows the file can add a line and a column.
type Fault struct {
	// Path are the keys from the document's root, such as routes, join, integration; list items by their index.
	Path []string
	// Problem says what is wrong.
	Problem string
	// Hint says what would be right; it may be empty.
	Hint string
	// Excerpt shows the place within a text of several lines, such as a template: its line and, on a second one, a caret.
	// Empty where Path says enough.
	Excerpt string
}

// At returns the place as a dotted path, for messages without a file.
func (f Fault) At() string { return strings.Join(f.Path, ".") }

// String returns "path: problem (hint)".
func (f Fault) String() string {
	s := f.At() + ": " + f.Problem
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	return s
}
