package javaregex

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// The limits of one pattern.
const (
	// MaxPattern is the most bytes of a pattern: compiling takes time and memory in proportion.
	MaxPattern = 4096
	// MaxTime is how long one match may take; backtracking can need exponential time.
	MaxTime = 100 * time.Millisecond
)

// ErrTime says that a match took longer than MaxTime.
var ErrTime = errors.New("a regular expression takes too long")

// Regexp is a compiled pattern, safe for concurrent use.
type Regexp struct {
	search, whole *regexp2.Regexp
}

// Compile translates and compiles a Java pattern. The error is ErrSyntax with the reason.
func Compile(pattern string) (*Regexp, error) {
	if len(pattern) > MaxPattern {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrSyntax, MaxPattern)
	}
	text, err := translate(pattern)
	if err != nil {
		return nil, err
	}
	search, err := regexp2.Compile(text, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	whole, err := regexp2.Compile(`\A(?:`+text+`)\z`, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	search.MatchTimeout, whole.MatchTimeout = MaxTime, MaxTime
	return &Regexp{search, whole}, nil
}

// MatchString reports whether the pattern takes the whole of s.
func (r *Regexp) MatchString(s string) (bool, error) {
	ok, err := r.whole.MatchString(s)
	if err != nil {
		return false, ErrTime
	}
	return ok, nil
}

// each calls found for every match in order until it returns false.
func (r *Regexp) each(runes []rune, m *value.Meter, found func(*regexp2.Match) (bool, error)) error {
	match, err := r.search.FindRunesMatch(runes)
	for ; err == nil && match != nil; match, err = r.search.FindNextMatch(match) {
		if err := m.Spend(1 + match.Length); err != nil {
			return err
		}
		more, err := found(match)
		if err != nil || !more {
			return err
		}
		if m.Remaining(MaxTime) <= 0 {
			return value.ErrTime
		}
	}
	if err != nil {
		return ErrTime
	}
	return nil
}

// How often Replace replaces.
const (
	Once  = 1
	Every = -1
)

// Replace is Java's replaceFirst (times Once) and replaceAll (Every): $1, ${name} and \ have their meaning in with.
func (r *Regexp) Replace(s, with string, times int, m *value.Meter) (string, error) {
	runes := []rune(s)
	var out strings.Builder
	last := 0
	err := r.each(runes, m, func(match *regexp2.Match) (bool, error) {
		out.WriteString(string(runes[last:match.Index]))
		last = match.Index + match.Length
		before := out.Len()
		if err := expand(&out, with, match); err != nil {
			return false, err
		}
		times--
		return times != 0, m.Spend(out.Len() - before)
	})
	out.WriteString(string(runes[last:]))
	return out.String(), err
}

// expand writes a replacement.
func expand(out *strings.Builder, with string, match *regexp2.Match) error {
	for i := 0; i < len(with); i++ {
		switch c := with[i]; c {
		case '\\':
			if i++; i == len(with) {
				return fmt.Errorf("%w: the replacement ends in a backslash", ErrSyntax)
			}
			out.WriteByte(with[i])
		case '$':
			size, group, err := reference(with[i+1:], match)
			if err != nil {
				return err
			}
			out.WriteString(group.String())
			i += size
		default:
			out.WriteByte(c)
		}
	}
	return nil
}

// reference reads a group's number or {name}. Further digits belong to the number while such a group exists.
func reference(text string, match *regexp2.Match) (int, *regexp2.Group, error) {
	if strings.HasPrefix(text, "{") {
		if name, _, ok := strings.Cut(text[1:], "}"); ok {
			if group := match.GroupByName(name); group != nil && name != "" && (name[0] < '0' || name[0] > '9') {
				return len(name) + 2, group, nil
			}
		}
		return 0, nil, fmt.Errorf("%w: the replacement names no group", ErrSyntax)
	}
	size := 0
	for size < len(text) && text[size] >= '0' && text[size] <= '9' {
		if n, err := strconv.Atoi(text[:size+1]); err != nil || size > 0 && n >= match.GroupCount() {
			break
		}
		size++
	}
	if size == 0 {
		return 0, nil, fmt.Errorf("%w: illegal group reference in the replacement", ErrSyntax)
	}
	n, _ := strconv.Atoi(text[:size]) // digits
	if n >= match.GroupCount() {
		return 0, nil, fmt.Errorf("%w: no group %d", ErrSyntax, n)
	}
	return size, match.GroupByNumber(n), nil
}

// Split is Java's split: limit 0 drops empty strings at the end, a positive one bounds the parts, a negative one keeps
// all.
func (r *Regexp) Split(s string, limit int, m *value.Meter) ([]string, error) {
	runes := []rune(s)
	var parts []string
	last := 0
	err := r.each(runes, m, func(match *regexp2.Match) (bool, error) {
		if limit > 0 && len(parts) == limit-1 {
			return false, nil
		}
		if match.Index+match.Length == 0 { // nothing before the first character is no part
			return true, nil
		}
		parts = append(parts, string(runes[last:match.Index]))
		last = match.Index + match.Length
		return true, nil
	})
	parts = append(parts, string(runes[last:]))
	if limit == 0 {
		for len(parts) > 1 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		if len(parts) == 1 && parts[0] == "" && last > 0 {
			parts = parts[:0]
		}
	}
	return parts, err
}
