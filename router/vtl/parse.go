package vtl

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/router/vtl/javalang"
	"github.com/sallyport/sallyport/router/vtl/jsonpath"
	"github.com/sallyport/sallyport/router/vtl/memo"
)

// Template is a parsed template: read only, and safe for concurrent use.
type Template struct {
	name    string
	text    string
	options Options
	body    block
	names   names
	macros  map[string]*macro

	legacyCounters bool

	runtime *javalang.Runtime
	paths   *memo.Memo[*jsonpath.Path]
}

// Parse parses text. name is what errors call the template, such as a file's name. The error is an *Error of KindParse,
// or of KindLimit if the text is longer than MaxTemplate or nested deeper than MaxDepth.
func Parse(name, text string, options Options) (*Template, error) {
	if options.Trim {
		text = strings.TrimSpace(text)
	}
	if len(text) > MaxTemplate {
		return nil, errorAt(KindLimit, name, text, 0, fmt.Sprintf("the template is longer than %d bytes", MaxTemplate), "")
	}
	p := parser{lexer: lexer{text: text}, names: newNames(), macros: map[string]*macro{}, options: options, title: name, source: text}
	body, err := p.whole()
	if err != nil {
		return nil, err
	}
	t := &Template{
		name: name, text: text, options: options, body: body, names: p.names, macros: p.macros,
		runtime: javalang.New(), paths: memo.New(jsonpath.Compile),
		// Only a template that names the counters pays for them; #evaluate may name anything.
		legacyCounters: strings.Contains(text, "velocity") || strings.Contains(text, "evaluate"),
	}
	return t, nil
}

// parser turns the tokens of a lexer into the tree. Its methods give up by panicking with an *Error, which whole
// catches: that is the one way out of a deep recursion, and never leaves this type.
type parser struct {
	lexer
	names   names
	macros  map[string]*macro
	options Options
	title   string // what errors call the template
	// base is where the text stands in source, the text of the template: not 0 within a string literal.
	base   int
	source string
	depth  int
}

// whole parses the text to its end.
func (p *parser) whole() (body block, failed *Error) {
	defer func() {
		switch err := recover().(type) {
		case nil:
		case *Error:
			body, failed = nil, err
		default:
			panic(err)
		}
	}()
	if !utf8.ValidString(p.text) {
		p.fail(0, "the template is not UTF-8", "")
	}
	body, stopped := p.block()
	if stopped != "" {
		p.fail(p.at-len(stopped), "#"+stopped+" without a beginning", "it belongs to an #if, #foreach, #macro or #define")
	}
	return body, nil
}

// fail gives up at an offset of the text.
func (p *parser) fail(at int, problem, rule string) {
	panic(errorAt(KindParse, p.title, p.source, p.base+at, problem, rule))
}

// deeper guards a recursion; the caller calls the result on its way out.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > MaxDepth {
		panic(errorAt(KindLimit, p.title, p.source, p.base+p.at, fmt.Sprintf("nested deeper than %d levels", MaxDepth), ""))
	}
	return func() { p.depth-- }
}

// nodes collects a block; text that comes in pieces becomes one node.
type nodes struct {
	list    block
	pending []byte
}

func (n *nodes) text(s string) { n.pending = append(n.pending, s...) }

func (n *nodes) add(one node) {
	n.flush()
	n.list = append(n.list, one)
}

func (n *nodes) flush() {
	if len(n.pending) > 0 {
		n.list = append(n.list, text(n.pending))
		n.pending = n.pending[:0]
	}
}

// block parses up to #end, #else or #elseif, whose name it returns and behind whose word it stops, or to the end of the
// text.
func (p *parser) block() (list block, stopped string) {
	defer p.deeper()()
	var out nodes
	for !p.end() {
		start := p.at
		switch {
		case p.setDirective():
			out.add(p.set(start))
		case p.peek(0) == '\\':
			p.backslashes(&out)
		case p.peek(0) == '$':
			p.dollar("", &out)
		case p.peek(0) == '#':
			if stopped = p.hash(&out); stopped != "" {
				out.flush()
				return out.list, stopped
			}
		default:
			p.plain()
			out.text(p.text[start:p.at])
		}
	}
	out.flush()
	return out.list, ""
}

// lone takes a $ or # that begins nothing for text, with what belongs to it: size bytes. What follows may swallow it: a
// #set, the directives of the grammar itself, a backslash. Before another directive it makes that one unknown. At the
// very end it is an error (§3.1).
func (p *parser) lone(size int, out *nodes) {
	start := p.at
	p.at += size
	if p.end() {
		p.fail(start, "the template ends in a bare "+p.text[start:start+1], "$ and # begin references and directives")
	}
	here := p.at
	swallowed := p.setDirective()
	p.at = here
	name, word := p.directive()
	switch rest := p.text[here:]; {
	case swallowed, strings.HasPrefix(rest, "#*"):
	case rest[0] == '\\':
		slashes := len(rest) - len(strings.TrimLeft(rest, `\`))
		if strings.HasPrefix(rest[slashes:], "$") { // they escape nothing here
			p.at += slashes
			out.text(p.text[start:p.at])
		}
	case rest[0] == '#' && word > 0:
		switch name {
		case "if", "elseif", "else", "end":
		default:
			p.at += word
			p.optionalArguments(start, "")
			out.text(p.text[start:p.at])
		}
	case rest[0] == '$' && size > 1 && startsName(afterDollar(rest)):
		out.text(p.text[start:here])
	default:
		out.text(p.text[start : start+1])
	}
}

// backslashes parses a run of them: half of those before a reference or a directive stay (§3.7).
func (p *parser) backslashes(out *nodes) {
	start := p.at
	for p.peek(0) == '\\' {
		p.at++
	}
	slashes := p.text[start:p.at]
	switch p.peek(0) {
	case '$':
		p.dollar(slashes, out)
		return
	case '#':
		name, size := p.directive()
		known := isDirective(name) || p.macros[name] != nil
		switch odd := len(slashes)%2 == 1; {
		case size > 0 && odd && known:
			slashes = slashes[:len(slashes)/2] + p.text[p.at:p.at+size]
			p.at += size
		case size > 0 && odd: // an unknown one keeps them (§3b.8)
			slashes += p.text[p.at : p.at+size]
			p.at += size
		case size > 0 && known && name != "set":
			slashes = slashes[:len(slashes)/2]
		}
	}
	out.text(slashes)
}

// isDirective reports whether name is a directive of the language.
func isDirective(name string) bool {
	switch name {
	case "set", "if", "elseif", "else", "end", "foreach", "break", "stop", "macro", "define", "evaluate", "include", "parse", "literal":
		return true
	}
	return false
}

// Static returns the output of a template that has none of a language's parts in it, which is the same for every Input,
// and whether this is such a template.
func (t *Template) Static() (string, bool) {
	switch len(t.body) {
	case 0:
		return "", true
	case 1:
		s, ok := t.body[0].(text)
		return string(s), ok && len(s) <= t.options.Limits.resolved().Output
	}
	return "", false
}
