package value

import (
	"math/big"
	"slices"
)

// Same is what == means (contract/mapping-templates.md §3.11): numbers by value, values of one class by equals, others
// by the text that they print.
func Same(a, b any, m *Meter) (bool, error) {
	switch {
	case a == nil || b == nil:
		return a == nil && b == nil, nil
	case rank(a) > 0 && rank(b) > 0:
		return Compare(a, b) == 0, nil
	}
	if sameClass(a, b) {
		return Equal(a, b, m)
	}
	left, err := Text(a, m)
	if err != nil {
		return false, err
	}
	right, err := Text(b, m)
	return left == right, err
}

func sameClass(a, b any) bool {
	switch a.(type) {
	case string:
		_, ok := b.(string)
		return ok
	case bool:
		_, ok := b.(bool)
		return ok
	case Char:
		_, ok := b.(Char)
		return ok
	case *List:
		_, ok := b.(*List)
		return ok
	case *Map:
		_, ok := b.(*Map)
		return ok
	case *Set:
		_, ok := b.(*Set)
		return ok
	}
	return a == b
}

// Equal is Java's equals: numbers of different types differ.
func Equal(a, b any, m *Meter) (bool, error) { return equal(a, b, m, 0) }

func equal(a, b any, m *Meter, depth int) (bool, error) {
	if depth > MaxDepth {
		return false, ErrDepth
	}
	if err := m.Spend(1); err != nil {
		return false, err
	}
	switch a := a.(type) {
	case string:
		s, ok := b.(string)
		return ok && a == s, m.Spend(len(a))
	case *List:
		l, ok := b.(*List)
		if !ok || len(a.Items) != len(l.Items) {
			return false, nil
		}
		return equalItems(a.Items, l.Items, m, depth)
	case *Set:
		s, ok := b.(*Set)
		if !ok || len(a.Items) != len(s.Items) {
			return false, nil
		}
		return equalItems(a.Items, s.Items, m, depth)
	case *Map:
		o, ok := b.(*Map)
		if !ok || len(a.entries) != len(o.entries) {
			return false, nil
		}
		for i := range a.entries {
			v, found := o.Get(a.entries[i].Key)
			if !found {
				return false, nil
			}
			if same, err := equal(a.entries[i].Value, v, m, depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *Entry:
		e, ok := b.(*Entry)
		if !ok {
			return false, nil
		}
		return equalItems([]any{a.Key, a.Value}, []any{e.Key, e.Value}, m, depth)
	case *big.Int:
		n, ok := b.(*big.Int)
		return ok && a.Cmp(n) == 0, nil
	case *Decimal:
		d, ok := b.(*Decimal)
		return ok && a.Scale == d.Scale && a.Unscaled.Cmp(d.Unscaled) == 0, nil
	}
	return a == b, nil
}

func equalItems(a, b []any, m *Meter, depth int) (bool, error) {
	for i := range a {
		if same, err := equal(a[i], b[i], m, depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Index returns the position of the first item that equals v, or -1.
func Index(items []any, v any, m *Meter) (int, error) {
	var failed error
	i := slices.IndexFunc(items, func(item any) bool {
		same, err := Equal(item, v, m)
		if err != nil {
			failed = err
		}
		return same || err != nil
	})
	return i, failed
}

// Hash is Java's hashCode of the values that have one independent of addresses; others give 0.
func Hash(v any, m *Meter) (int32, error) { return hash(v, m, 0) }

func hash(v any, m *Meter, depth int) (int32, error) {
	if depth > MaxDepth {
		return 0, ErrDepth
	}
	if err := m.Spend(1); err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case string:
		h := int32(0)
		for _, unit := range Units(v) {
			h = 31*h + int32(unit)
		}
		return h, m.Spend(len(v))
	case bool:
		if v {
			return 1231, nil // Boolean.hashCode
		}
		return 1237, nil
	case int32:
		return v, nil
	case int64:
		return int32(v ^ int64(uint64(v)>>32)), nil
	case Char:
		return int32(v), nil
	case *List:
		h := int32(1)
		for _, item := range v.Items {
			n, err := hash(item, m, depth+1)
			if err != nil {
				return 0, err
			}
			h = 31*h + n
		}
		return h, nil
	case *Map:
		h := int32(0)
		for i := range v.entries {
			k, err := hash(v.entries[i].Key, m, depth+1)
			if err != nil {
				return 0, err
			}
			n, err := hash(v.entries[i].Value, m, depth+1)
			if err != nil {
				return 0, err
			}
			h += k ^ n
		}
		return h, nil
	}
	return 0, nil
}
