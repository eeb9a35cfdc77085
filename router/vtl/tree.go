package vtl

// node is a part of the tree that renders: it appends to the run's output.
type node interface {
	render(r *run) error
}

// expression is a part of the tree that has a value.
type expression interface {
	// eval gives the value; nil is Java's null, which only a few expressions have (§3.3).
	eval(r *run) (any, error)
	// test gives the truth as a condition (§3.11).
	test(r *run) (bool, error)
}

// block is a sequence of nodes.
type block []node

func (b block) render(r *run) error {
	for _, n := range b {
		if err := n.render(r); err != nil {
			return err
		}
	}
	return nil
}

// text renders as it is.
type text string

func (n text) render(r *run) error { return r.write(string(n)) }

// branch is one arm of an #if: a condition and what it guards; #else has none.
type branch struct {
	condition expression
	at        int
	body      block
}

// conditional is #if … #elseif … #else … #end.
type conditional []branch

func (n conditional) render(r *run) error {
	for i := range n {
		if n[i].condition != nil {
			ok, err := n[i].condition.test(r)
			if err != nil {
				return r.located(err, n[i].at)
			}
			if !ok {
				continue
			}
		}
		return r.nested(n[i].body)
	}
	return nil
}

// assignment is #set. A target without links whose name is not plain, such as ${x}, sets nothing (§3b.10).
type assignment struct {
	target *reference
	value  expression
	at     int
}

func (n *assignment) render(r *run) error {
	if err := r.meter.Spend(1); err != nil {
		return r.located(err, n.at)
	}
	v, err := n.value.eval(r)
	if err == nil && v != nil { // null leaves everything as it was (§3b.2)
		err = n.target.assign(r, v)
	}
	return r.located(err, n.at)
}

// stop is #stop: it ends the template.
type stop struct{}

func (stop) render(*run) error { return errStop }

// breaking is #break: it ends the innermost loop, macro, block or #evaluate, or the loop whose $foreach is its argument
// (§3.12).
type breaking struct {
	scope expression
	at    int
}

func (n *breaking) render(r *run) error {
	if n.scope == nil {
		return errBreak
	}
	v, err := n.scope.eval(r)
	if err != nil {
		return r.located(err, n.at)
	}
	l, ok := v.(*loopScope)
	if !ok {
		return r.located(&fault{"#break names no $foreach", "#break or #break($foreach.parent)"}, n.at)
	}
	return &breakOf{l}
}

// unavailable is #include and #parse: there is nothing to load (§3.13).
type unavailable struct {
	name string
	at   int
}

func (n *unavailable) render(r *run) error {
	return r.located(&fault{"#" + n.name + " has nothing to load", "a template stands alone"}, n.at)
}
