package vtl

import (
	"slices"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// macro is #macro(name $a $b) … #end. Macros are known in the whole template, also before their place (§3b.5).
type macro struct {
	params []int // slots
	body   block
}

// invocation is #name(…). Where no macro of that name exists it prints as it stands (§3.14).
type invocation struct {
	name   string
	args   []expression
	body   block // of #@name(…) … #end
	word   bool  // a bare word among the arguments, which a macro does not take
	source string
	at     int
}

// frame is one call of a macro. Arguments are by name: each use of a parameter evaluates the argument anew, where the
// macro was called.
type frame struct {
	outer  *frame
	params []int
	args   []expression
	locals []any
}

func (n *invocation) render(r *run) error {
	if err := r.meter.Spend(1); err != nil {
		return r.located(err, n.at)
	}
	m, ok := r.macros[n.name]
	switch {
	case !ok && n.body != nil:
		return nil // a block macro without a macro prints nothing
	case !ok:
		return r.write(n.source)
	case n.word:
		return r.located(&fault{"a bare word is no argument of #" + n.name, "quote it"}, n.at)
	case r.macroDepth == MaxMacroDepth:
		return r.located(errDepth, n.at)
	}
	used := min(len(m.params), len(n.args))
	f := &frame{outer: r.frame, params: m.params[:used], args: slices.Clone(n.args[:used]), locals: make([]any, used)}
	if n.body != nil {
		f.params = append(slices.Clone(f.params), slotBody)
		f.args = append(f.args, nil)
		f.locals = append(f.locals, &definition{r: r, body: n.body, frame: r.frame})
	}
	for i, arg := range f.args {
		if constant, ok := arg.(constant); ok {
			f.locals[i], f.args[i] = constant.v, nil
		}
	}
	r.frame = f
	r.macroDepth++
	err := r.nested(m.body)
	r.macroDepth--
	r.frame = f.outer
	if endsHere(err, nil) {
		err = nil
	}
	return r.located(err, n.at)
}

// define is #define($name) … #end: the block is evaluated anew at each use (§3.13).
type define struct {
	slot int
	body block
}

func (n *define) render(r *run) error {
	r.set(n.slot, &definition{r: r, body: n.body})
	return nil
}

// definition is the value of a #define block.
type definition struct {
	r     *run
	body  block
	depth int
	frame *frame // of the caller of a block macro
}

// renderUse renders the block in place of the reference, whose source it prints where it would go too deep.
func (d *definition) renderUse(r *run, source string) error {
	if d.depth == MaxDefineDepth {
		return r.write(source)
	}
	d.depth++
	inner := r.frame
	if d.frame != nil {
		r.frame = d.frame
	}
	err := r.nested(d.body)
	r.frame = inner
	d.depth--
	if endsHere(err, nil) {
		return nil
	}
	return err
}

// String renders the block, for whoever wants its text: comparisons, lists that hold it. A failure is kept in the run,
// because printing has no way to fail.
func (d *definition) String() string {
	out, err := d.r.captured(func() error { return d.renderUse(d.r, "") })
	if err != nil && d.r.failed == nil {
		d.r.failed = err
	}
	return string(out)
}

// evaluate is #evaluate(text): its text is a template of its own with the same variables (§3.13).
type evaluate struct {
	of expression
	at int
}

func (n *evaluate) render(r *run) error {
	v, err := n.of.eval(r)
	if err != nil {
		return r.located(err, n.at)
	}
	source, err := value.Text(v, r.meter)
	if err == nil {
		err = r.meter.Spend(workPerItem * len(source))
	}
	if err != nil {
		return r.located(err, n.at)
	}
	body, problem := r.compile(source)
	if problem != nil {
		return r.located(&fault{"in #evaluate: " + problem.Problem, problem.Rule}, n.at)
	}
	if err = r.nested(body); endsHere(err, nil) {
		err = nil
	}
	return r.located(err, n.at)
}
