package javaregex

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrSyntax says that a pattern is not valid.
var ErrSyntax = errors.New("not a valid regular expression")

// maxNesting bounds the groups and classes within each other.
const maxNesting = 100

// translator rewrites a pattern from left to right. atom is where the last complete atom begins in out, -1 if there is
// none, so that a possessive quantifier can wrap it.
type translator struct {
	in    []rune
	at    int
	out   strings.Builder
	atom  int
	depth int
}

// translate turns a Java pattern into one of the engine's.
func translate(pattern string) (string, error) {
	t := translator{in: []rune(pattern), atom: -1}
	if err := t.sequence(); err != nil {
		return "", err
	}
	if t.at < len(t.in) {
		return "", fmt.Errorf("%w: unmatched )", ErrSyntax)
	}
	return t.out.String(), nil
}

func (t *translator) peek(n int) rune {
	if t.at+n < len(t.in) {
		return t.in[t.at+n]
	}
	return -1
}

// sequence translates up to the end of the group or the pattern.
func (t *translator) sequence() error {
	if t.depth++; t.depth > maxNesting {
		return fmt.Errorf("%w: nested too deep", ErrSyntax)
	}
	defer func() { t.depth-- }()
	for t.at < len(t.in) {
		c := t.in[t.at]
		var err error
		switch {
		case c == ')':
			return nil
		case c == '(':
			err = t.group()
		case c == '[':
			t.begin()
			var set string
			set, err = t.class()
			t.out.WriteString(set)
		case c == '\\':
			err = t.escape()
		case c == '*' || c == '+' || c == '?' || c == '{' && t.bounds() > 0:
			t.quantifier()
		case c == '.':
			t.begin()
			t.out.WriteByte('.')
			t.at++
		case c == '|' || c == '^' || c == '$':
			t.atom = -1
			t.out.WriteRune(c)
			t.at++
		case c == '{': // Java wants it escaped
			err = fmt.Errorf("%w: illegal repetition", ErrSyntax)
		default:
			t.begin()
			t.literal(c)
			t.at++
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *translator) begin() { t.atom = t.out.Len() }

// literal writes one character that stands for itself. Blanks and # stay bare, because (?x) must see them.
func (t *translator) literal(c rune) {
	if strings.ContainsRune(`\.*+?()[]{}|^$`, c) {
		t.out.WriteByte('\\')
	}
	t.out.WriteRune(c)
}

func (t *translator) group() error {
	start := t.out.Len()
	opening, size := t.opening()
	t.out.WriteString(opening)
	t.at += size
	if opening[len(opening)-1] == ')' { // inline flags
		t.atom = -1
		return nil
	}
	if err := t.sequence(); err != nil {
		return err
	}
	if t.peek(0) != ')' {
		return fmt.Errorf("%w: unclosed group", ErrSyntax)
	}
	t.at++
	t.out.WriteByte(')')
	t.atom = start
	return nil
}

// opening returns what begins a group and how many characters of the pattern it stands for. Flags that the engine
// lacks (u, d, U) are left out.
func (t *translator) opening() (string, int) {
	if t.peek(1) != '?' {
		return "(", 1
	}
	end := 2
	for t.at+end < len(t.in) && (unicode.IsLetter(t.in[t.at+end]) || t.in[t.at+end] == '-') {
		end++
	}
	if last := t.peek(end); end > 2 && (last == ')' || last == ':') {
		flags := strings.Map(func(r rune) rune {
			if strings.ContainsRune("ismx-", r) {
				return r
			}
			return -1
		}, string(t.in[t.at+2:t.at+end]))
		if flags = strings.TrimSuffix(flags, "-"); flags == "" && last == ')' {
			return "(?:)", end + 1
		}
		return "(?" + flags + string(last), end + 1
	}
	for _, known := range []string{"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?<"} {
		if strings.HasPrefix(string(t.in[t.at:min(len(t.in), t.at+4)]), known) {
			return known, utf8.RuneCountInString(known)
		}
	}
	return "(?", 2 // the engine refuses it
}

// bounds returns the length of a {n}, {n,} or {n,m} here, or 0.
func (t *translator) bounds() int {
	i, digits := t.at+1, 0
	for ; i < len(t.in); i++ {
		switch c := t.in[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == ',' && digits > 0:
		case c == '}' && digits > 0:
			return i + 1 - t.at
		default:
			return 0
		}
	}
	return 0
}

func (t *translator) quantifier() {
	size := 1
	if t.in[t.at] == '{' {
		size = t.bounds()
	}
	text := string(t.in[t.at : t.at+size])
	t.at += size
	switch {
	case t.peek(0) == '+' && t.atom >= 0: // possessive: an atomic group
		t.at++
		all := t.out.String()
		t.out.Reset()
		t.out.WriteString(all[:t.atom] + "(?>" + all[t.atom:] + text + ")")
	case t.peek(0) == '?':
		t.at++
		t.out.WriteString(text + "?")
	default:
		t.out.WriteString(text)
	}
}

func (t *translator) escape() error {
	if t.at+1 >= len(t.in) {
		return fmt.Errorf("%w: it ends in a backslash", ErrSyntax)
	}
	c := t.in[t.at+1]
	switch {
	case c == 'Q':
		t.quoted()
		return nil
	case c >= '1' && c <= '9':
		t.begin()
		t.out.WriteString(`(?:\` + string(c) + `)`) // one digit: Java takes more only if so many groups exist
		t.at += 2
		return nil
	case c == 'k':
		t.begin()
		t.out.WriteString(`\k`)
		t.at += 2
		for t.at < len(t.in) {
			t.out.WriteRune(t.in[t.at])
			if t.at++; t.in[t.at-1] == '>' {
				break
			}
		}
		return nil
	case strings.ContainsRune("bBAGzZ", c):
		t.atom = -1
		t.out.WriteString(`\` + string(c))
		t.at += 2
		return nil
	case c == 'R':
		t.begin()
		t.out.WriteString(`(?:\r\n|[\n\x0B\f\r\x85\u2028\u2029])`)
		t.at += 2
		return nil
	}
	t.begin()
	set, negated, err := t.classEscape()
	if err != nil {
		return err
	}
	t.out.WriteString(bracket(set, negated))
	return nil
}

// quoted translates \Q…\E.
func (t *translator) quoted() {
	t.at += 2
	for t.at < len(t.in) {
		if t.in[t.at] == '\\' && t.peek(1) == 'E' {
			t.at += 2
			return
		}
		t.begin()
		if unicode.IsSpace(t.in[t.at]) || t.in[t.at] == '#' {
			t.out.WriteByte('\\')
		}
		t.literal(t.in[t.at])
		t.at++
	}
}

func bracket(set string, negated bool) string {
	if negated {
		return "[^" + set + "]"
	}
	return "[" + set + "]"
}

// inClass writes a character so that it stands for itself between brackets.
func inClass(c rune) string {
	if c < utf8.RuneSelf && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
		return `\x` + fmt.Sprintf("%02X", c)
	}
	return string(c)
}

// hexEscape reads n hexadecimal digits after skip characters.
func (t *translator) hexEscape(skip, n int) (string, error) {
	if t.at+skip+n > len(t.in) {
		return "", fmt.Errorf("%w: illegal hexadecimal escape", ErrSyntax)
	}
	code, err := strconv.ParseUint(string(t.in[t.at+skip:t.at+skip+n]), 16, 32)
	if err != nil || code > unicode.MaxRune {
		return "", fmt.Errorf("%w: illegal hexadecimal escape", ErrSyntax)
	}
	t.at += skip + n
	return inClass(rune(code)), nil
}
