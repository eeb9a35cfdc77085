package vtl

import "strings"

// hash parses what a # begins: a comment, an unparsed block, a directive, a macro call, or nothing but text. It returns
// the name of a directive that ends the block.
func (p *parser) hash(out *nodes) (stopped string) {
	start := p.at
	switch {
	case p.accept("##"):
		p.lineComment()
		return ""
	case p.accept("#[["):
		end := strings.Index(p.text[p.at:], "]]#")
		if end < 0 {
			p.fail(start, "#[[ is not closed", "#[[ text that is not parsed ]]#")
		}
		out.text(p.text[p.at : p.at+end])
		out.flush() // so that blanks before a #set behind it are a token of their own
		p.at += end + len("]]#")
		return ""
	case p.has("#*"):
		p.blockComment()
		return ""
	}
	name, size := p.directive()
	if size == 0 {
		p.number0(out)
		return ""
	}
	p.at += size
	switch name {
	case "end", "else":
		p.lineEnd()
		return name
	case "elseif":
		return name
	}
	if p.options.NoMacros && (name == "macro" || name == "define" || name == "evaluate") {
		p.fail(start, "#"+name+" is switched off", "")
	}
	p.statement(name, start, out)
	return ""
}

// blockComment moves behind a #* … *#. One that is not closed goes on to the end of the text.
func (p *parser) blockComment() {
	p.at += len("#*")
	if p.at < len(p.text) && p.text[p.at] == '*' && p.peek(1) == '#' {
		p.at += len("*#") // #**#
		return
	}
	if end := strings.Index(p.text[p.at:], "*#"); end >= 0 {
		p.at += end + len("*#")
		return
	}
	p.at = len(p.text)
}

// number0 parses a # that begins no word: #1 is one piece of text, and so is a # alone.
func (p *parser) number0(out *nodes) {
	start := p.at
	p.at++
	if number, _ := p.number(); number != "" {
		out.text(p.text[start:p.at])
		return
	}
	p.at = start
	p.lone(1, out)
}

// statement parses a directive or a macro call behind its name.
func (p *parser) statement(name string, start int, out *nodes) {
	at := p.base + start
	switch name {
	case "if":
		out.add(p.conditional(start))
	case "foreach":
		out.add(p.loop(start))
	case "macro":
		p.macro(start)
	case "define":
		args := p.directiveArguments(start, name)
		target, ok := oneArgument(args).(*reference)
		if !ok {
			p.fail(start, "#define names no variable", "#define($name) … #end")
		}
		out.add(&define{slot: target.slot, body: p.body(start, name)})
	case "evaluate":
		args := p.directiveArguments(start, name)
		switch e := oneArgument(args).(type) {
		case *reference, *interpolated:
			out.add(&evaluate{of: e, at: at})
		case constant:
			if _, ok := e.v.(string); !ok {
				p.fail(start, "#evaluate takes a string or a reference", "#evaluate($text)")
			}
			out.add(&evaluate{of: e, at: at})
		default:
			p.fail(start, "#evaluate takes one string or reference", "#evaluate($text)")
		}
	case "break":
		n := &breaking{at: at}
		if args := p.optionalArguments(start, name); len(args.values) > 0 {
			n.scope = args.values[0]
		}
		out.add(n)
	case "stop":
		p.optionalArguments(start, name)
		out.add(stop{})
	case "include", "parse":
		p.optionalArguments(start, name)
		out.add(&unavailable{name: name, at: at})
	case "literal":
		p.optionalArguments(start, name)
		from := p.at
		p.body(start, name)
		inside := p.text[from:p.at]
		out.text(inside[:strings.LastIndex(inside, "#")])
	default:
		p.call(name, start, out)
	}
}

// operatorRule is what whoever meets a missing ) has mostly not known.
const operatorRule = "operators are + - * / %, comparisons, && || !; a binary minus needs blanks around it"

// conditional parses #if behind its word (§3.11).
func (p *parser) conditional(start int) node {
	var n conditional
	for stopped := "if"; ; {
		b := branch{at: p.base + p.at}
		if stopped != "else" {
			p.blanks()
			if !p.accept("(") {
				p.fail(p.at, "( is missing behind #"+stopped, "#"+stopped+"(condition)")
			}
			b.condition = p.expression()
			p.blanks()
			if !p.accept(")") {
				p.fail(p.at, ") is missing behind the condition of #"+stopped, operatorRule)
			}
			p.lineEnd()
		}
		previous := stopped
		b.body, stopped = p.block()
		n = append(n, b)
		switch {
		case stopped == "end":
			return n
		case stopped == "":
			p.fail(start, "#if has no #end", "#if(…) … #elseif(…) … #else … #end")
		case previous == "else":
			p.fail(p.at, "#"+stopped+" behind #else", "#else is the last branch")
		}
	}
}

// body parses a directive's block up to its #end.
func (p *parser) body(start int, name string) block {
	body, stopped := p.block()
	switch stopped {
	case "end":
		return body
	case "":
		p.fail(start, "#"+name+" has no #end", "#"+name+"(…) … #end")
	default:
		p.fail(p.at-len(stopped), "#"+stopped+" in #"+name, "#else and #elseif belong to #if")
	}
	return nil
}

// loop parses #foreach behind its word (§3.12).
func (p *parser) loop(start int) node {
	const rule = "#foreach($item in $list) … #end"
	args := p.directiveArguments(start, "foreach")
	if len(args.values) != 3 {
		p.fail(start, "#foreach needs a variable, the word in and a list", rule)
	}
	variable, ok := args.values[0].(*reference)
	if !ok {
		p.fail(start, "#foreach names no variable", rule)
	}
	return &loop{slot: variable.slot, in: args.values[2], body: p.body(start, "foreach"), at: p.base + start}
}

// macro parses #macro behind its word and makes it known (§3.13).
func (p *parser) macro(start int) {
	const rule = "#macro(name $argument …) … #end"
	args := p.directiveArguments(start, "macro")
	if len(args.words) == 0 || args.words[0] == "" {
		p.fail(start, "#macro has no name", rule)
	}
	m := &macro{}
	for _, arg := range args.values[1:] {
		param, ok := arg.(*reference)
		if !ok {
			p.fail(start, "a parameter of #macro is no variable", rule)
		}
		m.params = append(m.params, param.slot)
	}
	m.body = p.body(start, "macro")
	p.macros[args.words[0]] = m
}

// call parses a macro call behind its name, or a word that is none.
func (p *parser) call(name string, start int, out *nodes) {
	n := &invocation{name: name, at: p.base + start}
	if p.opens() {
		args := p.directiveArguments(start, name)
		n.args, n.word = args.values, args.bare()
	} else if strings.HasPrefix(name, "@") {
		out.text("#" + name)
		return
	}
	if strings.HasPrefix(name, "@") {
		n.name = name[1:]
		n.body = p.body(start, name)
		if n.body == nil {
			n.body = block{}
		}
	}
	n.source = p.text[start:p.at]
	out.add(n)
}

// arguments of a directive. A bare word has its place in words and a null in values.
type directiveArguments struct {
	values []expression
	words  []string
}

func (a directiveArguments) bare() bool {
	for _, w := range a.words {
		if w != "" {
			return true
		}
	}
	return false
}

// oneArgument returns the only argument, or nil.
func oneArgument(a directiveArguments) expression {
	if len(a.values) != 1 || a.bare() {
		return nil
	}
	return a.values[0]
}

// opens reports whether a ( follows, perhaps behind white space.
func (p *parser) opens() bool {
	here := p.at
	p.blanks()
	open := p.peek(0) == '('
	p.at = here
	return open
}

// optionalArguments parses arguments if there are any.
func (p *parser) optionalArguments(start int, name string) directiveArguments {
	if !p.opens() {
		return directiveArguments{}
	}
	return p.directiveArguments(start, name)
}

// directiveArguments parses (a b, c): blanks or commas stand between arguments. The ) takes the line's end along (§3.15).
func (p *parser) directiveArguments(start int, name string) directiveArguments {
	defer p.deeper()()
	p.blanks()
	if !p.accept("(") {
		p.fail(start, "( is missing behind #"+name, "")
	}
	var args directiveArguments
	for {
		p.blanks()
		if p.accept(")") {
			p.lineEnd()
			return args
		}
		if p.accept(",") {
			p.blanks()
		}
		if p.end() {
			p.fail(start, "the ( of #"+name+" is not closed", "")
		}
		here := p.at
		word := p.word()
		if word == "true" || word == "false" || word == "" {
			p.at = here
			args.values, args.words = append(args.values, p.parameter()), append(args.words, "")
			continue
		}
		first := len(args.values) == 0
		if isDirective(name) && !(name == "macro" && first) && !(name == "foreach" && len(args.values) == 1) {
			p.fail(here, "the bare word "+word, "quote a text, put $ before a variable")
		}
		args.values, args.words = append(args.values, constant{}), append(args.words, word)
	}
}

// set parses #set behind its parenthesis (§3.8).
func (p *parser) set(start int) node {
	const rule = "#set($name = value)"
	p.blanks()
	if p.peek(0) != '$' {
		p.fail(p.at, "#set names no variable", rule)
	}
	target, ok := p.operand().(*reference)
	if !ok {
		p.fail(p.at, "#set names no variable", rule)
	}
	p.blanks()
	if p.peek(0) != '=' || p.peek(1) == '=' {
		p.fail(p.at, "= is missing in #set", rule)
	}
	p.at++
	n := &assignment{target: target, at: p.base + start, value: p.expression()}
	p.blanks()
	if !p.accept(")") {
		p.fail(p.at, ") is missing behind the value of #set", operatorRule)
	}
	p.lineEnd()
	return n
}
