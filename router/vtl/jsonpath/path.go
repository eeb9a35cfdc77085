package jsonpath

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// ErrPath says that a path is not valid, or can't be applied to the document: an index into something that is no list.
var ErrPath = errors.New("invalid JSON path")

// errNotFound ends a walk: one missing member ends the whole of it, except below a wildcard.
var errNotFound = errors.New("no such path")

// Path is a compiled path, safe for concurrent use.
type Path struct {
	first    step // nil: the document itself
	definite bool
}

// Eval returns what the path leads to in document, and whether there is anything. A definite path finds one value, an
// indefinite one always a list of the given style, unless a member that it needs is missing. The errors are ErrPath and
// the meter's.
func (p *Path) Eval(document any, lists value.Style, m *value.Meter) (found any, ok bool, err error) {
	w := walk{root: document, lists: lists, meter: m}
	return w.run(p, document)
}

// Definite reports whether p finds one value at most, rather than a list of all that fits.
func (p *Path) Definite() bool { return p.definite }

// walk is one evaluation.
type walk struct {
	root  any
	lists value.Style
	meter *value.Meter
	depth int

	definite bool
	one      any   // what a definite path found
	results  []any // what an indefinite one found

	// nested evaluates the paths within filters, one after the other.
	nested *walk
}

// run walks p from the value start.
func (w *walk) run(p *Path, start any) (found any, ok bool, err error) {
	w.definite, w.one, w.results = p.definite, nil, nil
	switch err = w.next(p.first, start); {
	case errors.Is(err, errNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case p.definite:
		return w.one, true, nil
	}
	return &value.List{Items: w.results, Style: w.lists}, true, nil
}

// inside runs p, which stands in a filter of the path that w walks.
func (w *walk) inside(p *Path, start any) (found any, ok bool, err error) {
	if w.nested == nil {
		w.nested = &walk{root: w.root, lists: w.lists, meter: w.meter}
	}
	return w.nested.run(p, start)
}

// resultCost is what a result in a list costs: the bytes that it takes there. A short path over a nested document finds
// many times more than the document holds.
const resultCost = 16

// next hands v to a step, or takes it as a result behind the last one.
func (w *walk) next(s step, v any) error {
	if err := w.meter.Spend(1); err != nil {
		return err
	}
	switch {
	case s != nil:
		return s.apply(w, v)
	case w.definite:
		w.one = v
		return nil
	}
	w.results = append(w.results, v)
	return w.meter.Spend(resultCost)
}

// step is one part of a path.
type step interface {
	apply(w *walk, v any) error
}

// then is the step behind this one; nil behind the last.
type then struct{ next step }

// member is .name and ['a','b'].
type member struct {
	names []string
	then
}

func (s *member) apply(w *walk, v any) error {
	object, ok := v.(*value.Map)
	if !ok {
		return errNotFound
	}
	if len(s.names) == 1 {
		found, ok := object.Get(s.names[0])
		if !ok {
			return errNotFound
		}
		return w.next(s.next, found)
	}
	if s.next != nil {
		return fmt.Errorf("%w: several names may only end it", ErrPath)
	}
	if err := w.meter.Spend(len(s.names)); err != nil {
		return err
	}
	merged := value.NewMap(len(s.names))
	for _, name := range s.names {
		if found, ok := object.Get(name); ok {
			merged.Put(name, found)
		}
	}
	return w.next(nil, merged)
}

// wildcard is * and [*].
type wildcard struct{ then }

func (s *wildcard) apply(w *walk, v any) error {
	items, _ := value.Items(v)
	if object, ok := v.(*value.Map); ok {
		items = object.Values().Items
	}
	for _, item := range items {
		if err := w.next(s.next, item); err != nil && !errors.Is(err, errNotFound) {
			return err
		}
	}
	return nil
}

// list returns the items of v for a step that needs a list.
func list(v any) ([]any, error) {
	if v == nil {
		return nil, errNotFound
	}
	items, ok := value.Items(v)
	if !ok {
		return nil, fmt.Errorf("%w: an index needs a list", ErrPath)
	}
	return items, nil
}

// indices is [0] and [0,1]; a negative one finds nothing (contract/mapping-templates.md §3b.10).
type indices struct {
	at []int
	then
}

func (s *indices) apply(w *walk, v any) error {
	items, err := list(v)
	if err != nil {
		return err
	}
	for _, i := range s.at {
		if i < 0 || i >= len(items) {
			return errNotFound
		}
		if err := w.next(s.next, items[i]); err != nil {
			return err
		}
	}
	return nil
}

// fromEnd is [(@.length-1)].
type fromEnd struct {
	offset int
	then
}

func (s *fromEnd) apply(w *walk, v any) error {
	items, err := list(v)
	if err != nil {
		return err
	}
	i := len(items) + s.offset
	if i < 0 || i >= len(items) {
		return errNotFound
	}
	return w.next(s.next, items[i])
}

// slice is [from:to]; open ends are absent.
type slice struct {
	from, to       int
	hasFrom, hasTo bool
	then
}

func (s *slice) apply(w *walk, v any) error {
	items, err := list(v)
	if err != nil {
		return err
	}
	from, to := 0, len(items)
	if s.hasFrom {
		if from = s.from; from < 0 && !s.hasTo {
			from = max(0, len(items)+from)
		}
	}
	if s.hasTo {
		if to = s.to; to < 0 && !s.hasFrom {
			to += len(items)
		}
		to = min(len(items), to)
	}
	if from < 0 && from < to { // Jayway reads such a bound as an index
		return errNotFound
	}
	for i := from; i < to; i++ {
		if err := w.next(s.next, items[i]); err != nil {
			return err
		}
	}
	return nil
}

// filter is [?(…)].
type filter struct {
	test test
	then
}

func (s *filter) apply(w *walk, v any) error {
	if object, ok := v.(*value.Map); ok {
		if ok, err := s.test.holds(w, object); !ok || err != nil {
			return err
		}
		return w.next(s.next, object)
	}
	items, ok := value.Items(v)
	if !ok {
		return fmt.Errorf("%w: a filter needs a list or an object", ErrPath)
	}
	for _, item := range items {
		ok, err := s.test.holds(w, item)
		if ok && err == nil {
			err = w.next(s.next, item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scan is the .. before a step: it tries it on every object and list below.
type scan struct{ target step }

func (s *scan) apply(w *walk, v any) error {
	if w.depth++; w.depth > value.MaxDepth {
		return value.ErrDepth
	}
	defer func() { w.depth-- }()
	cost := 1
	if target, ok := s.target.(*member); ok {
		cost = len(target.names)
	}
	if err := w.meter.Spend(cost); err != nil {
		return err
	}
	items, isList := value.Items(v)
	object, isObject := v.(*value.Map)
	if isObject {
		items = object.Values().Items
	}
	fits := false
	switch target := s.target.(type) {
	case *member:
		fits = isObject && !slices.ContainsFunc(target.names, func(name string) bool {
			_, ok := object.Get(name)
			return !ok
		})
	case *wildcard:
		fits = isList || isObject
	case *filter:
		fits = isObject
	case *indices, *fromEnd, *slice:
		fits = isList
	}
	if fits {
		if err := s.target.apply(w, v); err != nil {
			return err
		}
	}
	for _, item := range items {
		if err := s.apply(w, item); err != nil {
			return err
		}
	}
	return nil
}
