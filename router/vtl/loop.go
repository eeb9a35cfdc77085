package vtl

import (
	"github.com/sallyport/sallyport/router/vtl/javalang"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// loop is #foreach($x in list) … #end (§3.12).
type loop struct {
	slot int
	in   expression
	body block
	at   int
}

func (n *loop) render(r *run) error {
	over, err := n.in.eval(r)
	if err != nil {
		return r.located(err, n.at)
	}
	changes := iterated(over)
	if changes == nil {
		return nil
	}
	outer := r.vars[slotForeach]
	scope := &loopScope{index: -1}
	scope.parent, _ = outer.(*loopScope)
	saved, err := r.get(n.slot)
	if err != nil {
		return r.located(err, n.at)
	}
	count, more := r.vars[slotCount], r.vars[slotHasNext]
	r.set(slotForeach, scope)
	err = n.rounds(r, scope, changes)
	r.set(slotForeach, outer)
	r.set(n.slot, saved)
	r.set(slotCount, count)
	r.set(slotHasNext, more)
	return r.located(err, n.at)
}

// rounds goes round. It looks at the list anew each time, as Java's iterator does: a list that changed meanwhile ends
// the template.
func (n *loop) rounds(r *run, scope *loopScope, changes func() ([]any, int)) error {
	_, before := changes()
	for i := 0; ; i++ {
		now, changed := changes()
		if i == len(now) {
			return nil
		}
		if changed != before {
			return &fault{"the list changed inside its own #foreach", "add to another list"}
		}
		if i == r.limits.Rounds {
			if r.template.options.RoundsFail {
				return errRounds
			}
			return nil
		}
		if err := r.meter.Spend(1); err != nil {
			return err
		}
		scope.index, scope.hasNext = i, i+1 < len(now)
		if r.legacyCounters {
			r.set(slotCount, int32(i+1))
			r.set(slotHasNext, scope.hasNext)
		}
		r.set(n.slot, now[i])
		if err := r.nested(n.body); err != nil {
			if endsHere(err, scope) {
				return nil
			}
			return err
		}
	}
}

// iterated returns a function that gives the items of a loop as they are now, and a count of the changes of their number.
// It is nil for what is no collection: strings, numbers, null.
func iterated(v any) func() ([]any, int) {
	var items []any
	switch v := v.(type) {
	case *value.List:
		return func() ([]any, int) { return v.Items, v.Changed() }
	case *value.Map: // its values, as they are at the beginning
		items = v.Values().Items
		return func() ([]any, int) { return items, v.Changed() }
	case *value.Set:
		items = v.Items
	case *value.Array:
		items = v.Items
	default:
		rest, ok := javalang.Rest(v)
		if !ok {
			return nil
		}
		items = rest
	}
	return func() ([]any, int) { return items, 0 }
}

// loopScope is $foreach.
type loopScope struct {
	index   int
	hasNext bool
	parent  *loopScope
	store   *value.Map // what the template put into it
}

// String prints what the template put into $foreach, which is a map.
func (s *loopScope) String() string { return "{}" }

func (s *loopScope) property(name string) any {
	switch name {
	case "index":
		return int32(s.index)
	case "count":
		return int32(s.index + 1)
	case "hasNext":
		return s.hasNext
	case "first":
		return s.index < 1
	case "last":
		return !s.hasNext
	case "parent":
		if s.parent != nil {
			return s.parent
		}
		return nil
	case "topmost":
		top := s
		for top.parent != nil {
			top = top.parent
		}
		return top
	}
	return s.get(name)
}

// get finds what was put into this loop's $foreach, or into that of a loop around it.
func (s *loopScope) get(key any) any {
	for ; s != nil; s = s.parent {
		if s.store != nil {
			if v, ok := s.store.Get(key); ok {
				return v
			}
		}
	}
	return nil
}

func (s *loopScope) put(key, v any) any {
	if s.store == nil {
		s.store = value.NewMap(1)
	}
	return s.store.Put(key, v)
}

func (s *loopScope) call(r *run, name string, args []any) (any, error) {
	if len(args) == 0 {
		switch name {
		case "hasNext", "getHasNext":
			return s.hasNext, nil
		case "getIndex":
			return int32(s.index), nil
		case "getCount":
			return int32(s.index + 1), nil
		case "isFirst", "getFirst":
			return s.index < 1, nil
		case "isLast", "getLast":
			return !s.hasNext, nil
		case "getParent", "getTopmost":
			return s.property(map[string]string{"getParent": "parent", "getTopmost": "topmost"}[name]), nil
		}
	}
	switch {
	case name == "get" && len(args) == 1:
		return s.get(args[0]), nil
	case name == "put" && len(args) == 2:
		return s.put(args[0], args[1]), nil
	}
	if s.store == nil {
		s.store = value.NewMap(1)
	}
	v, _, err := r.template.runtime.Call(s.store, name, args, r.meter)
	return v, err
}
