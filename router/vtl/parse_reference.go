package vtl

import "strings"

// dollar parses what a $ behind the given backslashes begins: a reference, or nothing but text (§3.1).
func (p *parser) dollar(slashes string, out *nodes) {
	start, size := p.at, 1
	for p.peek(size) == '\\' {
		size++
	}
	quiet := p.peek(size) == '!'
	if size++; !quiet {
		size = 1
	}
	first := p.peek(size)
	braced := first == '{' && startsName(p.peek(size+1))
	switch {
	case quiet && size > 2 && (braced || startsName(first)): // $\!x is a reference to nothing
		quietly := nodes{}
		p.at += size
		p.reference(start, braced, &quietly)
		return
	case braced || startsName(first):
		p.at += size
	case first == '[' && slashes != "":
		p.fail(start, "a backslash before $[", "only references and directives can be escaped")
	case first == '[', first == '{', first == '}', first == '.' && !quiet:
		out.text(p.text[start : start+size+1])
		p.at += size + 1
		return
	default:
		out.text(slashes)
		p.lone(size, out)
		return
	}
	n := p.reference(start, braced, out)
	n.plain = !quiet && !braced
	n.prefix = slashes[:len(slashes)/2]
	n.escaped = len(slashes)%2 == 1
	if braced {
		return
	}
	p.behindReference(out)
	if endsInProperty(n.links) && p.accept("##") { // no comment begins there
		out.text("##")
	}
}

// endsInProperty reports whether the last name of a chain is a property, indices behind it or not.
func endsInProperty(links []link) bool {
	for i := len(links) - 1; i >= 0; i-- {
		if links[i].name != "" {
			return !links[i].call
		}
	}
	return false
}

// reference parses a reference behind its dollar, which stands at start, and adds it to out.
func (p *parser) reference(start int, braced bool, out *nodes) *reference {
	n := &reference{at: p.base + start, plain: true}
	if braced {
		p.at++
	}
	n.slot = p.names.slot(p.variable())
	n.links = p.links()
	if braced {
		if p.peek(0) != '}' {
			p.fail(p.at, "} is missing behind a reference", "${name}, ${name.property}, ${name.method()}, ${name[index]}")
		}
		p.at++
	}
	n.source = p.text[start:p.at]
	out.add(n)
	return n
}

// variable reads a name that is known to begin here. true and false are words of the language.
func (p *parser) variable() string {
	start := p.at
	name := p.lexer.name()
	if name == "true" || name == "false" {
		p.fail(start, name+" is no name", "true and false are values")
	}
	return name
}

// behindReference parses what the lexical state behind a reference makes special: a brace is a token of its own, {name}
// loses its name and brace, and letters behind a ) or ] take along what looks like a chain. Velocity's grammar takes
// both for references without a dollar.
func (p *parser) behindReference(out *nodes) {
	start := p.at
	switch c := p.peek(0); {
	case c == '}':
		p.at++
		out.text("}")
	case c == '{' && startsName(afterDollar(p.text[p.at+1:])):
		p.at += strings.IndexFunc(p.text[p.at:], func(r rune) bool { return r < 0x80 && startsName(byte(r)) })
		p.variable()
		p.links()
		if p.peek(0) != '}' {
			p.fail(start, "a brace directly behind a reference is not closed", "${name}{… keeps it apart")
		}
		p.at++
		out.text("{")
	case c == '{':
		p.at++
		out.text("{")
	case startsName(c):
		out.text(p.variable())
		p.links()
		p.behindReference(out)
	}
}

// afterDollar is the first byte of s behind a dollar, if there is one.
func afterDollar(s string) byte {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "$"), "!")
	if s == "" {
		return 0
	}
	return s[0]
}

// links parses the chain behind a name (§3.5, §3.6).
func (p *parser) links() []link {
	var links []link
	for {
		switch {
		case p.peek(0) == '[':
			links = append(links, p.index())
		case p.peek(0) == '.' && isLetter(p.peek(1)): // §3b.4
			word := p.text[p.at+1:]
			if end := strings.IndexFunc(word, func(r rune) bool { return r > 0x7F || !partOfName(byte(r)) }); end >= 0 {
				word = word[:end]
			}
			if word == "true" || word == "false" {
				p.fail(p.at, "."+word+" is no property", "['"+word+"']")
			}
			p.at += 1 + len(word)
			l := link{name: word}
			if p.peek(0) == '(' {
				l.call = true
				l.args = p.arguments()
			}
			links = append(links, l)
		default:
			return links
		}
	}
}

// index parses [index]: a string, a whole number, true, false or a reference.
func (p *parser) index() link {
	defer p.deeper()()
	start := p.at
	p.at++
	p.blanks()
	e := p.parameter()
	switch e := e.(type) {
	case *reference, *interpolated:
	case constant:
		if _, isFloat := e.v.(float64); isFloat {
			p.fail(start, "an index is no fraction", "[0], [$i] or ['key']")
		}
	default:
		p.fail(start, "an index must be a string, a whole number or a reference", "[0], [$i] or ['key']")
	}
	p.blanks()
	if p.peek(0) != ']' {
		p.fail(p.at, "] is missing behind an index", "[0], [$i] or ['key']; no arithmetic")
	}
	p.at++
	return link{index: e}
}

// arguments parses (a, b) of a method call.
func (p *parser) arguments() []expression {
	defer p.deeper()()
	p.at++
	p.blanks()
	var args []expression
	if p.accept(")") {
		return nil
	}
	for {
		p.blanks()
		if word := p.bareWord(); word != "" {
			args = append(args, constant{}) // a reference without a dollar: null
		} else {
			args = append(args, p.parameter())
		}
		p.blanks()
		switch {
		case p.accept(","):
		case p.accept(")"):
			return args
		default:
			p.fail(p.at, ") is missing behind the arguments of a method",
				"arguments are literals and references; compute with #set first")
		}
	}
}

// bareWord reads a name that is no value.
func (p *parser) bareWord() string {
	here := p.at
	word := p.lexer.name()
	if word == "true" || word == "false" {
		p.at = here
		return ""
	}
	return word
}
