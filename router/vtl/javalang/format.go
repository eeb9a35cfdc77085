package javalang

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// maxWidth bounds the width and precision that a format asks for.
const maxWidth = 4096

// verb is one %… of a format.
type verb struct {
	flags            string
	width, precision int // -1: none
	kind             byte
}

func (v *verb) has(flag byte) bool { return strings.IndexByte(v.flags, flag) >= 0 }

// format is String.format for the conversions s S d f e x X o c b n %.
func (c *call) format(layout string, args []any) (any, bool, error) {
	var b strings.Builder
	next := 0
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' {
			b.WriteByte(layout[i])
			continue
		}
		v, index, size, ok := parseVerb(layout[i+1:])
		if !ok {
			return nil, true, thrown("the format has no valid conversion at %q", clip(layout[i:]))
		}
		i += size
		switch v.kind {
		case 'n':
			b.WriteByte('\n')
			continue
		case '%':
			b.WriteString(v.pad("%"))
			continue
		}
		if index == 0 {
			next++
			index = next
		}
		if index > len(args) {
			return nil, true, thrown("the format has more conversions than there are arguments")
		}
		text, err := c.convert(v, args[index-1])
		if err != nil {
			return nil, true, err
		}
		b.WriteString(text)
		if b.Len() > MaxString {
			return nil, true, ErrTooLong
		}
	}
	return c.bounded(b.String())
}

// parseVerb reads [index$][flags][width][.precision]conversion.
func parseVerb(s string) (v verb, index, size int, ok bool) {
	v.width, v.precision = -1, -1
	number := func() int {
		start := size
		for size < len(s) && s[size] >= '0' && s[size] <= '9' {
			size++
		}
		n, err := strconv.Atoi(s[start:size])
		if err != nil || n > maxWidth {
			return -1
		}
		return n
	}
	if n := number(); n > 0 && size < len(s) && s[size] == '$' {
		index = n
		size++
	} else {
		size = 0
	}
	start := size
	for size < len(s) && strings.IndexByte("-#+ 0,(", s[size]) >= 0 {
		size++
	}
	v.flags = s[start:size]
	v.width = number()
	if size < len(s) && s[size] == '.' {
		size++
		if v.precision = number(); v.precision < 0 {
			return v, 0, 0, false
		}
	}
	if size >= len(s) || strings.IndexByte("sSdfexXocbn%", s[size]) < 0 {
		return v, 0, 0, false
	}
	v.kind = s[size]
	return v, index, size + 1, true
}

func (v *verb) pad(s string) string {
	missing := v.width - utf8.RuneCountInString(s)
	switch {
	case missing <= 0:
		return s
	case v.has('-'):
		return s + strings.Repeat(" ", missing)
	case v.has('0') && strings.IndexByte("dfexXo", v.kind) >= 0:
		sign := 0
		if s[0] == '-' || s[0] == '+' || s[0] == ' ' || s[0] == '(' {
			sign = 1
		}
		return s[:sign] + strings.Repeat("0", missing) + s[sign:]
	}
	return strings.Repeat(" ", missing) + s
}

func (c *call) convert(v verb, arg any) (string, error) {
	switch v.kind {
	case 'd', 'x', 'X', 'o':
		return v.integer(arg)
	case 'f', 'e':
		return v.fraction(arg)
	case 'b':
		flag, isBool := arg.(bool)
		arg = isBool && flag || !isBool && arg != nil
	case 'c':
		if n, ok := arg.(int32); ok {
			arg = string(rune(n))
		} else if _, ok := arg.(value.Char); !ok {
			return "", thrown("%%c wants a character")
		}
	}
	text, err := value.Text(arg, c.meter)
	if err != nil {
		return "", err
	}
	if v.precision >= 0 && v.precision < value.Length(text) {
		text = value.Slice(text, 0, v.precision)
	}
	if v.kind == 'S' {
		text = strings.ToUpper(text)
	}
	return v.pad(text), nil
}

// integer formats with d, x, X and o; negative numbers in x and o as Java's two's complement.
func (v *verb) integer(arg any) (string, error) {
	var n *big.Int
	switch arg := arg.(type) {
	case int32, int64:
		n = big.NewInt(value.Long(arg))
	case *big.Int:
		n = arg
	default:
		return "", thrown("%%%c wants a whole number", v.kind)
	}
	if v.kind != 'd' {
		if n.Sign() < 0 {
			bits := uint(64)
			if _, ok := arg.(int32); ok {
				bits = 32
			}
			n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), bits))
		}
		base := 16
		if v.kind == 'o' {
			base = 8
		}
		text := n.Text(base)
		if v.kind == 'X' {
			text = strings.ToUpper(text)
		}
		return v.pad(text), nil
	}
	return v.pad(v.signed(n.Sign() < 0, v.grouped(new(big.Int).Abs(n).String()))), nil
}

func (v *verb) fraction(arg any) (string, error) {
	switch arg.(type) {
	case float64, *value.Decimal:
	default:
		return "", thrown("%%%c wants a number with a fraction", v.kind)
	}
	precision := v.precision
	if precision < 0 {
		precision = 6
	}
	text := ""
	if f := value.Float(arg); v.kind == 'e' {
		text = strconv.FormatFloat(f, 'e', precision, 64)
	} else if f-f != 0 { // infinite or not a number
		return v.pad(strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+")), nil
	} else { // Java rounds the shortest decimal half up, not the binary value half to even
		dec, _ := value.ParseDecimal(strconv.FormatFloat(f, 'f', -1, 64))
		text = halfUp(dec, precision)
	}
	negative := strings.HasPrefix(text, "-")
	whole, rest, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if whole = v.grouped(whole); rest != "" {
		whole += "." + rest
	}
	return v.pad(v.signed(negative, whole)), nil
}

func halfUp(d *value.Decimal, places int) string {
	if d == nil {
		return "0"
	}
	digits := new(big.Int).Set(d.Unscaled)
	ten := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
	if drop := d.Scale - places; drop > 0 {
		half := new(big.Int).Rsh(ten(drop), 1)
		if digits.Sign() < 0 {
			half.Neg(half)
		}
		digits.Quo(digits.Add(digits, half), ten(drop))
	} else {
		digits.Mul(digits, ten(-drop))
	}
	sign := ""
	if d.Unscaled.Sign() < 0 {
		sign = "-"
	}
	text := new(big.Int).Abs(digits).String()
	if missing := places + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	if places == 0 {
		return sign + text
	}
	return sign + text[:len(text)-places] + "." + text[len(text)-places:]
}

func (v *verb) signed(negative bool, digits string) string {
	switch {
	case negative && v.has('('):
		return "(" + digits + ")"
	case negative:
		return "-" + digits
	case v.has('+'):
		return "+" + digits
	case v.has(' '):
		return " " + digits
	}
	return digits
}

func (v *verb) grouped(digits string) string {
	if !v.has(',') {
		return digits
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
