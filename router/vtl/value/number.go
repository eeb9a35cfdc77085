package value

import (
	"cmp"
	"math"
	"math/big"
)

// Operator is one of the arithmetic operators.
type Operator byte

// The arithmetic operators (contract/mapping-templates.md §3.10).
const (
	OpAdd    Operator = '+'
	OpSub    Operator = '-'
	OpMul    Operator = '*'
	OpDiv    Operator = '/'
	OpModulo Operator = '%'
)

// rank orders the number types as arithmetic widens them; 0 is no number.
func rank(v any) int {
	switch v.(type) {
	case int32:
		return 1
	case int64:
		return 2
	case *big.Int:
		return 3
	case float64:
		return 4
	case *Decimal:
		return 5
	}
	return 0
}

// IsNumber reports whether v is a number.
func IsNumber(v any) bool { return rank(v) > 0 }

// integerOf returns a v that is an Integer or a Long.
func integerOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

func bigOf(v any) *big.Int {
	if n, ok := v.(*big.Int); ok {
		return n
	}
	n, _ := integerOf(v)
	return big.NewInt(n)
}

// Float is v's doubleValue, Long its longValue and Int its intValue.
func Float(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	case *Decimal:
		return v.Float()
	}
	n, _ := integerOf(v)
	return float64(n)
}

// Long is v's longValue: fractions are cut, doubles saturate, big numbers wrap.
func Long(v any) int64 {
	switch v := v.(type) {
	case float64:
		return saturate(v, math.MinInt64, math.MaxInt64)
	case *big.Int:
		return int64(new(big.Int).And(v, new(big.Int).SetUint64(math.MaxUint64)).Uint64())
	case *Decimal:
		whole := v.Unscaled
		if v.Scale > 0 {
			whole = new(big.Int).Quo(whole, pow10(v.Scale))
		} else if v.Scale < 0 {
			whole = v.rescaled(0)
		}
		return Long(whole)
	}
	n, _ := integerOf(v)
	return n
}

// Int is v's intValue.
func Int(v any) int32 {
	if f, ok := v.(float64); ok {
		return int32(saturate(f, math.MinInt32, math.MaxInt32))
	}
	return int32(Long(v))
}

func saturate(f float64, low, high int64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f <= float64(low):
		return low
	case f >= float64(high):
		return high
	}
	return int64(f)
}

// narrow gives a result the wider type of its two operands, or a wider one still where it does not fit.
func narrow(n int64, long bool) any {
	if !long && n == int64(int32(n)) {
		return int32(n)
	}
	return n
}

// maxBits bounds big numbers: the time to multiply them grows faster than their length.
const maxBits = 1 << 14

// Arithmetic computes left op right as Velocity does. nil means that there is no result: an operand is no number, or a
// divisor is zero. The error is ErrWork for numbers beyond any use.
func Arithmetic(op Operator, left, right any, m *Meter) (any, error) {
	l, r := rank(left), rank(right)
	if l == 0 || r == 0 || (op == OpDiv || op == OpModulo) && isZero(right) {
		return nil, nil
	}
	switch {
	case l <= 2 && r <= 2:
		if n, ok := longs(op, Long(left), Long(right)); ok {
			return narrow(n, l == 2 || r == 2), nil
		}
		return bigs(op, bigOf(left), bigOf(right), m)
	case l <= 3 && r <= 3:
		return bigs(op, bigOf(left), bigOf(right), m)
	case l == 5 || r == 5 || l == 3 || r == 3:
		return decimals(op, left, right, m)
	}
	return doubles(op, Float(left), Float(right)), nil
}

func isZero(v any) bool {
	switch v := v.(type) {
	case float64:
		return v == 0
	case *big.Int:
		return v.Sign() == 0
	case *Decimal:
		return v.Unscaled.Sign() == 0
	}
	return Long(v) == 0
}

// longs reports false on overflow.
func longs(op Operator, a, b int64) (int64, bool) {
	switch op {
	case OpAdd:
		n := a + b
		return n, (n^a) >= 0 || (n^b) >= 0
	case OpSub:
		n := a - b
		return n, (n^a) >= 0 || (n^^b) >= 0
	case OpMul:
		n := a * b
		return n, b == 0 || n/b == a && (a != math.MinInt64 || b != -1)
	case OpDiv:
		return a / b, a != math.MinInt64 || b != -1
	default:
		if b == -1 {
			return 0, true
		}
		return a % b, true
	}
}

func bigs(op Operator, a, b *big.Int, m *Meter) (any, error) {
	if a.BitLen()+b.BitLen() > maxBits {
		return nil, ErrWork
	}
	n := new(big.Int)
	switch op {
	case OpAdd:
		n.Add(a, b)
	case OpSub:
		n.Sub(a, b)
	case OpMul:
		n.Mul(a, b)
	case OpDiv:
		n.Quo(a, b)
	default:
		if b.Sign() < 0 {
			return nil, nil // Java: modulus not positive
		}
		n.Mod(a, b)
	}
	return n, m.Spend(a.BitLen() + b.BitLen())
}

func doubles(op Operator, a, b float64) any {
	switch op {
	case OpAdd:
		return a + b
	case OpSub:
		return a - b
	case OpMul:
		return a * b
	case OpDiv:
		return a / b
	default:
		return math.Mod(a, b)
	}
}

func decimals(op Operator, left, right any, m *Meter) (any, error) {
	a, okA := decimalOf(left)
	b, okB := decimalOf(right)
	if !okA || !okB || op == OpModulo {
		return nil, nil
	}
	scale := max(a.Scale, b.Scale)
	if a.Unscaled.BitLen()+b.Unscaled.BitLen() > maxBits || scale-min(a.Scale, b.Scale) > maxScale {
		return nil, ErrWork
	}
	if err := m.Spend(maxScale); err != nil {
		return nil, err
	}
	switch op {
	case OpAdd:
		return &Decimal{new(big.Int).Add(a.rescaled(scale), b.rescaled(scale)), scale}, nil
	case OpSub:
		return &Decimal{new(big.Int).Sub(a.rescaled(scale), b.rescaled(scale)), scale}, nil
	case OpMul:
		if sum := a.Scale + b.Scale; sum > maxScale || sum < -maxScale {
			return nil, ErrWork
		}
		return &Decimal{new(big.Int).Mul(a.Unscaled, b.Unscaled), a.Scale + b.Scale}, nil
	default:
		if b.Scale > maxScale || b.Scale < -maxScale {
			return nil, ErrWork
		}
		return a.quotient(b), nil
	}
}

// Compare orders two numbers. A NaN is equal to everything, as Velocity's comparison has it.
func Compare(left, right any) int {
	l, r := rank(left), rank(right)
	switch {
	case l <= 2 && r <= 2:
		return cmp.Compare(Long(left), Long(right))
	case l <= 3 && r <= 3:
		return bigOf(left).Cmp(bigOf(right))
	case l == 5 || r == 5 || l == 3 || r == 3:
		a, okA := decimalOf(left)
		b, okB := decimalOf(right)
		if okA && okB && max(a.Scale, b.Scale)-min(a.Scale, b.Scale) <= maxScale {
			scale := max(a.Scale, b.Scale)
			return a.rescaled(scale).Cmp(b.rescaled(scale))
		}
	}
	a, b := Float(left), Float(right)
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
