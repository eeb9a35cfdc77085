package jsonpath

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/router/vtl/javaregex"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// test is a condition of a filter on one item.
type test interface {
	holds(w *walk, item any) (bool, error)
}

type (
	or     struct{ left, right test }
	and    struct{ left, right test }
	not    struct{ of test }
	exists struct{ path *query }
	// matches is left =~ /re/, which must take the whole of a string.
	matches struct {
		left operand
		re   *javaregex.Regexp
	}
	compare struct {
		left, right operand
		op          string
	}
)

func (t *or) holds(w *walk, item any) (bool, error) {
	if ok, err := t.left.holds(w, item); ok || err != nil {
		return ok, err
	}
	return t.right.holds(w, item)
}

func (t *and) holds(w *walk, item any) (bool, error) {
	if ok, err := t.left.holds(w, item); !ok || err != nil {
		return ok, err
	}
	return t.right.holds(w, item)
}

func (t *not) holds(w *walk, item any) (bool, error) {
	ok, err := t.of.holds(w, item)
	return !ok, err
}

func (t *exists) holds(w *walk, item any) (bool, error) {
	_, found, err := t.path.value(w, item)
	return found, err
}

func (t *matches) holds(w *walk, item any) (bool, error) {
	v, _, err := t.left.value(w, item)
	s, ok := v.(string)
	if !ok || err != nil {
		return false, err
	}
	if err := w.meter.Spend(1 + len(s)); err != nil {
		return false, err
	}
	// Backtracking costs time that no unit of work stands for.
	if w.meter.Remaining(javaregex.MaxTime) <= 0 {
		return false, value.ErrTime
	}
	return t.re.MatchString(s)
}

func (t *compare) holds(w *walk, item any) (bool, error) {
	left, found, err := t.left.value(w, item)
	if !found || err != nil {
		return false, err
	}
	right, found, err := t.right.value(w, item)
	if !found || err != nil {
		return false, err
	}
	if err := w.meter.Spend(1 + cost(left) + cost(right)); err != nil {
		return false, err
	}
	switch t.op {
	case "==":
		return equal(left, right, w.meter)
	case "!=":
		same, err := equal(left, right, w.meter)
		return !same, err
	case "in", "nin":
		items, ok := value.Items(right)
		for _, candidate := range items {
			if err := w.meter.Spend(1 + cost(left) + cost(candidate)); err != nil {
				return false, err
			}
			if same, err := equal(left, candidate, w.meter); same || err != nil {
				return same && t.op == "in", err
			}
		}
		return ok && t.op == "nin", nil
	case "size":
		n, ok := size(left)
		return ok && value.IsNumber(right) && int64(n) == value.Long(right), nil
	case "empty":
		n, ok := size(left)
		return ok && (n == 0) == (right == true), nil
	}
	order, ok := ordered(left, right)
	return ok && (order < 0 && t.op[0] == '<' || order > 0 && t.op[0] == '>' || order == 0 && len(t.op) == 2), nil
}

// bigCost is what to look at a big number costs: aligning the scales of two takes microseconds.
const bigCost = 128

// cost is what to look at a value costs beyond a unit: a filter may look at one long value again for each item. Lists and
// objects are paid for item by item, by value.Equal.
func cost(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case *big.Int, *value.Decimal:
		return bigCost
	}
	return 0
}

func size(v any) (int, bool) {
	if s, ok := v.(string); ok {
		return value.Length(s), true
	}
	items, ok := value.Items(v)
	return len(items), ok
}

// number reads v as a number; a string that looks like one counts when it is compared with a number.
func number(v any) (any, bool) {
	if s, ok := v.(string); ok {
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	}
	return v, value.IsNumber(v)
}

// ordered compares two numbers or two strings.
func ordered(a, b any) (int, bool) {
	s, isText := a.(string)
	if t, ok := b.(string); ok && isText {
		return strings.Compare(s, t), true
	}
	left, okA := number(a)
	right, okB := number(b)
	if !okA || !okB {
		return 0, false
	}
	return value.Compare(left, right), true
}

func equal(a, b any, m *value.Meter) (bool, error) {
	if order, ok := ordered(a, b); ok {
		return order == 0, nil
	}
	return value.Equal(a, b, m)
}

// operand is one side of a comparison.
type operand interface {
	value(w *walk, item any) (v any, found bool, err error)
}

type (
	literal struct{ v any }
	pattern struct{ re *javaregex.Regexp }
	// query is a path from the item (@) or the document ($).
	query struct {
		path     *Path
		absolute bool
	}
)

func (o *literal) value(*walk, any) (any, bool, error) { return o.v, true, nil }

// A pattern is only ever the right side of =~, which looks at it itself.
func (o *pattern) value(*walk, any) (any, bool, error) { return nil, false, nil }

func (o *query) value(w *walk, item any) (any, bool, error) {
	if o.absolute {
		item = w.root
	}
	return w.inside(o.path, item)
}
