package javaregex

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// ascii are Java's predefined classes, which mean ASCII unless told otherwise.
func ascii(c rune) string {
	switch unicode.ToLower(c) {
	case 'd':
		return `0-9`
	case 'w':
		return `a-zA-Z_0-9`
	case 's':
		return `\x20\t\n\x0B\f\r`
	case 'h':
		return `\x20\t\xA0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000`
	case 'v':
		return `\n\x0B\f\r\x85\u2028\u2029`
	}
	return ""
}

// posix are the names in \p{…} that Java gives an ASCII meaning.
func posix(name string) string {
	switch name {
	case "Lower":
		return `a-z`
	case "Upper":
		return `A-Z`
	case "ASCII":
		return `\x00-\x7F`
	case "Alpha":
		return `a-zA-Z`
	case "Digit":
		return `0-9`
	case "Alnum":
		return `a-zA-Z0-9`
	case "Punct":
		return `!-/:-@\[-\x60{-~`
	case "Graph":
		return `!-~`
	case "Print":
		return `\x20-~`
	case "Blank":
		return `\x20\t`
	case "Cntrl":
		return `\x00-\x1F\x7F`
	case "XDigit":
		return `0-9a-fA-F`
	case "Space":
		return `\x20\t\n\x0B\f\r`
	}
	return ""
}

// classEscape reads an escape that stands for one character or a class of them and returns the inside of a bracket.
func (t *translator) classEscape() (set string, negated bool, err error) {
	c := t.in[t.at+1]
	if known := ascii(c); known != "" {
		t.at += 2
		return known, unicode.IsUpper(c), nil
	}
	switch c {
	case 'p', 'P':
		return t.property(c == 'P')
	case 'x':
		if t.peek(2) == '{' {
			if end := slices.Index(t.in[t.at+3:], '}'); end > 0 {
				set, err = t.hexEscape(3, end)
				t.at++
				return set, false, err
			}
		}
		set, err = t.hexEscape(2, 2)
		return set, false, err
	case 'u':
		set, err = t.hexEscape(2, 4)
		return set, false, err
	case '0':
		end := t.at + 2
		for end < len(t.in) && end < t.at+5 && t.in[end] >= '0' && t.in[end] <= '7' {
			end++
		}
		code, failed := strconv.ParseUint(string(t.in[t.at+2:end]), 8, 8)
		if failed != nil {
			return "", false, fmt.Errorf("%w: illegal octal escape", ErrSyntax)
		}
		t.at = end
		return inClass(rune(code)), false, nil
	case 'c':
		if t.peek(2) < 0 {
			return "", false, fmt.Errorf("%w: illegal control escape", ErrSyntax)
		}
		t.at += 3
		return inClass(t.in[t.at-1] ^ 64), false, nil
	}
	t.at += 2
	const controls, meaning = "tnrfae", "\t\n\r\f\a\x1B"
	if i := strings.IndexRune(controls, c); i >= 0 {
		return inClass(rune(meaning[i])), false, nil
	}
	if c < 0x80 && unicode.IsLetter(c) {
		return "", false, fmt.Errorf("%w: illegal escape \\%c", ErrSyntax, c)
	}
	return inClass(c), false, nil
}

// property reads \p{Name}, \p{IsName} or \pL.
func (t *translator) property(negated bool) (string, bool, error) {
	name, size := string(t.peek(2)), 3
	if t.peek(2) == '{' {
		end := slices.Index(t.in[t.at+3:], '}')
		if end < 0 {
			return "", false, fmt.Errorf("%w: unclosed character family", ErrSyntax)
		}
		name = string(t.in[t.at+3 : t.at+3+end])
		size = end + 4
	}
	if t.at+size > len(t.in) {
		return "", false, fmt.Errorf("%w: unclosed character family", ErrSyntax)
	}
	t.at += size
	if set := posix(name); set != "" {
		return set, negated, nil
	}
	name = strings.TrimPrefix(name, "Is")
	if _, script := unicode.Scripts[name]; !script && unicode.Categories[name] == nil {
		return "", false, fmt.Errorf("%w: unknown character family {%s}", ErrSyntax, name)
	}
	return `\p{` + name + `}`, negated, nil
}

// class translates a bracket expression. Unions with a nested or negated class become alternatives, and intersections
// look-aheads, because the engine has neither.
func (t *translator) class() (string, error) {
	if t.depth++; t.depth > maxNesting {
		return "", fmt.Errorf("%w: nested too deep", ErrSyntax)
	}
	defer func() { t.depth-- }()
	t.at++
	negated := t.peek(0) == '^'
	if negated {
		t.at++
	}
	var operands, alternatives []string
	var set strings.Builder
	finish := func() {
		if set.Len() > 0 {
			alternatives = append(alternatives, "["+set.String()+"]")
		}
		if len(alternatives) > 0 {
			operands = append(operands, "(?:"+strings.Join(alternatives, "|")+")")
		}
		alternatives = nil
		set.Reset()
	}
	for first := true; ; first = false {
		c := t.peek(0)
		switch {
		case c < 0:
			return "", fmt.Errorf("%w: unclosed character class", ErrSyntax)
		case c == ']' && !first:
			t.at++
			if len(operands) == 0 && len(alternatives) == 0 { // the usual case
				return bracket(set.String(), negated), nil
			}
			finish()
			return combine(operands, negated), nil
		case c == '&' && t.peek(1) == '&':
			t.at += 2
			finish()
		case c == '[':
			nested, err := t.class()
			if err != nil {
				return "", err
			}
			alternatives = append(alternatives, nested)
		default:
			if err := t.member(&set, &alternatives); err != nil {
				return "", err
			}
		}
	}
}

func combine(operands []string, negated bool) string {
	if len(operands) == 0 {
		return "(?!)"
	}
	last := len(operands) - 1
	if negated {
		all := operands[last]
		for _, o := range operands[:last] {
			all = "(?=" + o + ")" + all
		}
		return "(?:(?!" + all + `)[\s\S])`
	}
	var b strings.Builder
	b.WriteString("(?:")
	for _, o := range operands[:last] {
		b.WriteString("(?=" + o + ")")
	}
	return b.String() + operands[last] + ")"
}

// member reads a character, a range or an escape of a class.
func (t *translator) member(set *strings.Builder, alternatives *[]string) error {
	low, single, err := t.memberPart(alternatives)
	if err != nil || low == "" {
		return err
	}
	set.WriteString(low)
	if !single || t.peek(0) != '-' || t.peek(1) == ']' || t.peek(1) == '[' || t.peek(1) < 0 {
		return nil
	}
	t.at++
	high, single, err := t.memberPart(alternatives)
	if err != nil {
		return err
	}
	if !single {
		return fmt.Errorf("%w: illegal range", ErrSyntax)
	}
	set.WriteString("-" + high)
	return nil
}

func (t *translator) memberPart(alternatives *[]string) (text string, single bool, err error) {
	if t.in[t.at] != '\\' {
		t.at++
		return inClass(t.in[t.at-1]), true, nil
	}
	if t.at+1 >= len(t.in) {
		return "", false, fmt.Errorf("%w: it ends in a backslash", ErrSyntax)
	}
	c := t.in[t.at+1]
	set, negated, err := t.classEscape()
	if err != nil {
		return "", false, err
	}
	if negated {
		*alternatives = append(*alternatives, bracket(set, true))
		return "", false, nil
	}
	return set, ascii(c) == "" && c != 'p' && c != 'P', nil
}
