package vtl

import (
	"math/big"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// constant is a number, or a string without references. As a condition it is false, like every value that is neither a
// boolean nor a reference (§3.11, §3b.9).
type constant struct{ v any }

func (e constant) eval(*run) (any, error) {
	if n, ok := e.v.(*big.Int); ok {
		return new(big.Int).Set(n), nil
	}
	return e.v, nil
}

func (e constant) test(*run) (bool, error) { return e.v == true, nil }

// never is embedded by expressions that are false as conditions.
type never struct{}

func (never) test(*run) (bool, error) { return false, nil }

// interpolated is a double-quoted string with references or directives.
type interpolated struct {
	never
	body block
	cut  int // bytes to take off its end
}

func (e *interpolated) eval(r *run) (any, error) {
	out, err := r.capture(e.body)
	return string(out[:max(0, len(out)-e.cut)]), err
}

// listLiteral is [a, b].
type listLiteral struct {
	never
	items []expression
}

func (e *listLiteral) eval(r *run) (any, error) {
	if err := r.meter.Spend(workPerItem * (1 + len(e.items))); err != nil {
		return nil, err
	}
	l := &value.List{Items: make([]any, len(e.items))}
	for i, item := range e.items {
		var err error
		if l.Items[i], err = item.eval(r); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// workPerItem is what an item of a list or a map costs: as much as its bytes of memory.
const workPerItem = 16

// mapLiteral is {'k': v}: keys and values in turn.
type mapLiteral struct {
	never
	pairs []expression
}

func (e *mapLiteral) eval(r *run) (any, error) {
	if err := r.meter.Spend(workPerItem * (1 + len(e.pairs))); err != nil {
		return nil, err
	}
	m := value.NewMap(len(e.pairs) / 2)
	for i := 0; i < len(e.pairs); i += 2 {
		k, err := e.pairs[i].eval(r)
		if err != nil {
			return nil, err
		}
		v, err := e.pairs[i+1].eval(r)
		if err != nil {
			return nil, err
		}
		m.Put(k, v)
	}
	return m, nil
}

// rangeLiteral is [a..b], upwards or downwards; without two numbers there is none (§3.8).
type rangeLiteral struct {
	never
	from, to expression
}

func (e *rangeLiteral) eval(r *run) (any, error) {
	from, err := e.from.eval(r)
	if err != nil {
		return nil, err
	}
	to, err := e.to.eval(r)
	if err != nil || !value.IsNumber(from) || !value.IsNumber(to) {
		return nil, err
	}
	a, b := int(value.Int(from)), int(value.Int(to))
	size, step := b-a+1, 1
	if a >= b {
		size, step = a-b+1, -1
	}
	if err := r.meter.Spend(size); err != nil {
		return nil, err
	}
	l := &value.List{Items: make([]any, size)}
	for i := range l.Items {
		l.Items[i] = int32(a + i*step)
	}
	return l, nil
}

// arithmetic is a + b and its like.
type arithmetic struct {
	never
	op          value.Operator
	left, right expression
}

func (e *arithmetic) eval(r *run) (any, error) {
	left, right, err := r.both(e.left, e.right)
	if err != nil {
		return nil, err
	}
	if e.op == value.OpAdd {
		_, isText := left.(string)
		if !isText {
			_, isText = right.(string)
		}
		if isText { // §3b.3
			return r.joined(left, right)
		}
	}
	return value.Arithmetic(e.op, left, right, r.meter)
}

// comparison is a == b and its like. Only numbers have an order (§3.11).
type comparison struct {
	op          string
	left, right expression
}

func (e *comparison) eval(r *run) (any, error) { return boxed(e.test(r)) }

// boxed makes a value of a condition.
func boxed(ok bool, err error) (any, error) { return ok, err }

func (e *comparison) test(r *run) (bool, error) {
	left, right, err := r.both(e.left, e.right)
	if err != nil {
		return false, err
	}
	switch e.op {
	case "==":
		return value.Same(left, right, r.meter)
	case "!=":
		same, err := value.Same(left, right, r.meter)
		return !same, err
	}
	if !value.IsNumber(left) || !value.IsNumber(right) {
		return false, nil
	}
	order := value.Compare(left, right)
	switch e.op {
	case "<":
		return order < 0, nil
	case "<=":
		return order <= 0, nil
	case ">":
		return order > 0, nil
	default:
		return order >= 0, nil
	}
}

// both evaluates two operands, the left one first.
func (r *run) both(a, b expression) (left, right any, err error) {
	if err = r.meter.Spend(1); err != nil {
		return nil, nil, err
	}
	if left, err = a.eval(r); err != nil {
		return nil, nil, err
	}
	right, err = b.eval(r)
	return left, right, err
}

// logical is a && b and a || b: the right side is looked at only if it matters.
type logical struct {
	or          bool
	left, right expression
}

func (e *logical) eval(r *run) (any, error) { return boxed(e.test(r)) }

func (e *logical) test(r *run) (bool, error) {
	if ok, err := e.left.test(r); ok == e.or || err != nil {
		return ok, err
	}
	return e.right.test(r)
}

// negation is !a.
type negation struct{ of expression }

func (e *negation) eval(r *run) (any, error) { return boxed(e.test(r)) }

func (e *negation) test(r *run) (bool, error) {
	ok, err := e.of.test(r)
	return !ok, err
}
