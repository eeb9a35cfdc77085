package vtl

import (
	"strings"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// expression parses a whole expression: || binds least, then &&, == and !=, the order, + and -, * / %, and ! most
// (§3.10, §3.11).
func (p *parser) expression() expression {
	defer p.deeper()()
	left := p.conjunction()
	for p.operator("||", "or") != "" {
		left = &logical{or: true, left: left, right: p.conjunction()}
	}
	return left
}

func (p *parser) conjunction() expression {
	left := p.equality()
	for p.operator("&&", "and") != "" {
		left = &logical{left: left, right: p.equality()}
	}
	return left
}

func (p *parser) equality() expression {
	left := p.relation()
	for {
		op := p.operator("==", "eq", "!=", "ne")
		if op == "" {
			return left
		}
		left = &comparison{op: symbol(op), left: left, right: p.relation()}
	}
}

func (p *parser) relation() expression {
	left := p.sum()
	for {
		op := p.operator("<=", "le", ">=", "ge", "<", "lt", ">", "gt")
		if op == "" {
			return left
		}
		left = &comparison{op: symbol(op), left: left, right: p.sum()}
	}
}

// symbol gives the sign of an operator that is written as a word.
func symbol(op string) string {
	switch op {
	case "eq":
		return "=="
	case "ne":
		return "!="
	case "lt":
		return "<"
	case "le":
		return "<="
	case "gt":
		return ">"
	case "ge":
		return ">="
	}
	return op
}

func (p *parser) sum() expression {
	left := p.product()
	for {
		// A minus that touches digits belongs to a number, which may not follow an operand (§3.10).
		if p.peek(0) == '-' && (isDigit(p.peek(1)) || p.peek(1) == '.' && isDigit(p.peek(2))) {
			p.fail(p.at, "a number with a sign follows an operand", "a binary minus needs blanks around it: $a - 1")
		}
		op := p.operator("+", "-")
		if op == "" {
			return left
		}
		left = &arithmetic{op: value.Operator(op[0]), left: left, right: p.product()}
	}
}

func (p *parser) product() expression {
	left := p.unary()
	for {
		op := p.operator("*", "/", "%")
		if op == "" {
			return left
		}
		left = &arithmetic{op: value.Operator(op[0]), left: left, right: p.unary()}
	}
}

func (p *parser) unary() expression {
	defer p.deeper()()
	p.blanks()
	if p.peek(0) == '!' || p.has("not") && !wordChar(p.peek(len("not"))) {
		p.operator("!", "not")
		return &negation{p.unary()}
	}
	var e expression
	if p.peek(0) == '(' {
		p.at++
		e = p.expression()
		p.blanks()
		if !p.accept(")") {
			p.fail(p.at, ") is missing", "")
		}
	} else {
		e = p.parameter()
	}
	p.blanks()
	return e
}

// parameter parses a literal or a reference: all that may be an argument, an item or an index.
func (p *parser) parameter() expression {
	start := p.at
	switch c := p.peek(0); {
	case c == '"' || c == '\'':
		return p.stringLiteral()
	case c == '$':
		return p.operand()
	case c == '[':
		return p.list()
	case c == '{':
		return p.mapping()
	case isDigit(c) || c == '-' || c == '.':
		if number, whole := p.number(); number != "" {
			if whole {
				return constant{value.ParseInteger(number)}
			}
			if number[0] == '.' {
				number = "0" + number
			}
			return constant{value.Float(value.ParseFraction(strings.TrimSuffix(number, ".")))}
		}
	case wordChar(c):
		switch word := p.word(); word {
		case "true", "false":
			return constant{word == "true"}
		default:
			p.fail(start, "the bare word "+word, "quote a text, put $ before a variable")
		}
	}
	what := "a value is missing"
	if !p.end() {
		what = "no value begins with " + quoteChar(p.text[p.at:])
	}
	p.fail(start, what, "a value is a literal or a reference")
	return nil
}

// quoteChar names the first character of s for a message.
func quoteChar(s string) string {
	for _, r := range s {
		return "'" + string(r) + "'"
	}
	return "nothing"
}

// operand parses a reference within an expression.
func (p *parser) operand() expression {
	start, size := p.at, 1
	quiet := p.peek(1) == '!'
	if quiet {
		size = 2
	}
	braced := p.peek(size) == '{' && startsName(p.peek(size+1))
	if !braced && !startsName(p.peek(size)) {
		p.fail(start, "$ begins no reference here", "$name or ${name}")
	}
	p.at += size
	n := p.reference(start, braced, &nodes{})
	n.plain = !quiet && !braced
	return n
}

// stringLiteral parses '…' or "…". Double quotes interpolate references and directives (§3.9).
func (p *parser) stringLiteral() expression {
	start := p.at
	quote := p.text[start : start+1]
	inside, ok := p.quoted()
	if !ok {
		p.fail(start, "a string is not closed", "a quote within it is doubled; a backslash does not escape it")
	}
	literal := strings.ReplaceAll(inside, quote+quote, quote)
	if quote == "'" {
		return constant{literal}
	}
	literal, ok = unescapeUnits(literal)
	if !ok {
		p.fail(start, `\u in a string is not followed by four hexadecimal digits`, "single quotes keep it as it is")
	}
	if !strings.ContainsAny(literal, "$#") {
		return constant{literal}
	}
	return p.interpolation(start+1, literal)
}

// interpolation parses the inside of a double-quoted string as a template. Velocity puts a blank behind it and takes it
// off what comes out, so that a $ may end it; not if it holds ##, whose comment would eat the blank.
func (p *parser) interpolation(at int, inside string) expression {
	blank := " "
	if strings.Contains(inside, "##") {
		blank = ""
	}
	inner := *p
	inner.lexer = lexer{text: inside + blank}
	inner.base += at
	body, stopped := inner.block()
	if stopped != "" {
		inner.fail(inner.at-len(stopped), "#"+stopped+" without a beginning", "a directive begins and ends within the same string")
	}
	p.depth = inner.depth
	if blank != "" {
		if last, ok := lastText(body); ok && strings.HasSuffix(string(last), blank) {
			if last = last[:len(last)-len(blank)]; last == "" {
				body = body[:len(body)-1]
			} else {
				body[len(body)-1] = last
			}
			blank = ""
		}
	}
	return &interpolated{body: body, cut: len(blank)}
}

func lastText(b block) (text, bool) {
	if len(b) == 0 {
		return "", false
	}
	t, ok := b[len(b)-1].(text)
	return t, ok
}

// list parses [a, b] and [a..b] (§3.8).
func (p *parser) list() expression {
	defer p.deeper()()
	p.at++
	if p.accept("]") {
		return &listLiteral{}
	}
	p.blanks()
	l := &listLiteral{}
	for {
		p.blanks()
		item := p.parameter()
		p.blanks()
		if len(l.items) == 0 && p.accept("..") {
			return p.rangeTo(item)
		}
		l.items = append(l.items, item)
		switch {
		case p.accept(","):
		case p.accept("]"):
			return l
		default:
			p.fail(p.at, "] is missing behind a list", "items are literals and references; compute with #set first")
		}
	}
}

// rangeTo parses the second half of a range.
func (p *parser) rangeTo(from expression) expression {
	start := p.at
	p.blanks()
	to := p.parameter()
	for _, bound := range []expression{from, to} {
		switch b := bound.(type) {
		case *reference:
		case constant:
			if value.IsNumber(b.v) {
				continue
			}
			p.fail(start, "a range goes from one whole number to another", "[1..$n]")
		default:
			p.fail(start, "a range goes from one whole number to another", "[1..$n]")
		}
	}
	p.blanks()
	if !p.accept("]") {
		p.fail(p.at, "] is missing behind a range", "[1..$n]")
	}
	return &rangeLiteral{from: from, to: to}
}

// mapping parses {'k': v} (§3.8).
func (p *parser) mapping() expression {
	defer p.deeper()()
	p.at++
	p.blanks()
	m := &mapLiteral{}
	if p.accept("}") {
		return m
	}
	for {
		p.blanks()
		m.pairs = append(m.pairs, p.parameter())
		p.blanks()
		if !p.accept(":") {
			p.fail(p.at, ": is missing behind a key", "{'key': value}")
		}
		p.blanks()
		m.pairs = append(m.pairs, p.parameter())
		p.blanks()
		switch {
		case p.accept(","):
		case p.accept("}"):
			return m
		default:
			p.fail(p.at, "} is missing behind a map", "{'key': value, 'other': value}")
		}
	}
}
