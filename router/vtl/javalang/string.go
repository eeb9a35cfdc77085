package javalang

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sallyport/sallyport/router/vtl/javaregex"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// string has the methods of java.lang.String.
func (c *call) string(s string) (any, bool, error) {
	if err := c.meter.Spend(len(s)); err != nil {
		return nil, false, err
	}
	switch len(c.args) {
	case 0:
		if v, ok := stringPlain(s, c.name); ok {
			return v, true, nil
		}
	case 1:
		if arg, ok := c.text(0); ok {
			if v, ok := stringWith(s, c.name, arg); ok {
				return v, true, nil
			}
		}
	}
	switch c.name {
	case "substring", "subSequence", "charAt", "codePointAt":
		return c.stringAt(s)
	case "indexOf", "lastIndexOf":
		return c.indexOf(s)
	case "startsWith":
		prefix, ok := c.text(0)
		from, isInt := c.int(1)
		if !ok || !isInt || len(c.args) != 2 {
			return nil, false, nil
		}
		return from >= 0 && from <= value.Length(s) && strings.HasPrefix(value.Slice(s, from, value.Length(s)), prefix), true, nil
	case "equals":
		if len(c.args) == 1 {
			return false, true, nil // a string was dealt with above
		}
	case "replace":
		return c.replace(s)
	case "concat":
		if arg, ok := c.text(0); ok && len(c.args) == 1 {
			return c.bounded(s + arg)
		}
	case "matches", "replaceAll", "replaceFirst", "split":
		return c.pattern(s)
	case "format":
		if layout, ok := c.text(0); ok {
			return c.format(layout, c.args[1:])
		}
	case "join":
		return c.join()
	case "valueOf", "copyValueOf":
		if len(c.args) == 1 {
			text, err := value.Text(c.args[0], c.meter)
			return text, true, err
		}
	}
	return nil, false, nil
}

// stringPlain has the methods without arguments.
func stringPlain(s, name string) (any, bool) {
	switch name {
	case "length":
		return int32(value.Length(s)), true
	case "isEmpty":
		return s == "", true
	case "trim":
		return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }), true
	case "toLowerCase":
		return strings.ToLower(s), true
	case "toUpperCase":
		return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS"), true
	case "intern", "toString":
		return s, true
	case "getBytes":
		return bytesOf(s), true
	case "toCharArray":
		units := value.Units(s)
		items := make([]any, len(units))
		for i, u := range units {
			items[i] = value.Char(u)
		}
		return &value.Array{Items: items, Class: "[C"}, true
	}
	return nil, false
}

func bytesOf(s string) *value.Array {
	items := make([]any, len(s))
	for i := range len(s) {
		items[i] = int32(int8(s[i]))
	}
	return &value.Array{Items: items, Class: "[B"}
}

// stringWith has the methods with one string.
func stringWith(s, name, arg string) (any, bool) {
	switch name {
	case "contains":
		return strings.Contains(s, arg), true
	case "startsWith":
		return strings.HasPrefix(s, arg), true
	case "endsWith":
		return strings.HasSuffix(s, arg), true
	case "equals", "contentEquals":
		return s == arg, true
	case "equalsIgnoreCase":
		return strings.EqualFold(s, arg), true
	case "compareTo":
		return compareUnits(s, arg), true
	case "compareToIgnoreCase":
		return compareUnits(strings.ToLower(s), strings.ToLower(arg)), true
	}
	return nil, false
}

// compareUnits is String.compareTo: the difference of the first units that differ, or of the lengths.
func compareUnits(a, b string) int32 {
	x, y := value.Units(a), value.Units(b)
	for i := 0; i < len(x) && i < len(y); i++ {
		if x[i] != y[i] {
			return int32(x[i]) - int32(y[i])
		}
	}
	return int32(len(x) - len(y))
}

// stringAt has the methods that cut by index.
func (c *call) stringAt(s string) (any, bool, error) {
	from, to, ok := c.ints()
	if !ok || len(c.args) == 0 {
		return nil, false, nil
	}
	size := value.Length(s)
	single := c.name == "charAt" || c.name == "codePointAt"
	switch {
	case single && len(c.args) != 1, c.name == "subSequence" && len(c.args) != 2:
		return nil, false, nil
	case single && (from < 0 || from >= size):
		return nil, true, thrown("index %d is outside of a string of %d characters", from, size)
	case c.name == "charAt":
		return value.Char(value.Units(s)[from]), true, nil
	case c.name == "codePointAt":
		units := value.Units(s)[from:]
		r := rune(units[0])
		if len(units) > 1 && utf16.IsSurrogate(r) {
			if pair := utf16.DecodeRune(r, rune(units[1])); pair != utf8.RuneError {
				r = pair
			}
		}
		return int32(r), true, nil
	case len(c.args) == 1:
		to = size
	}
	if from < 0 || to > size || from > to {
		return nil, true, thrown("substring from %d to %d of a string of %d characters", from, to, size)
	}
	return value.Slice(s, from, to), true, nil
}

// indexOf has indexOf and lastIndexOf of a string or a character code, from the beginning or an index.
func (c *call) indexOf(s string) (any, bool, error) {
	target, ok := c.text(0)
	if code, isInt := c.int(0); isInt {
		target, ok = string(rune(code)), true
	}
	size := value.Length(s)
	from := 0
	if c.name == "lastIndexOf" {
		from = size
	}
	if len(c.args) == 2 {
		n, isInt := c.int(1)
		ok = ok && isInt
		from = n
	}
	if !ok || len(c.args) > 2 {
		return nil, false, nil
	}
	if c.name == "indexOf" {
		from = min(max(from, 0), size)
		tail := value.Slice(s, from, size)
		if i := strings.Index(tail, target); i >= 0 {
			return int32(from + value.UnitIndex(tail, i)), true, nil
		}
		return int32(-1), true, nil
	}
	if from < 0 {
		return int32(-1), true, nil
	}
	head := value.Slice(s, 0, min(size, from+value.Length(target)))
	if i := strings.LastIndex(head, target); i >= 0 {
		return int32(value.UnitIndex(head, i)), true, nil
	}
	return int32(-1), true, nil
}

// replace has replace(CharSequence, CharSequence) and replace(char, char).
func (c *call) replace(s string) (any, bool, error) {
	if len(c.args) != 2 {
		return nil, false, nil
	}
	old, okOld := c.text(0)
	with, okWith := c.text(1)
	if a, ok := c.args[0].(value.Char); ok {
		if b, ok := c.args[1].(value.Char); ok {
			old, okOld = value.FromUnits([]uint16{uint16(a)}), true
			with, okWith = value.FromUnits([]uint16{uint16(b)}), true
		}
	}
	if !okOld || !okWith {
		return nil, false, nil
	}
	if n := strings.Count(s, old); n > 0 && len(s)+n*(len(with)-len(old)) > MaxString {
		return nil, true, ErrTooLong
	}
	return c.bounded(strings.ReplaceAll(s, old, with))
}

// pattern has the methods that take a regular expression.
func (c *call) pattern(s string) (any, bool, error) {
	text, ok := c.text(0)
	if !ok {
		return nil, false, nil
	}
	limit, with := 0, ""
	switch c.name {
	case "split":
		if len(c.args) == 2 {
			limit, ok = c.int(1)
		}
		ok = ok && len(c.args) <= 2
	case "matches":
		ok = len(c.args) == 1
	default:
		with, ok = c.text(1)
		ok = ok && len(c.args) == 2
	}
	if !ok {
		return nil, false, nil
	}
	if err := c.meter.Spend(len(s) + len(text)); err != nil {
		return nil, true, err
	}
	re, err := c.runtime.patterns.Get(text)
	if err != nil {
		return nil, true, thrown("%v", err)
	}
	switch c.name {
	case "matches":
		ok, err := re.MatchString(s)
		return ok, true, err
	case "split":
		parts, err := re.Split(s, limit, c.meter)
		items := make([]any, len(parts))
		for i, part := range parts {
			items[i] = part
		}
		return &value.Array{Items: items, Class: "[Ljava.lang.String;"}, true, err
	}
	times := javaregex.Every
	if c.name == "replaceFirst" {
		times = javaregex.Once
	}
	out, err := re.Replace(s, with, times, c.meter)
	if err != nil {
		return nil, true, err
	}
	return c.bounded(out)
}

// join has join(delimiter, Iterable) and join(delimiter, strings…).
func (c *call) join() (any, bool, error) {
	delimiter, ok := c.text(0)
	if !ok {
		return nil, false, nil
	}
	items := c.args[1:]
	if len(items) == 1 {
		if inner, ok := value.Items(items[0]); ok {
			items = inner
		}
	}
	var b strings.Builder
	for i, item := range items {
		text, err := value.Text(item, c.meter)
		if err != nil {
			return nil, true, err
		}
		if i > 0 {
			b.WriteString(delimiter)
		}
		b.WriteString(text)
		if b.Len() > MaxString {
			return nil, true, ErrTooLong
		}
	}
	return c.bounded(b.String())
}
