package value

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Decimal is Java's BigDecimal: Unscaled × 10^-Scale.
type Decimal struct {
	Unscaled *big.Int
	Scale    int
}

// maxScale bounds the exponent of a Decimal, so that computing with one can't fill the memory.
const maxScale = 4096

// ParseDecimal reads a number with an optional fraction and exponent.
func ParseDecimal(text string) (*Decimal, bool) {
	if len(text) > maxDigits {
		return nil, false
	}
	mantissa, exponent, has := strings.Cut(strings.ToLower(text), "e")
	power := 0
	if has {
		n, err := strconv.Atoi(exponent)
		if err != nil || n > maxScale || n < -maxScale {
			return nil, false
		}
		power = n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	unscaled, ok := new(big.Int).SetString(whole+fraction, 10)
	return &Decimal{unscaled, len(fraction) - power}, ok
}

// decimalOf converts any number; a Double exactly, as new BigDecimal(double) does.
func decimalOf(v any) (*Decimal, bool) {
	switch v := v.(type) {
	case *Decimal:
		return v, true
	case *big.Int:
		return &Decimal{v, 0}, true
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, false
		}
		// The denominator of a double is a power of two: 2^k has k decimal places.
		exact := new(big.Rat).SetFloat64(v)
		places := exact.Denom().BitLen() - 1
		five := new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(places)), nil)
		return &Decimal{five.Mul(five, exact.Num()), places}, true
	}
	n, ok := integerOf(v)
	return &Decimal{big.NewInt(n), 0}, ok
}

// String prints d as BigDecimal.toString: plain digits unless the exponent is positive or below -6.
func (d *Decimal) String() string {
	digits := new(big.Int).Abs(d.Unscaled).String()
	sign := ""
	if d.Unscaled.Sign() < 0 {
		sign = "-"
	}
	if d.Scale == 0 {
		return sign + digits
	}
	exponent := len(digits) - 1 - d.Scale
	if d.Scale > 0 && exponent >= -6 {
		if pad := d.Scale - len(digits) + 1; pad > 0 {
			digits = strings.Repeat("0", pad) + digits
		}
		point := len(digits) - d.Scale
		return sign + digits[:point] + "." + digits[point:]
	}
	if len(digits) > 1 {
		digits = digits[:1] + "." + digits[1:]
	}
	return sign + digits + "E" + plus(exponent) + strconv.Itoa(exponent)
}

func plus(n int) string {
	if n >= 0 {
		return "+"
	}
	return ""
}

func (d *Decimal) rescaled(scale int) *big.Int {
	return new(big.Int).Mul(d.Unscaled, pow10(scale-d.Scale))
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// quotient divides at the scale of d, half down, as Velocity asks of BigDecimal.
func (d *Decimal) quotient(by *Decimal) *Decimal {
	numerator, denominator := new(big.Int).Set(d.Unscaled), new(big.Int).Set(by.Unscaled)
	if by.Scale >= 0 {
		numerator.Mul(numerator, pow10(by.Scale))
	} else {
		denominator.Mul(denominator, pow10(-by.Scale))
	}
	q, rest := new(big.Int).QuoRem(numerator, denominator, new(big.Int))
	if rest.Abs(rest).Lsh(rest, 1).CmpAbs(denominator) > 0 {
		q.Add(q, big.NewInt(int64(numerator.Sign()*denominator.Sign())))
	}
	return &Decimal{q, d.Scale}
}

// Float is the nearest double.
func (d *Decimal) Float() float64 {
	f, _ := strconv.ParseFloat(d.Unscaled.String()+"e"+strconv.Itoa(-d.Scale), 64) // out of range is infinite
	return f
}
