package value

import (
	"math/big"
	"slices"
)

// Char is one UTF-16 unit, as Java's charAt gives it.
type Char uint16

// Object is what the engine adds to the values of this package, such as $input: something that prints.
type Object interface{ String() string }

// Style is how a list prints.
type Style uint8

const (
	// StyleJava is [1, a]: lists that a template made (contract/mapping-templates.md §3.16).
	StyleJava Style = iota
	// StyleWeb is compact JSON in which / is \/: lists that came out of JSON (contract/mapping-templates.md §4.4).
	StyleWeb
	// StyleLight is compact JSON in which / stays as it is, as in $input.json (contract/mapping-templates.md §4.5).
	StyleLight
)

// List is a list that can change.
type List struct {
	Items []any
	Style Style
	mods  int
}

// Changed counts the changes of the list's length, so that a loop notices one under its feet.
func (l *List) Changed() int { return l.mods }

// Add appends items.
func (l *List) Add(items ...any) {
	l.Items = append(l.Items, items...)
	l.mods++
}

// Insert puts item before position i, which must be within 0 to the length.
func (l *List) Insert(i int, item any) {
	l.Items = slices.Insert(l.Items, i, item)
	l.mods++
}

// Remove takes the item at i out, which must be there.
func (l *List) Remove(i int) any {
	gone := l.Items[i]
	l.Items = slices.Delete(l.Items, i, i+1)
	l.mods++
	return gone
}

// Set is a snapshot of a map's keys, values or entries. It prints as a list.
type Set struct{ Items []any }

// Array is a Java array, such as split returns. Class is what Java prints of it, such as [Ljava.lang.String;.
type Array struct {
	Items []any
	Class string
}

// Entry is one key of a map with its value.
type Entry struct{ Key, Value any }

// indexFrom is the size from which a map keeps an index: below it a scan of the keys is faster.
const indexFrom = 12

// Map is a map that keeps its keys in the order of their first insertion, as Java's LinkedHashMap does.
type Map struct {
	entries []Entry
	index   map[any]int // nil while the map is small
	mods    int
	// Silent maps print as nothing (contract/mapping-templates.md §6.3: nested objects of $context).
	Silent bool
}

// bigKey stands for a big number in the index: equal numbers are one key, whatever pointer they have.
type bigKey string

func keyOf(key any) any {
	if n, ok := key.(*big.Int); ok {
		return bigKey(n.String())
	}
	return key
}

// NewMap returns an empty map with room for n keys.
func NewMap(n int) *Map { return &Map{entries: make([]Entry, 0, n)} }

// Len is the number of keys.
func (m *Map) Len() int { return len(m.entries) }

// Changed counts the changes of the set of keys.
func (m *Map) Changed() int { return m.mods }

// Entries are the entries in order; the caller must not keep them across a change.
func (m *Map) Entries() []Entry { return m.entries }

func (m *Map) find(key any) int {
	key = keyOf(key)
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return i
		}
		return -1
	}
	if text, ok := key.(string); ok { // nearly every key is one
		for i := range m.entries {
			if k, ok := m.entries[i].Key.(string); ok && k == text {
				return i
			}
		}
		return -1
	}
	for i := range m.entries {
		if keyOf(m.entries[i].Key) == key {
			return i
		}
	}
	return -1
}

// Get returns the value of key, and whether it is there.
func (m *Map) Get(key any) (any, bool) {
	if i := m.find(key); i >= 0 {
		return m.entries[i].Value, true
	}
	return nil, false
}

// Put sets key and returns the value it had, or nil.
func (m *Map) Put(key, val any) any {
	if i := m.find(key); i >= 0 {
		old := m.entries[i].Value
		m.entries[i].Value = val
		return old
	}
	m.entries = append(m.entries, Entry{key, val})
	m.mods++
	if m.index != nil {
		m.index[keyOf(key)] = len(m.entries) - 1
	} else if len(m.entries) >= indexFrom {
		m.reindex()
	}
	return nil
}

// Remove deletes key and returns the value it had, or nil.
func (m *Map) Remove(key any) any {
	i := m.find(key)
	if i < 0 {
		return nil
	}
	old := m.entries[i].Value
	m.entries = slices.Delete(m.entries, i, i+1)
	m.mods++
	if m.index != nil {
		m.reindex()
	}
	return old
}

// Clear deletes every key.
func (m *Map) Clear() {
	m.entries, m.index = nil, nil
	m.mods++
}

func (m *Map) reindex() {
	m.index = make(map[any]int, 2*len(m.entries))
	for i := range m.entries {
		m.index[keyOf(m.entries[i].Key)] = i
	}
}

// Keys, Values and Set are the snapshots that keySet, values and entrySet return.
func (m *Map) Keys() *Set   { return m.snapshot(func(e *Entry) any { return e.Key }) }
func (m *Map) Values() *Set { return m.snapshot(func(e *Entry) any { return e.Value }) }
func (m *Map) Set() *Set {
	return m.snapshot(func(e *Entry) any { return &Entry{e.Key, e.Value} })
}

func (m *Map) snapshot(of func(*Entry) any) *Set {
	items := make([]any, len(m.entries))
	for i := range m.entries {
		items[i] = of(&m.entries[i])
	}
	return &Set{items}
}

// Items returns the items of a list, set or array.
func Items(v any) ([]any, bool) {
	switch v := v.(type) {
	case *List:
		return v.Items, true
	case *Set:
		return v.Items, true
	case *Array:
		return v.Items, true
	}
	return nil, false
}
