package value

import (
	"math"
	"math/big"
	"unicode/utf8"
)

// AppendJSON writes v as compact JSON, keys in their order. The errors are those of the meter, and ErrDepth.
func AppendJSON(dst []byte, v any, m *Meter) ([]byte, error) {
	return appendJSON(dst, v, StyleLight, m, 0)
}

func appendJSON(dst []byte, v any, s Style, m *Meter, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, ErrDepth
	}
	if err := m.Spend(1); err != nil {
		return dst, err
	}
	if items, ok := Items(v); ok {
		return appendArray(dst, items, s, m, depth)
	}
	switch v := v.(type) {
	case *Map:
		return appendObject(dst, v, s, m, depth)
	case nil:
		return append(dst, "null"...), nil
	case bool, int32, int64, *big.Int, *Decimal:
		return appendScalar(dst, v), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return append(dst, "null"...), nil
		}
		return appendDouble(dst, v), nil
	case string:
		return appendQuoted(dst, v, s), m.Spend(len(v))
	}
	text, err := Text(v, m)
	if err != nil {
		return dst, err
	}
	return appendQuoted(dst, text, s), nil
}

func appendArray(dst []byte, items []any, s Style, m *Meter, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, item, s, m, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, v *Map, s Style, m *Meter, depth int) ([]byte, error) {
	dst = append(dst, '{')
	for i := range v.entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		key, err := Text(v.entries[i].Key, m)
		if err != nil {
			return dst, err
		}
		if err := m.Spend(len(key)); err != nil {
			return dst, err
		}
		dst = append(appendQuoted(dst, key, s), ':')
		if dst, err = appendJSON(dst, v.entries[i].Value, s, m, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

const upperHex = "0123456789ABCDEF"

// appendQuoted writes s in quotes with json-smart's escapes: besides what JSON demands also U+007F to U+009F and
// U+2000 to U+20FF (contract/mapping-templates.md §3b.6).
func appendQuoted(dst []byte, s string, st Style) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			escape := byte(0)
			switch c {
			case '"', '\\':
				escape = c
			case '/':
				if st == StyleWeb {
					escape = c
				}
			case '\b':
				escape = 'b'
			case '\f':
				escape = 'f'
			case '\n':
				escape = 'n'
			case '\r':
				escape = 'r'
			case '\t':
				escape = 't'
			}
			switch {
			case escape != 0:
				dst = append(append(dst, s[start:i]...), '\\', escape)
				start = i + 1
			case c < ' ' || c == 0x7F:
				dst = append(append(dst, s[start:i]...), '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r < 0xA0 || r >= 0x2000 && r <= 0x20FF {
			dst = append(append(dst, s[start:i]...), '\\', 'u',
				upperHex[r>>12&15], upperHex[r>>8&15], upperHex[r>>4&15], upperHex[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(dst, s[start:]...), '"')
}
