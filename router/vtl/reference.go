package vtl

import (
	"github.com/sallyport/sallyport/router/vtl/javalang"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// reference is $name with its chain of links.
type reference struct {
	at    int
	slot  int
	links []link
	// prefix is printed before the value: half of the backslashes in front (§3.7).
	prefix string
	// escaped references print their source instead of their value.
	escaped bool
	source  string
	// plain is whether #set can set it: not ${x} and not $!x (§3b.10).
	plain bool
}

// link is one .name, .name(args) or [index] of a reference: exactly one of name and index is set.
type link struct {
	name  string
	call  bool
	args  []expression
	index expression
}

// render prints the value (§3.1), and nothing for an unresolved reference (§3.2).
func (n *reference) render(r *run) error {
	if err := r.meter.Spend(1); err != nil {
		return r.located(err, n.at)
	}
	v, resolved, err := n.resolve(r)
	if err != nil {
		return r.located(err, n.at)
	}
	if n.prefix != "" || n.escaped {
		if err := r.write(n.prefix); err != nil {
			return err
		}
		if n.escaped {
			return r.write(n.source)
		}
	}
	if !resolved {
		return nil
	}
	if d, ok := v.(*definition); ok {
		return r.located(d.renderUse(r, n.source), n.at)
	}
	before := len(r.out)
	r.out, err = value.Append(r.out, v, r.meter)
	if err == nil {
		err = r.checkOutput(before)
	}
	return r.located(err, n.at)
}

// eval gives the value, and the empty string for an unresolved reference (§3.3).
func (n *reference) eval(r *run) (any, error) {
	v, resolved, err := n.resolve(r)
	if !resolved {
		return "", err
	}
	return v, err
}

// test is true for everything but false (§3.11), and by default for the unresolved too (§3.4).
func (n *reference) test(r *run) (bool, error) {
	v, resolved, err := n.resolve(r)
	if err != nil {
		return false, err
	}
	if !resolved {
		return !r.template.options.MissingIsFalse, nil
	}
	return v != false, nil
}

// resolve walks the chain. It ends at the first null, which makes the whole reference unresolved (§3.2).
func (n *reference) resolve(r *run) (v any, resolved bool, err error) {
	if v, err = r.get(n.slot); v == nil || err != nil {
		return nil, false, err
	}
	for i := range n.links {
		if v, err = n.links[i].follow(r, v); v == nil || err != nil {
			return nil, false, err
		}
	}
	return v, true, nil
}

// follow gives the value of one link of v, nil if there is none.
func (l *link) follow(r *run, v any) (any, error) {
	if err := r.meter.Spend(1); err != nil {
		return nil, err
	}
	switch {
	case l.index != nil:
		i, err := l.index.eval(r)
		if err != nil {
			return nil, err
		}
		if s, ok := v.(*loopScope); ok {
			return s.get(i), nil
		}
		found, _, err := javalang.Index(v, i)
		return found, err
	case l.call:
		return l.invoke(r, v)
	}
	return property(v, l.name), nil
}

// property is v.name of a value or of one of the engine's objects.
func property(v any, name string) any {
	switch v := v.(type) {
	case *input:
		if name == "body" {
			return v.body()
		}
		return nil
	case *loopScope:
		return v.property(name)
	}
	found, ok := javalang.Property(v, name)
	if !ok {
		return nil
	}
	return found
}

// invoke calls a method of v. The arguments live on the stack of the run, so that a call allocates nothing for them.
func (l *link) invoke(r *run, v any) (any, error) {
	base := len(r.stack)
	for _, arg := range l.args {
		a, err := arg.eval(r)
		if err != nil {
			r.stack = r.stack[:base]
			return nil, err
		}
		r.stack = append(r.stack, a)
	}
	args := r.stack[base:len(r.stack):len(r.stack)]
	var result any
	var err error
	switch v := v.(type) {
	case *input:
		result, err = v.call(l.name, args)
	case utilities:
		result, err = v.call(r, l.name, args)
	case *loopScope:
		result, err = v.call(r, l.name, args)
	case *definition:
		// a block has no methods
	default:
		result, _, err = r.template.runtime.Call(v, l.name, args, r.meter)
	}
	clear(r.stack[base:])
	r.stack = r.stack[:base]
	return result, err
}

// assign is the left side of #set. Where the chain leads nowhere, nothing is set.
func (n *reference) assign(r *run, v any) error {
	if len(n.links) == 0 {
		if n.plain {
			r.set(n.slot, v)
		}
		return nil
	}
	holder, err := r.get(n.slot)
	if holder == nil || err != nil {
		return err
	}
	last := len(n.links) - 1
	for i := range n.links[:last] {
		if holder, err = n.links[i].follow(r, holder); holder == nil || err != nil {
			return err
		}
	}
	if err := r.meter.Spend(workPerItem); err != nil {
		return err
	}
	l := &n.links[last]
	if l.index == nil {
		if s, ok := holder.(*loopScope); ok {
			s.put(l.name, v)
			return nil
		}
		javalang.SetProperty(holder, l.name, v)
		return nil
	}
	i, err := l.index.eval(r)
	if err != nil {
		return err
	}
	if s, ok := holder.(*loopScope); ok {
		s.put(i, v)
		return nil
	}
	return javalang.SetIndex(holder, i, v)
}
