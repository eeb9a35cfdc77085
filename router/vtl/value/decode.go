package value

import (
	"errors"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrJSON says that a text is not JSON.
var ErrJSON = errors.New("not valid JSON")

// decimalFrom is the length from which json-smart reads a number with a fraction as BigDecimal rather than Double.
const decimalFrom = 19

// Decode reads one JSON value (RFC 8259): objects as *Map in the order of the text, the last of equal names winning;
// arrays as *List of the given style; whole numbers as int32, int64 or *big.Int, the smallest that holds them; others as float64, long
// ones as *Decimal. The errors are ErrJSON, ErrDepth and those of the meter.
func Decode(text []byte, lists Style, m *Meter) (any, error) {
	if err := m.Spend(len(text)); err != nil {
		return nil, err
	}
	d := decoder{text: text, lists: lists}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if d.space(); d.at != len(text) {
		return nil, ErrJSON
	}
	return v, nil
}

type decoder struct {
	text  []byte
	at    int
	lists Style
}

func (d *decoder) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// next skips blanks and returns the byte there, 0 at the end.
func (d *decoder) next() byte {
	d.space()
	if d.at < len(d.text) {
		return d.text[d.at]
	}
	return 0
}

func (d *decoder) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, ErrDepth
	}
	switch c := d.next(); c {
	case '{':
		return d.object(depth)
	case '[':
		return d.array(depth)
	case '"':
		return d.string()
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	case 'n':
		return nil, d.word("null")
	default:
		return d.number()
	}
}

func (d *decoder) word(w string) error {
	if len(d.text)-d.at < len(w) || string(d.text[d.at:d.at+len(w)]) != w {
		return ErrJSON
	}
	d.at += len(w)
	return nil
}

func (d *decoder) object(depth int) (any, error) {
	d.at++
	if d.next() == '}' {
		d.at++
		return NewMap(0), nil
	}
	m := NewMap(4)
	for {
		if d.next() != '"' {
			return nil, ErrJSON
		}
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		if d.next() != ':' {
			return nil, ErrJSON
		}
		d.at++
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		m.Put(key, v)
		switch d.next() {
		case ',':
			d.at++
		case '}':
			d.at++
			return m, nil
		default:
			return nil, ErrJSON
		}
	}
}

func (d *decoder) array(depth int) (any, error) {
	d.at++
	l := &List{Style: d.lists}
	if d.next() == ']' {
		d.at++
		return l, nil
	}
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, v)
		switch d.next() {
		case ',':
			d.at++
		case ']':
			d.at++
			return l, nil
		default:
			return nil, ErrJSON
		}
	}
}

// string reads a string at its opening quote.
func (d *decoder) string() (string, error) {
	d.at++
	start := d.at
	for i := start; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.at = i + 1
			return string(d.text[start:i]), nil
		case c == '\\':
			return d.escaped(start, i)
		case c < ' ':
			return "", ErrJSON
		}
	}
	return "", ErrJSON
}

func (d *decoder) escaped(start, i int) (string, error) {
	out := append(make([]byte, 0, 2*(i-start)+16), d.text[start:i]...)
	for i < len(d.text) {
		c := d.text[i]
		switch {
		case c == '"':
			d.at = i + 1
			return string(out), nil
		case c < ' ':
			return "", ErrJSON
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(d.text) {
			return "", ErrJSON
		}
		i++
		switch c = d.text[i]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hexUnit(d.text, i+1)
			if !ok {
				return "", ErrJSON
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+2 < len(d.text) && d.text[i+1] == '\\' && d.text[i+2] == 'u' {
					low, ok = hexUnit(d.text, i+3)
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", ErrJSON
		}
		i++
	}
	return "", ErrJSON
}

// hexUnit reads four hexadecimal digits.
func hexUnit(text []byte, at int) (rune, bool) {
	if at+4 > len(text) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[at:at+4]), 16, 16)
	return rune(n), err == nil
}

func (d *decoder) number() (any, error) {
	start, whole := d.at, true
	digits := func() bool {
		from := d.at
		for d.at < len(d.text) && d.text[d.at] >= '0' && d.text[d.at] <= '9' {
			d.at++
		}
		return d.at > from
	}
	if d.at < len(d.text) && d.text[d.at] == '-' {
		d.at++
	}
	first := d.at
	if !digits() || d.text[first] == '0' && d.at > first+1 {
		return nil, ErrJSON
	}
	if d.at < len(d.text) && d.text[d.at] == '.' {
		whole = false
		d.at++
		if !digits() {
			return nil, ErrJSON
		}
	}
	if d.at < len(d.text) && (d.text[d.at] == 'e' || d.text[d.at] == 'E') {
		whole = false
		d.at++
		if d.at < len(d.text) && (d.text[d.at] == '+' || d.text[d.at] == '-') {
			d.at++
		}
		if !digits() {
			return nil, ErrJSON
		}
	}
	text := string(d.text[start:d.at])
	if whole {
		return ParseInteger(text), nil
	}
	return ParseFraction(text), nil
}

// maxDigits bounds a whole number: converting one takes time that grows faster than its length.
const maxDigits = 4096

// ParseInteger reads decimal digits with an optional sign into the smallest integer type that holds them. What is no
// such text, or is longer than any sane number, is a float64.
func ParseInteger(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n == int64(int32(n)) {
			return int32(n)
		}
		return n
	}
	if n, ok := new(big.Int), false; len(text) <= maxDigits {
		if n, ok = n.SetString(text, 10); ok {
			return n
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range is infinite
	return f
}

// ParseFraction reads a number with a fraction or an exponent.
func ParseFraction(text string) any {
	if len(text) >= decimalFrom {
		if dec, ok := ParseDecimal(text); ok {
			return dec
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range is infinite, as in Java
	return f
}
