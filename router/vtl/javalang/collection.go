package javalang

import (
	"slices"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// items has the methods that every collection has.
func (c *call) items(items []any) (any, bool, error) {
	if err := c.meter.Spend(len(items) / itemsPerUnit); err != nil {
		return nil, false, err
	}
	switch len(c.args) {
	case 0:
		switch c.name {
		case "size":
			return int32(len(items)), true, nil
		case "isEmpty":
			return len(items) == 0, true, nil
		case "iterator":
			return &iterator{items: slices.Clone(items)}, true, c.meter.Spend(len(items))
		case "toArray":
			return &value.Array{Items: slices.Clone(items), Class: "[Ljava.lang.Object;"}, true, c.meter.Spend(len(items))
		}
	case 1:
		switch c.name {
		case "contains":
			i, err := value.Index(items, c.args[0], c.meter)
			return i >= 0, true, err
		case "containsAll":
			others, ok := value.Items(c.args[0])
			if !ok {
				return nil, false, nil
			}
			for _, other := range others {
				if i, err := value.Index(items, other, c.meter); i < 0 || err != nil {
					return false, true, err
				}
			}
			return true, true, nil
		}
	}
	return nil, false, nil
}

// itemsPerUnit is how many items moving costs a unit of work.
const itemsPerUnit = 16

// set has the methods of what keySet, values and entrySet return.
func (c *call) set(s *value.Set) (any, bool, error) { return c.items(s.Items) }

// array has the methods of arrays, which Velocity treats as lists of fixed size.
func (c *call) array(a *value.Array) (any, bool, error) {
	if v, ok, err := c.fixed(a.Items); ok || err != nil {
		return v, ok, err
	}
	return c.items(a.Items)
}

// fixed has the methods of lists that leave the size as it is.
func (c *call) fixed(items []any) (any, bool, error) {
	switch {
	case c.name == "get" && len(c.args) == 1:
		return at(items, c.args[0])
	case c.name == "set" && len(c.args) == 2:
		old, ok, err := at(items, c.args[0])
		if ok && err == nil {
			items[c.args[0].(int32)] = c.args[1]
		}
		return old, ok, err
	case c.name == "indexOf" && len(c.args) == 1:
		i, err := value.Index(items, c.args[0], c.meter)
		return int32(i), true, err
	case c.name == "lastIndexOf" && len(c.args) == 1:
		backwards := slices.Clone(items)
		slices.Reverse(backwards)
		i, err := value.Index(backwards, c.args[0], c.meter)
		if i >= 0 {
			i = len(items) - 1 - i
		}
		return int32(i), true, err
	case c.name == "subList" && len(c.args) == 2:
		from, to, ok := c.ints()
		if !ok {
			return nil, false, nil
		}
		if from < 0 || to > len(items) || from > to {
			return nil, true, thrown("subList from %d to %d of a list of %d", from, to, len(items))
		}
		return &value.List{Items: slices.Clone(items[from:to])}, true, c.meter.Spend(to - from)
	}
	return nil, false, nil
}

// list has the methods of java.util.ArrayList.
func (c *call) list(l *value.List) (any, bool, error) {
	if v, ok, err := c.fixed(l.Items); ok || err != nil {
		return v, ok, err
	}
	switch c.name {
	case "add":
		return c.add(l)
	case "addAll":
		return c.addAll(l)
	case "remove":
		return c.remove(l)
	case "removeAll", "retainAll":
		return c.sift(l)
	case "clear":
		if len(c.args) == 0 {
			l.Items = nil
			l.Add()
			return "", true, nil // void
		}
	case "toJSONString":
		if len(c.args) == 0 && l.Style != value.StyleJava {
			s, err := value.Text(l, c.meter)
			return s, true, err
		}
	}
	return c.items(l.Items)
}

func (c *call) add(l *value.List) (any, bool, error) {
	if err := c.meter.Spend(1 + itemsPerUnit); err != nil {
		return nil, false, err
	}
	switch len(c.args) {
	case 1:
		l.Add(c.args[0])
		return true, true, nil
	case 2:
		i, ok := c.int(0)
		if !ok {
			return nil, false, nil
		}
		if i < 0 || i > len(l.Items) {
			return nil, true, thrown("index %d is outside of the list, whose size is %d", i, len(l.Items))
		}
		l.Insert(i, c.args[1])
		return "", true, c.meter.Spend(len(l.Items) / itemsPerUnit) // void
	}
	return nil, false, nil
}

func (c *call) addAll(l *value.List) (any, bool, error) {
	if len(c.args) == 0 || len(c.args) > 2 {
		return nil, false, nil
	}
	more, ok := value.Items(c.args[len(c.args)-1])
	if !ok {
		return nil, false, nil
	}
	if err := c.meter.Spend(itemsPerUnit * len(more)); err != nil {
		return nil, false, err
	}
	at := len(l.Items)
	if len(c.args) == 2 {
		i, ok := c.int(0)
		if !ok {
			return nil, false, nil
		}
		if i < 0 || i > at {
			return nil, true, thrown("index %d is outside of the list, whose size is %d", i, at)
		}
		at = i
	}
	l.Items = slices.Insert(l.Items, at, slices.Clone(more)...)
	l.Add()
	return len(more) > 0, true, c.meter.Spend(len(l.Items) / itemsPerUnit)
}

// remove takes an Integer for an index and anything else for an item.
func (c *call) remove(l *value.List) (any, bool, error) {
	if len(c.args) != 1 {
		return nil, false, nil
	}
	if err := c.meter.Spend(len(l.Items) / itemsPerUnit); err != nil {
		return nil, false, err
	}
	if i, isInt := c.int(0); isInt {
		if _, _, err := at(l.Items, c.args[0]); err != nil {
			return nil, true, err
		}
		return l.Remove(i), true, nil
	}
	i, err := value.Index(l.Items, c.args[0], c.meter)
	if i >= 0 && err == nil {
		l.Remove(i)
	}
	return i >= 0, true, err
}

// sift has removeAll and retainAll.
func (c *call) sift(l *value.List) (any, bool, error) {
	if len(c.args) != 1 {
		return nil, false, nil
	}
	others, ok := value.Items(c.args[0])
	if !ok {
		return nil, false, nil
	}
	var kept []any
	for _, item := range l.Items {
		i, err := value.Index(others, item, c.meter)
		if err != nil {
			return nil, true, err
		}
		if (i >= 0) == (c.name == "retainAll") {
			kept = append(kept, item)
		}
	}
	changed := len(kept) != len(l.Items)
	l.Items = kept
	if changed {
		l.Add()
	}
	return changed, true, nil
}

// mapping has the methods of java.util.LinkedHashMap.
func (c *call) mapping(m *value.Map) (any, bool, error) {
	if err := c.meter.Spend(1); err != nil {
		return nil, false, err
	}
	switch len(c.args) {
	case 0:
		return c.mappingWhole(m)
	case 1:
		return c.mappingKey(m, c.args[0])
	case 2:
		key, v := c.args[0], c.args[1]
		switch c.name {
		case "put":
			return m.Put(key, v), true, c.meter.Spend(itemsPerUnit)
		case "putIfAbsent":
			old, _ := m.Get(key)
			if old == nil {
				m.Put(key, v)
			}
			return old, true, c.meter.Spend(itemsPerUnit)
		case "getOrDefault":
			if found, ok := m.Get(key); ok {
				return found, true, nil
			}
			return v, true, nil
		case "replace":
			if _, ok := m.Get(key); ok {
				return m.Put(key, v), true, nil
			}
			return nil, true, nil
		}
	}
	return nil, false, nil
}

func (c *call) mappingWhole(m *value.Map) (any, bool, error) {
	switch c.name {
	case "size":
		return int32(m.Len()), true, nil
	case "isEmpty":
		return m.Len() == 0, true, nil
	case "keySet":
		return m.Keys(), true, c.meter.Spend(m.Len())
	case "values":
		return m.Values(), true, c.meter.Spend(m.Len())
	case "entrySet":
		return m.Set(), true, c.meter.Spend(m.Len())
	case "clear":
		m.Clear()
		return "", true, nil // void
	}
	return nil, false, nil
}

func (c *call) mappingKey(m *value.Map, key any) (any, bool, error) {
	switch c.name {
	case "get":
		v, _ := m.Get(key)
		return v, true, nil
	case "containsKey":
		_, ok := m.Get(key)
		return ok, true, nil
	case "containsValue":
		i, err := value.Index(m.Values().Items, key, c.meter)
		return i >= 0, true, err
	case "remove":
		return m.Remove(key), true, c.meter.Spend(m.Len())
	case "putAll":
		from, ok := key.(*value.Map)
		if !ok {
			return nil, false, nil
		}
		for _, e := range slices.Clone(from.Entries()) {
			m.Put(e.Key, e.Value)
		}
		return "", true, c.meter.Spend(itemsPerUnit * from.Len()) // void
	}
	return nil, false, nil
}

// entry has the methods of java.util.Map.Entry.
func (c *call) entry(e *value.Entry) (any, bool, error) {
	if len(c.args) == 0 {
		switch c.name {
		case "getKey":
			return e.Key, true, nil
		case "getValue":
			return e.Value, true, nil
		}
	}
	return nil, false, nil
}
