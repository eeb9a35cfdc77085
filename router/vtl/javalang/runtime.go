package javalang

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/sallyport/sallyport/router/vtl/javaregex"
	"github.com/sallyport/sallyport/router/vtl/memo"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// ErrThrown says that a method failed as Java's throws: an index out of range, text that is no number.
var ErrThrown = errors.New("the method failed")

// ErrTooLong says that a string would be longer than a template may make one.
var ErrTooLong = errors.New("a string is too long")

// MaxString is the most bytes of a string that a method makes: the payload limit of contract/mapping-templates.md §1.6.
const MaxString = 10 << 20

// Runtime calls methods. It is safe for concurrent use; its compiled patterns are shared by the renders of a template.
type Runtime struct {
	patterns *memo.Memo[*javaregex.Regexp]
}

// New returns a Runtime without known patterns.
func New() *Runtime { return &Runtime{memo.New(javaregex.Compile)} }

func thrown(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrThrown, fmt.Sprintf(format, args...))
}

// call is one method call. Its methods read arguments by the type that an overload wants.
type call struct {
	runtime *Runtime
	meter   *value.Meter
	name    string
	args    []any
}

// Call calls a method of v. ok is false if there is no such method for these arguments. The errors are ErrThrown,
// ErrTooLong, value.ErrDepth and the meter's.
func (r *Runtime) Call(v any, name string, args []any, m *value.Meter) (result any, ok bool, err error) {
	if err := m.Spend(1); err != nil {
		return nil, false, err
	}
	c := &call{r, m, name, args}
	switch v := v.(type) {
	case string:
		result, ok, err = c.string(v)
	case int32, int64, float64, *big.Int, *value.Decimal:
		result, ok, err = c.number(v)
	case bool:
		result, ok, err = c.boolean(v)
	case value.Char:
		result, ok, err = c.char(v)
	case *value.List:
		result, ok, err = c.list(v)
	case *value.Map:
		result, ok, err = c.mapping(v)
	case *value.Set:
		result, ok, err = c.set(v)
	case *value.Array:
		result, ok, err = c.array(v)
	case *value.Entry:
		result, ok, err = c.entry(v)
	case *iterator:
		result, ok, err = c.iterator(v)
	default:
		return nil, false, nil
	}
	if ok || err != nil {
		return result, ok, err
	}
	return c.object(v)
}

// object has the methods of every object.
func (c *call) object(v any) (any, bool, error) {
	switch {
	case c.name == "toString" && len(c.args) == 0:
		s, err := value.Text(v, c.meter)
		return s, true, err
	case c.name == "equals" && len(c.args) == 1:
		same, err := value.Equal(v, c.args[0], c.meter)
		return same, true, err
	case c.name == "hashCode" && len(c.args) == 0:
		h, err := value.Hash(v, c.meter)
		return h, true, err
	}
	return nil, false, nil
}

// text returns argument i if it is a string.
func (c *call) text(i int) (string, bool) {
	if i >= len(c.args) {
		return "", false
	}
	s, ok := c.args[i].(string)
	return s, ok
}

// int returns argument i if it is an Integer.
func (c *call) int(i int) (int, bool) {
	if i >= len(c.args) {
		return 0, false
	}
	n, ok := c.args[i].(int32)
	return int(n), ok
}

// ints reports whether all arguments are Integers, and returns up to two of them.
func (c *call) ints() (a, b int, ok bool) {
	for i := range c.args {
		n, isInt := c.int(i)
		if !isInt {
			return 0, 0, false
		}
		if i == 0 {
			a = n
		} else {
			b = n
		}
	}
	return a, b, len(c.args) <= 2
}

// bounded returns s as a result, unless it is longer than a string may be.
func (c *call) bounded(s string) (any, bool, error) {
	if len(s) > MaxString {
		return nil, true, ErrTooLong
	}
	return s, true, c.meter.Spend(len(s))
}

// Property is v.name as a property: a map's key, or the getter that some classes have (contract §3.5).
func Property(v any, name string) (any, bool) {
	switch v := v.(type) {
	case *value.Map:
		return v.Get(name)
	case string:
		switch name {
		case "bytes":
			return bytesOf(v), true
		case "empty":
			return v == "", true
		}
	case *value.Entry:
		switch name {
		case "key":
			return v.Key, true
		case "value":
			return v.Value, true
		}
	case *value.List:
		return len(v.Items) == 0, name == "empty"
	case *value.Set:
		return len(v.Items) == 0, name == "empty"
	}
	return nil, false
}

// SetProperty is #set($v.name = x). It reports false where that means nothing.
func SetProperty(v any, name string, x any) bool {
	m, ok := v.(*value.Map)
	if ok {
		m.Put(name, x)
	}
	return ok
}

// Index is v[i]. ok is false if v can't be indexed by such an i. The error is ErrThrown for an index out of range.
func Index(v, i any) (result any, ok bool, err error) {
	if i, err = fromEnd(v, i); err != nil {
		return nil, false, err
	}
	switch v := v.(type) {
	case *value.Map:
		result, ok = v.Get(i)
		return result, ok, nil
	case *value.List:
		return at(v.Items, i)
	case *value.Array:
		return at(v.Items, i)
	}
	return nil, false, nil
}

func at(items []any, i any) (any, bool, error) {
	n, ok := i.(int32)
	if !ok {
		return nil, false, nil
	}
	if n < 0 || int(n) >= len(items) {
		return nil, true, thrown("index %d is outside of the list, whose size is %d", n, len(items))
	}
	return items[n], true, nil
}

// fromEnd turns a negative index into one from the end; of a map too, whose keys may be numbers (contract §3.6).
func fromEnd(v, i any) (any, error) {
	n, ok := i.(int32)
	if !ok || n >= 0 {
		return i, nil
	}
	size := 0
	if m, ok := v.(*value.Map); ok {
		size = m.Len()
	} else if items, ok := value.Items(v); ok {
		size = len(items)
	} else {
		return nil, thrown("a negative index needs a list or a map")
	}
	return int32(size) + n, nil
}

// SetIndex is #set($v[i] = x).
func SetIndex(v, i, x any) error {
	i, err := fromEnd(v, i)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *value.Map:
		v.Put(i, x)
	case *value.List:
		return setItem(v.Items, i, x)
	case *value.Array:
		return setItem(v.Items, i, x)
	}
	return nil
}

func setItem(items []any, i, x any) error {
	_, ok, err := at(items, i)
	if ok && err == nil {
		items[i.(int32)] = x
	}
	return err
}

// iterator is what iterator() returns.
type iterator struct {
	items []any
	at    int
}

// String prints the iterator as nothing of use, as Java does.
func (*iterator) String() string { return "java.util.Iterator@1" }

// Rest returns the items that an iterator has not yet given and exhausts it; ok is false if v is no iterator.
func Rest(v any) (items []any, ok bool) {
	it, ok := v.(*iterator)
	if !ok {
		return nil, false
	}
	items = it.items[it.at:]
	it.at = len(it.items)
	return items, true
}

func (c *call) iterator(it *iterator) (any, bool, error) {
	switch {
	case c.name == "hasNext" && len(c.args) == 0:
		return it.at < len(it.items), true, nil
	case c.name == "next" && len(c.args) == 0:
		if it.at >= len(it.items) {
			return nil, true, thrown("there is no next item")
		}
		it.at++
		return it.items[it.at-1], true, nil
	}
	return nil, false, nil
}
