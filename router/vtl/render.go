package vtl

import (
	"errors"
	"maps"
	"time"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// The slots of the variables that every template has. Each other name gets a slot when it is first read.
const (
	slotInput = iota
	slotUtil
	slotContext
	slotStage
	slotForeach
	slotCount   // $velocityCount
	slotHasNext // $velocityHasNext
	slotBody    // $bodyContent
	fixedSlots
)

// names gives each variable's name a slot, so that rendering looks up no names.
type names map[string]int

func newNames() names {
	return names{
		"input": slotInput, "util": slotUtil, "context": slotContext, "stageVariables": slotStage,
		"foreach": slotForeach, "velocityCount": slotCount, "velocityHasNext": slotHasNext, "bodyContent": slotBody,
	}
}

func (n names) slot(name string) int {
	slot, ok := n[name]
	if !ok {
		slot = len(n)
		n[name] = slot
	}
	return slot
}

// run is one render of a template: its variables, its output and what it may still spend.
type run struct {
	template *Template
	limits   Limits
	meter    *value.Meter
	out      []byte
	written  int // bytes before out that belong to the render: those of captures around this one
	vars     []any
	stack    []any // arguments of the calls under way
	names    names
	macros   map[string]*macro
	owned    bool // names and macros are this run's own, because #evaluate adds to them
	// legacyCounters is whether anything can read $velocityCount and $velocityHasNext.
	legacyCounters bool

	frame      *frame
	macroDepth int
	depth      int
	failed     error

	input     input
	overrides *Overrides
}

// The ways in which a directive ends what is around it.
var (
	errStop  = errors.New("#stop")
	errBreak = errors.New("#break")
)

// breakOf ends one loop, which may be an outer one.
type breakOf struct{ scope *loopScope }

func (*breakOf) Error() string { return "#break" }

func isControl(err error) bool {
	_, named := err.(*breakOf)
	return named || err == errStop || err == errBreak
}

// endsHere reports whether err is a #break that ends here: any bare one, and the one of this loop.
func endsHere(err error, scope *loopScope) bool {
	named, ok := err.(*breakOf)
	return err == errBreak || ok && scope != nil && named.scope == scope
}

// Render renders the template for in and appends the output to dst. On failure the Result holds nothing and the error is
// an *Error. It may be called concurrently; in and what it refers to are read only, except that in.Overrides goes on in
// the Result.
func (t *Template) Render(dst []byte, in Input) (Result, error) {
	r := run{template: t, limits: t.options.Limits.resolved(), out: dst, names: t.names, macros: t.macros,
		legacyCounters: t.legacyCounters, overrides: in.Overrides}
	r.meter = value.NewMeter(r.limits.Work, time.Now().Add(r.limits.Time))
	r.written = -len(dst)
	r.vars = make([]any, len(t.names))
	r.input = input{r: &r, in: &in}
	r.vars[slotInput], r.vars[slotUtil] = &r.input, utilities{}
	r.vars[slotContext], r.vars[slotStage] = unread, unread
	err := t.body.render(&r)
	if isControl(err) {
		err = nil
	}
	if err == nil {
		err = r.failed
	}
	if err != nil {
		return Result{}, r.located(err, 0)
	}
	return Result{Output: r.out, Overrides: r.overrides}, nil
}

// write appends text to the output.
func (r *run) write(s string) error {
	r.out = append(r.out, s...)
	return r.checkOutput(len(r.out) - len(s))
}

// checkOutput accounts for what came behind before.
func (r *run) checkOutput(before int) error {
	if r.written+len(r.out) > r.limits.Output {
		return errOutput
	}
	if r.failed != nil {
		return r.failed
	}
	return r.meter.Spend((len(r.out) - before) / bytesPerUnit)
}

// bytesPerUnit is how many bytes copying costs a unit.
const bytesPerUnit = 8

// nested renders a block one level deeper.
func (r *run) nested(b block) error {
	if r.depth == MaxDepth {
		return errDepth
	}
	r.depth++
	err := b.render(r)
	r.depth--
	return err
}

// capture renders a block into bytes of its own.
func (r *run) capture(b block) ([]byte, error) {
	return r.captured(func() error { return r.nested(b) })
}

func (r *run) captured(render func() error) ([]byte, error) {
	outer := r.out
	r.written += len(outer)
	r.out = nil
	err := render()
	inner := r.out
	r.out = outer
	r.written -= len(outer)
	if err == nil {
		err = r.meter.Spend(len(inner))
	}
	return inner, err
}

// joined is the string a+b.
func (r *run) joined(a, b any) (any, error) {
	left, err := value.Text(a, r.meter)
	if err != nil {
		return nil, err
	}
	right, err := value.Text(b, r.meter)
	if err != nil {
		return nil, err
	}
	if len(left)+len(right) > r.limits.Output {
		return nil, errOutput
	}
	return left + right, r.meter.Spend(len(left) + len(right))
}

// lazy stands for $context and $stageVariables until they are read.
type lazy struct{}

var unread any = lazy{}

// get reads a variable: the parameters of the macros under way first, from the inside out.
func (r *run) get(slot int) (any, error) {
	for f := r.frame; f != nil; f = f.outer {
		for i, param := range f.params {
			switch {
			case param != slot:
			case f.locals[i] != nil:
				return f.locals[i], nil
			case f.args[i] != nil:
				return r.argument(f, i)
			}
		}
	}
	if slot >= len(r.vars) {
		return nil, nil
	}
	v := r.vars[slot]
	if v == unread {
		var err error
		if v, err = r.load(slot); err != nil {
			return nil, err
		}
		r.vars[slot] = v
	}
	return v, nil
}

// argument evaluates an argument where the macro was called.
func (r *run) argument(f *frame, i int) (any, error) {
	if r.depth == MaxDepth {
		return nil, errDepth
	}
	inner := r.frame
	r.frame = f.outer
	r.depth++
	v, err := f.args[i].eval(r)
	r.depth--
	r.frame = inner
	return v, err
}

// set sets a variable, and the parameters of that name of the macros under way.
func (r *run) set(slot int, v any) {
	for f := r.frame; f != nil; f = f.outer {
		for i, param := range f.params {
			if param == slot {
				f.locals[i] = v
				if v == nil {
					f.args[i] = nil
				}
			}
		}
	}
	for slot >= len(r.vars) {
		r.vars = append(r.vars, nil)
	}
	r.vars[slot] = v
}

// compile parses the text of an #evaluate with the variables and macros of the run.
func (r *run) compile(source string) (block, *Error) {
	if !r.owned {
		r.names, r.macros, r.owned = maps.Clone(r.names), maps.Clone(r.macros), true
		if r.macros == nil {
			r.macros = map[string]*macro{}
		}
	}
	p := parser{lexer: lexer{text: source}, names: r.names, macros: r.macros, options: r.template.options,
		title: r.template.name, source: source}
	return p.whole()
}
