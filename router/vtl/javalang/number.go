package javalang

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// number has the methods of the number classes, and their static ones, which can be called on an instance.
func (c *call) number(v any) (any, bool, error) {
	if len(c.args) == 0 {
		switch c.name {
		case "intValue":
			return value.Int(v), true, nil
		case "longValue":
			return value.Long(v), true, nil
		case "doubleValue":
			return value.Float(v), true, nil
		case "floatValue":
			return float64(float32(value.Float(v))), true, nil
		case "shortValue":
			return int32(int16(value.Int(v))), true, nil
		case "byteValue":
			return int32(int8(value.Int(v))), true, nil
		}
	}
	if c.name == "compareTo" && len(c.args) == 1 && sameNumber(v, c.args[0]) {
		return int32(value.Compare(v, c.args[0])), true, nil
	}
	switch v.(type) {
	case int32:
		return c.integerStatic("parseInt", math.MinInt32, math.MaxInt32, func(n int64) any { return int32(n) })
	case int64:
		return c.integerStatic("parseLong", math.MinInt64, math.MaxInt64, func(n int64) any { return n })
	case float64:
		return c.doubleStatic(value.Float(v))
	}
	return nil, false, nil
}

func sameNumber(a, b any) bool {
	switch a.(type) {
	case int32:
		_, ok := b.(int32)
		return ok
	case int64:
		_, ok := b.(int64)
		return ok
	case float64:
		_, ok := b.(float64)
		return ok
	}
	return false
}

// integerStatic has the static methods of Integer and Long.
func (c *call) integerStatic(parse string, low, high int64, box func(int64) any) (any, bool, error) {
	if text, ok := c.text(0); ok && (c.name == parse || c.name == "valueOf") {
		base := 10
		if len(c.args) == 2 {
			if base, ok = c.int(1); !ok || base < 2 || base > 36 {
				return nil, false, nil
			}
		}
		n, err := strconv.ParseInt(text, base, 64)
		if err != nil || n < low || n > high || strings.Contains(text, "_") {
			return nil, true, thrown("%q is no number", clip(text))
		}
		return box(n), true, nil
	}
	if len(c.args) == 0 || len(c.args) > 2 {
		return nil, false, nil
	}
	var operands [2]int64
	for i, arg := range c.args {
		switch arg.(type) {
		case int32, int64:
			operands[i] = value.Long(arg)
		default:
			return nil, false, nil
		}
		if operands[i] < low || operands[i] > high {
			return nil, false, nil
		}
	}
	a, b := operands[0], operands[1]
	if len(c.args) == 2 {
		switch c.name {
		case "max":
			return box(max(a, b)), true, nil
		case "min":
			return box(min(a, b)), true, nil
		case "sum":
			return box(a + b), true, nil
		case "compare":
			return int32(value.Compare(a, b)), true, nil
		case "toString":
			if b >= 2 && b <= 36 {
				return strconv.FormatInt(a, int(b)), true, nil
			}
		}
		return nil, false, nil
	}
	bits := uint64(a)
	if high == math.MaxInt32 {
		bits = uint64(uint32(a))
	}
	switch c.name {
	case "valueOf":
		return box(a), true, nil
	case "toString":
		return strconv.FormatInt(a, 10), true, nil
	case "toHexString":
		return strconv.FormatUint(bits, 16), true, nil
	case "toOctalString":
		return strconv.FormatUint(bits, 8), true, nil
	case "toBinaryString":
		return strconv.FormatUint(bits, 2), true, nil
	}
	return nil, false, nil
}

func clip(s string) string {
	const shown = 40
	if len(s) > shown {
		return s[:shown] + "…"
	}
	return s
}

func (c *call) doubleStatic(v float64) (any, bool, error) {
	text, isText := c.text(0)
	switch {
	case len(c.args) == 0 && c.name == "isNaN":
		return math.IsNaN(v), true, nil
	case len(c.args) == 0 && c.name == "isInfinite":
		return math.IsInf(v, 0), true, nil
	case isText && (c.name == "parseDouble" || c.name == "valueOf"):
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, true, thrown("%q is no number", clip(text))
		}
		return f, true, nil
	}
	return nil, false, nil
}

// boolean has the methods of java.lang.Boolean.
func (c *call) boolean(v bool) (any, bool, error) {
	switch {
	case c.name == "booleanValue" && len(c.args) == 0:
		return v, true, nil
	case (c.name == "parseBoolean" || c.name == "valueOf") && len(c.args) == 1:
		if text, ok := c.text(0); ok {
			return strings.EqualFold(text, "true"), true, nil
		}
	}
	return nil, false, nil
}

// char has the methods of java.lang.Character.
func (c *call) char(v value.Char) (any, bool, error) {
	if c.name == "charValue" && len(c.args) == 0 {
		return v, true, nil
	}
	if len(c.args) != 1 {
		return nil, false, nil
	}
	arg, ok := c.args[0].(value.Char)
	if !ok {
		return nil, false, nil
	}
	r := rune(arg)
	switch c.name {
	case "compareTo":
		return int32(v) - int32(arg), true, nil
	case "isDigit":
		return unicode.IsDigit(r), true, nil
	case "isLetter":
		return unicode.IsLetter(r), true, nil
	case "isLetterOrDigit":
		return unicode.IsLetter(r) || unicode.IsDigit(r), true, nil
	case "isUpperCase":
		return unicode.IsUpper(r), true, nil
	case "isLowerCase":
		return unicode.IsLower(r), true, nil
	case "isWhitespace":
		return unicode.IsSpace(r), true, nil
	case "toUpperCase":
		return value.Char(unicode.ToUpper(r)), true, nil
	case "toLowerCase":
		return value.Char(unicode.ToLower(r)), true, nil
	}
	return nil, false, nil
}
