package jsonpath

import (
	"fmt"
	"strconv"
	"strings"
)

// The limits of a path's text.
const (
	maxPath  = 4096
	maxSteps = 256
	// maxNesting bounds paths and parentheses within filters.
	maxNesting = 32
)

// Compile reads a path; the $ in front may be missing. The error is a *SyntaxError, which is an ErrPath.
func Compile(text string) (*Path, error) {
	text = strings.Trim(text, " \t\r\n")
	if text == "" {
		return nil, &SyntaxError{Problem: "it is empty"}
	}
	if text[0] != '$' {
		text = "$." + text
	}
	c := compiler{text: text, at: 1}
	return c.path(0)
}

// compiler reads a path from left to right.
type compiler struct {
	text string
	at   int
}

func (c *compiler) fault(format string, args ...any) error {
	return &SyntaxError{Offset: c.at, Problem: fmt.Sprintf(format, args...), text: c.text}
}

// SyntaxError says where a path can't be read.
type SyntaxError struct {
	// Offset is the index of a byte in the path, its $ included and blanks around it left out; it may be the path's end.
	Offset  int
	Problem string
	text    string
}

// Error says what is wrong, and where in the text.
func (e *SyntaxError) Error() string {
	s := ErrPath.Error() + ": " + e.Problem
	if e.text != "" {
		s += fmt.Sprintf(" at character %d of %s", e.Offset+1, shorten(e.text))
	}
	return s
}

// Unwrap returns ErrPath.
func (e *SyntaxError) Unwrap() error { return ErrPath }

// shorten cuts a text for a message.
func shorten(s string) string {
	const shown = 60
	if len(s) > shown {
		s = s[:shown] + "…"
	}
	return strconv.Quote(s)
}

func (c *compiler) peek(n int) byte {
	if c.at+n < len(c.text) {
		return c.text[c.at+n]
	}
	return 0
}

// path reads the steps behind a $ or @ up to the end of the text.
func (c *compiler) path(nesting int) (*Path, error) {
	if len(c.text) > maxPath {
		return nil, &SyntaxError{Problem: "it is too long"}
	}
	if nesting > maxNesting {
		return nil, c.fault("nested too deep")
	}
	p := &Path{definite: true}
	link := &p.first
	for count := 0; c.at < len(c.text); count++ {
		if count == maxSteps {
			return nil, c.fault("more than %d steps", maxSteps)
		}
		deep := strings.HasPrefix(c.text[c.at:], "..")
		if deep {
			c.at += 2
		}
		s, rest, err := c.step(deep, nesting)
		if err != nil {
			return nil, err
		}
		switch s := s.(type) {
		case *member, *fromEnd:
		case *indices:
			p.definite = p.definite && len(s.at) == 1
		default:
			p.definite = false
		}
		if *link = s; deep {
			*link = &scan{s}
			p.definite = false
		}
		link = rest
	}
	return p, nil
}

// step reads one step and returns it with the place for its successor.
func (c *compiler) step(deep bool, nesting int) (step, *step, error) {
	switch c.peek(0) {
	case '[':
		return c.bracket(nesting)
	case '.':
		if deep {
			return nil, nil, c.fault("a third dot")
		}
		c.at++
	default:
		if !deep {
			return nil, nil, c.fault("neither a dot nor a bracket")
		}
	}
	if c.peek(0) == '[' {
		return c.bracket(nesting)
	}
	end := c.at
	for end < len(c.text) && c.text[end] != '.' && c.text[end] != '[' {
		if c.text[end] == ' ' {
			c.at = end
			return nil, nil, c.fault("a blank; use ['name with blank']")
		}
		end++
	}
	name := c.text[c.at:end]
	if name == "" {
		return nil, nil, c.fault("a name is missing")
	}
	c.at = end
	if name == "*" {
		s := &wildcard{}
		return s, &s.next, nil
	}
	s := &member{names: []string{name}}
	return s, &s.next, nil
}

// bracket reads […].
func (c *compiler) bracket(nesting int) (step, *step, error) {
	c.at++
	c.blanks()
	switch b := c.peek(0); {
	case b == '\'' || b == '"':
		return c.names()
	case b == '?':
		c.at++
		c.blanks()
		t, err := c.filter(nesting)
		if err != nil {
			return nil, nil, err
		}
		s := &filter{test: t}
		return s, &s.next, c.close()
	case b == '*':
		c.at++
		s := &wildcard{}
		return s, &s.next, c.close()
	case b == '(':
		return c.fromEnd()
	}
	return c.numbers()
}

func (c *compiler) blanks() {
	for c.peek(0) == ' ' {
		c.at++
	}
}

func (c *compiler) close() error {
	c.blanks()
	if c.peek(0) != ']' {
		return c.fault("a ] is missing")
	}
	c.at++
	return nil
}

func (c *compiler) names() (step, *step, error) {
	s := &member{}
	for {
		c.blanks()
		name, err := c.quoted()
		if err != nil {
			return nil, nil, err
		}
		s.names = append(s.names, name)
		if c.blanks(); c.peek(0) != ',' {
			return s, &s.next, c.close()
		}
		c.at++
	}
}

// quoted reads a string in either kind of quotes, with backslashes before quotes and backslashes.
func (c *compiler) quoted() (string, error) {
	quote := c.peek(0)
	if quote != '\'' && quote != '"' {
		return "", c.fault("a quoted text is missing")
	}
	var b strings.Builder
	for c.at++; c.at < len(c.text); c.at++ {
		switch ch := c.text[c.at]; {
		case ch == quote:
			c.at++
			return b.String(), nil
		case ch == '\\' && c.at+1 < len(c.text):
			c.at++
			b.WriteByte(c.text[c.at])
		default:
			b.WriteByte(ch)
		}
	}
	return "", c.fault("a quote is not closed")
}

// fromEnd reads [(@.length-1)].
func (c *compiler) fromEnd() (step, *step, error) {
	end := strings.IndexByte(c.text[c.at:], ']')
	if end < 0 {
		return nil, nil, c.fault("a ] is missing")
	}
	inside := strings.ReplaceAll(c.text[c.at:c.at+end], " ", "")
	inside = strings.TrimSuffix(strings.TrimPrefix(inside, "(@."), ")")
	inside = strings.TrimPrefix(strings.TrimPrefix(inside, "length"), "size")
	n, err := strconv.Atoi(strings.TrimPrefix(inside, "()"))
	if err != nil {
		return nil, nil, c.fault("only (@.length-n) may stand there")
	}
	c.at += end + 1
	s := &fromEnd{offset: n}
	return s, &s.next, nil
}

// numbers reads [0], [0,1] and [from:to].
func (c *compiler) numbers() (step, *step, error) {
	end := strings.IndexByte(c.text[c.at:], ']')
	if end < 0 {
		return nil, nil, c.fault("a ] is missing")
	}
	inside := strings.ReplaceAll(c.text[c.at:c.at+end], " ", "")
	if from, to, ok := strings.Cut(inside, ":"); ok {
		s := &slice{hasFrom: from != "", hasTo: to != ""}
		for _, bound := range []struct {
			text string
			n    *int
		}{{from, &s.from}, {to, &s.to}} {
			var err error
			if bound.text == "" {
				continue
			}
			if *bound.n, err = strconv.Atoi(bound.text); err != nil {
				return nil, nil, c.fault("a slice is [from:to]")
			}
		}
		if inside == ":" {
			return nil, nil, c.fault("a slice needs a bound")
		}
		c.at += end + 1
		return s, &s.next, nil
	}
	s := &indices{}
	for _, text := range strings.Split(inside, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, nil, c.fault("neither a quoted name nor an index")
		}
		s.at = append(s.at, n)
	}
	c.at += end + 1
	return s, &s.next, nil
}
