package router

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/gateway"
)

// anyMethod takes every method, HEAD and OPTIONS too (contract/http-api.md §3.13).
const anyMethod = "ANY"

// callbackSegment is the path segment of the callback API; no route of an API may hide behind it or before it.
const callbackSegment = "@connections"

// variableForm is the NAME of {name} and {name+} (contract/http-api.md §3.2).
var variableForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w.:-]+$`) })

// methods are those that a route key may name (contract/http-api.md §3.1).
func methods() []string {
	return []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", anyMethod}
}

// pattern is a parsed route key "METHOD /path".
type pattern struct {
	method   string
	segments []segment
}

type segmentKind uint8

const (
	literalSegment segmentKind = iota + 1
	variableSegment
	greedySegment
)

type segment struct {
	kind segmentKind
	text string // the literal, or the parameter's name
}

// keyProblem says what is wrong with a route key.
type keyProblem struct{ text, hint string }

const keyHint = "METHOD /path with {name} and {name+}, or $default"

// parsePattern reads a route key of contract/http-api.md §3.1 and §3.2, except $default.
func parsePattern(key gateway.RouteKey) (pattern, *keyProblem) {
	method, path, ok := strings.Cut(string(key), " ")
	if !ok || method == "" {
		return pattern{}, &keyProblem{fmt.Sprintf("%q is not a route key of an HTTP API", key), keyHint}
	}
	if !slices.Contains(methods(), method) {
		hint := "one of " + listed(methods())
		if upper := strings.ToUpper(method); slices.Contains(methods(), upper) {
			hint = "write " + upper
		}
		return pattern{}, &keyProblem{fmt.Sprintf("unknown method %q", method), hint}
	}
	if !strings.HasPrefix(path, "/") {
		return pattern{}, &keyProblem{fmt.Sprintf("the path %q does not begin with a slash", path), keyHint}
	}
	p := pattern{method: method}
	texts := strings.Split(path[1:], "/")
	for i, text := range texts {
		s, problem := parseSegment(text)
		if problem != nil {
			return pattern{}, problem
		}
		if s.kind == greedySegment && i < len(texts)-1 {
			return pattern{}, &keyProblem{fmt.Sprintf("%s takes the rest of the path, so nothing can follow it", text), "move it to the end"}
		}
		if s.kind != literalSegment && p.hasParameter(s.text) {
			return pattern{}, &keyProblem{fmt.Sprintf("the parameter %q stands twice", s.text), "give each its own name"}
		}
		p.segments = append(p.segments, s)
	}
	return p, nil
}

func parseSegment(text string) (segment, *keyProblem) {
	if inner, ok := strings.CutPrefix(text, "{"); ok && strings.HasSuffix(inner, "}") {
		name, greedy := strings.CutSuffix(strings.TrimSuffix(inner, "}"), "+")
		if !variableForm().MatchString(name) {
			return segment{}, &keyProblem{fmt.Sprintf("%q is not a path parameter", text), "{name} or {name+}; name of letters, digits and _ . : -"}
		}
		if greedy {
			return segment{greedySegment, name}, nil
		}
		return segment{variableSegment, name}, nil
	}
	switch {
	case text == "." || text == "..":
		return segment{}, &keyProblem{"clients resolve . and .. before they send a path", "write the path without them"}
	case text == callbackSegment:
		return segment{}, &keyProblem{callbackSegment + " belongs to the callback API", "choose another name"}
	case strings.ContainsAny(text, "{}"):
		return segment{}, &keyProblem{fmt.Sprintf("a parameter fills a whole segment, unlike in %q", text), "/{name}/ between two slashes"}
	case strings.ContainsAny(text, "%?#\\") || strings.ContainsFunc(text, isSpaceOrControl):
		return segment{}, &keyProblem{fmt.Sprintf("%q has a character that no path segment of a route key can have", text), "write the decoded text, without ? and #"}
	}
	return segment{literalSegment, text}, nil
}

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

func (p pattern) hasParameter(name string) bool {
	return slices.ContainsFunc(p.segments, func(s segment) bool { return s.kind != literalSegment && s.text == name })
}

// shape is the same for two patterns that match the same requests: the names of parameters do not count.
func (p pattern) shape() string {
	var b strings.Builder
	b.WriteString(p.method)
	for _, s := range p.segments {
		b.WriteByte('/')
		switch s.kind {
		case variableSegment:
			b.WriteString("{}")
		case greedySegment:
			b.WriteString("{+}")
		default:
			b.WriteString(s.text)
		}
	}
	return b.String()
}

// parameters returns the names of the parameters and of the greedy one among them.
func (p pattern) parameters() (names []string, greedy string) {
	for _, s := range p.segments {
		if s.kind == literalSegment {
			continue
		}
		names = append(names, s.text)
		if s.kind == greedySegment {
			greedy = s.text
		}
	}
	return names, greedy
}

func (p pattern) count(kind segmentKind) int {
	n := 0
	for _, s := range p.segments {
		if s.kind == kind {
			n++
		}
	}
	return n
}

// compareRank orders patterns that match the same path, the better first. A full match beats a greedy one, as Amazon
// documents (contract/http-api.md §3.3); within each the order is that of §3.5: more literals, more segments before the
// greedy one, fewer variables. What is still equal is decided by the first literal from the left, so that the order of
// the document never matters. The method is not part of it (§3.6).
func compareRank(a, b pattern) int {
	return cmp.Or(
		cmp.Compare(a.count(greedySegment), b.count(greedySegment)),
		cmp.Compare(b.count(literalSegment), a.count(literalSegment)),
		cmp.Compare(len(b.segments), len(a.segments)),
		cmp.Compare(a.count(variableSegment), b.count(variableSegment)),
		slices.CompareFunc(a.segments, b.segments, func(x, y segment) int { return cmp.Compare(x.kind, y.kind) }),
	)
}

// values reads the parameters from a path that the pattern matches. Each value is decoded by itself, so an encoded
// slash is part of a value and never ends it (contract/http-api.md §3.18). It returns nil without parameters.
func (p pattern) values(escapedPath string) map[string]string {
	var found map[string]string
	rest := strings.TrimPrefix(escapedPath, "/")
	for _, s := range p.segments {
		text, tail, _ := strings.Cut(rest, "/")
		if s.kind == greedySegment {
			text = rest
		}
		if s.kind != literalSegment {
			if found == nil {
				found = make(map[string]string, len(p.segments))
			}
			found[s.text] = decoded(text)
		}
		rest = tail
	}
	return found
}

// decoded returns the text behind percent-encoding. requestRoutes.find has refused broken encodings.
func decoded(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}
