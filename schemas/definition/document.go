package definition

import (
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// Document is a loaded file: the API that it describes and where each part of it stands. It is read only once it was
// returned, and may then be used concurrently.
type Document struct {
	// API holds what could be read. It is complete only if Load reported no problem, but its maps never hold nil.
	API  *gateway.API
	File string

	root *place
}

// place is one value of the document: where it stands, and what it contains.
type place struct {
	// at is the place of the value's key, or of the value itself where it has none (the document, items of lists).
	at Position
	// faulty marks a value that Load has complained about: what else is found there is a consequence.
	faulty   bool
	children map[string]*place
}

// child returns the place of a key, making it on first use. The first of several equal keys keeps the place.
func (p *place) child(key string, at Position) *place {
	if c, ok := p.children[key]; ok {
		return c
	}
	if p.children == nil {
		p.children = make(map[string]*place)
	}
	c := &place{at: at}
	p.children[key] = c
	return c
}

// Locate gives a fault its place in the file: that of the key that f.Path names, or of the nearest ancestor that the
// file holds when the fault is about something that is missing.
func (d *Document) Locate(f gateway.Fault) Problem {
	here := d.root
	for _, key := range f.Path {
		next, ok := here.children[key]
		if !ok {
			break
		}
		here = next
	}
	message := withoutControls(f.Problem)
	if len(f.Path) > 0 {
		message = dotted(f.Path) + ": " + message
	}
	excerpt := strings.Split(f.Excerpt, "\n")
	for i, line := range excerpt {
		excerpt[i] = withoutControls(line)
	}
	return Problem{
		File: d.File, Position: here.at, Path: f.Path,
		Message: message, Hint: withoutControls(f.Hint), Excerpt: strings.Join(excerpt, "\n"),
	}
}

// Explain locates faults, in the order of the file. It leaves out those at or below a value that Load has already
// complained about, because they tell the same thing twice.
func (d *Document) Explain(faults []gateway.Fault) []Problem {
	var problems []Problem
	for _, f := range faults {
		if !d.known(f.Path) {
			problems = append(problems, d.Locate(f))
		}
	}
	inFileOrder(problems)
	return problems
}

// known reports whether Load has complained about the value at path or one around it.
func (d *Document) known(path []string) bool {
	here := d.root
	for _, key := range path {
		next, ok := here.children[key]
		if !ok {
			return false
		}
		if next.faulty {
			return true
		}
		here = next
	}
	return false
}
