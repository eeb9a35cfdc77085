package value

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrDepth says that values are nested deeper than MaxDepth.
var ErrDepth = errors.New("values are nested too deep")

// MaxDepth bounds the nesting of values that are printed, compared or read: Java would overflow its stack at a few
// thousand levels, and a list may contain itself.
const MaxDepth = 512

// Append prints v as Java's toString would, after dst (contract/mapping-templates.md §3.16). The errors are those of
// the meter, and ErrDepth.
func Append(dst []byte, v any, m *Meter) ([]byte, error) { return appendJava(dst, v, m, 0) }

// Text is Append for a string.
func Text(v any, m *Meter) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	b, err := appendJava(nil, v, m, 0)
	return string(b), err
}

func appendJava(dst []byte, v any, m *Meter, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, ErrDepth
	}
	var err error
	switch v := v.(type) {
	case *List:
		if v.Style != StyleJava {
			return appendJSON(dst, v, v.Style, m, depth)
		}
		return appendItems(dst, v, v.Items, m, depth)
	case *Set:
		return appendItems(dst, v, v.Items, m, depth)
	case *Map:
		if v.Silent {
			return dst, nil
		}
		dst = append(dst, '{')
		for i := range v.entries {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst, err = appendEntry(dst, v, &v.entries[i], m, depth); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	case *Entry:
		return appendEntry(dst, nil, v, m, depth)
	}
	before := len(dst)
	dst = appendScalar(dst, v)
	return dst, m.Spend(1 + len(dst) - before)
}

func appendItems(dst []byte, self any, items []any, m *Meter, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if item == self {
			dst = append(dst, "(this Collection)"...)
			continue
		}
		if dst, err = appendJava(dst, item, m, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), m.Spend(1)
}

func appendEntry(dst []byte, self *Map, e *Entry, m *Meter, depth int) ([]byte, error) {
	dst, err := appendJava(dst, e.Key, m, depth+1)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '=')
	if self != nil && e.Value == any(self) {
		return append(dst, "(this Map)"...), nil
	}
	return appendJava(dst, e.Value, m, depth+1)
}

func appendScalar(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return append(dst, v...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendDouble(dst, v)
	case *big.Int:
		return v.Append(dst, 10)
	case *Decimal:
		return append(dst, v.String()...)
	case Char:
		if r := rune(v); !utf16.IsSurrogate(r) {
			return utf8.AppendRune(dst, r)
		}
		return append(dst, '?') // half of a pair: what Java's UTF-8 encoder writes
	case *Array:
		return append(append(dst, v.Class...), "@1"...) // Java prints an address, which nobody can rely on
	case Object:
		return append(dst, v.String()...)
	}
	return dst
}

// The range in which Double.toString writes plain digits.
const plainFrom, plainBelow = 1e-3, 1e7

// appendDouble writes d as Java's Double.toString: 1.0, 100000.0, 1.0E10.
func appendDouble(dst []byte, d float64) []byte {
	switch {
	case math.IsNaN(d):
		return append(dst, "NaN"...)
	case math.IsInf(d, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(d, -1):
		return append(dst, "-Infinity"...)
	case d == 0:
		if math.Signbit(d) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	if abs := math.Abs(d); abs >= plainFrom && abs < plainBelow {
		start := len(dst)
		dst = strconv.AppendFloat(dst, d, 'f', -1, 64)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], d, 'e', -1, 64) // d.ddde±nn
	mantissa, exponent := text, 0
	for i, c := range text {
		if c == 'e' {
			mantissa = text[:i]
			exponent, _ = strconv.Atoi(string(text[i+1:])) // digits that AppendFloat wrote
			break
		}
	}
	dst = append(dst, mantissa...)
	if len(mantissa) <= 2 { // one digit, perhaps with a sign
		dst = append(dst, ".0"...)
	}
	return strconv.AppendInt(append(dst, 'E'), int64(exponent), 10)
}
