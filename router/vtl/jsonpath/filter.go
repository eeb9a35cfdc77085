package jsonpath

import (
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/router/vtl/javaregex"
	"github.com/sallyport/sallyport/router/vtl/value"
)

// filter reads (…) behind a ?.
func (c *compiler) filter(nesting int) (test, error) {
	if c.peek(0) != '(' {
		return nil, c.fault("a filter is [?(…)]")
	}
	return c.unary(nesting + 1)
}

// either reads a || b, both a && b.
func (c *compiler) either(nesting int) (test, error) {
	left, err := c.both(nesting)
	for err == nil {
		if c.blanks(); !strings.HasPrefix(c.text[c.at:], "||") {
			break
		}
		c.at += 2
		var right test
		right, err = c.both(nesting)
		left = &or{left, right}
	}
	return left, err
}

func (c *compiler) both(nesting int) (test, error) {
	left, err := c.unary(nesting)
	for err == nil {
		if c.blanks(); !strings.HasPrefix(c.text[c.at:], "&&") {
			break
		}
		c.at += 2
		var right test
		right, err = c.unary(nesting)
		left = &and{left, right}
	}
	return left, err
}

// unary reads !a, (a) and comparisons.
func (c *compiler) unary(nesting int) (test, error) {
	if nesting > maxNesting {
		return nil, c.fault("nested too deep")
	}
	c.blanks()
	switch c.peek(0) {
	case '!':
		c.at++
		t, err := c.unary(nesting + 1)
		return &not{t}, err
	case '(':
		c.at++
		t, err := c.either(nesting + 1)
		if err != nil {
			return nil, err
		}
		if c.blanks(); c.peek(0) != ')' {
			return nil, c.fault("a ) is missing")
		}
		c.at++
		return t, nil
	}
	return c.comparison(nesting)
}

// operators in the order in which they are tried: a longer one before its beginning.
func operators() []string {
	return []string{"==", "!=", "<=", ">=", "=~", "<", ">", "in ", "nin ", "size ", "empty "}
}

func (c *compiler) comparison(nesting int) (test, error) {
	left, err := c.operand(nesting)
	if err != nil {
		return nil, err
	}
	c.blanks()
	for _, op := range operators() {
		if !strings.HasPrefix(c.text[c.at:], op) {
			continue
		}
		c.at += len(op)
		c.blanks()
		right, err := c.operand(nesting)
		if err != nil {
			return nil, err
		}
		if re, isRegexp := right.(*pattern); (op == "=~") != isRegexp {
			return nil, c.fault("=~ compares with /a pattern/")
		} else if isRegexp {
			return &matches{left, re.re}, nil
		}
		return &compare{left, right, strings.TrimSpace(op)}, nil
	}
	if path, ok := left.(*query); ok {
		return &exists{path}, nil
	}
	return nil, c.fault("an operator is missing")
}

// operand reads a path, a literal or a pattern.
func (c *compiler) operand(nesting int) (operand, error) {
	switch b := c.peek(0); {
	case b == '@' || b == '$':
		return c.query(b == '$', nesting)
	case b == '\'' || b == '"':
		s, err := c.quoted()
		return &literal{s}, err
	case b == '/':
		return c.pattern()
	case b == '[':
		return c.list(nesting)
	}
	end := c.at
	for end < len(c.text) && !strings.ContainsRune(" )]&|,=!<>", rune(c.text[end])) {
		end++
	}
	word := c.text[c.at:end]
	c.at = end
	switch word {
	case "true", "false":
		return &literal{word == "true"}, nil
	case "null":
		return &literal{nil}, nil
	}
	if _, err := strconv.ParseInt(word, 10, 64); err == nil {
		return &literal{value.ParseInteger(word)}, nil
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil {
		return &literal{f}, nil
	}
	return nil, c.fault("neither a path nor a literal")
}

// query reads a path within a filter: it ends at a blank or an operator outside brackets.
func (c *compiler) query(absolute bool, nesting int) (operand, error) {
	end, open, quote := c.at+1, 0, byte(0)
scan:
	for ; end < len(c.text); end++ {
		switch b := c.text[end]; {
		case quote != 0:
			if b == '\\' {
				end++
			} else if b == quote {
				quote = 0
			}
		case b == '\'' || b == '"':
			quote = b
		case b == '[' || b == '(':
			open++
		case open > 0 && (b == ']' || b == ')'):
			open--
		case open == 0 && strings.IndexByte(" )]&|,=!<>", b) >= 0:
			break scan
		}
	}
	end = min(end, len(c.text))
	inner := compiler{text: c.text[:end], at: c.at + 1}
	p, err := inner.path(nesting + 1)
	c.at = end
	return &query{p, absolute}, err
}

// pattern reads /regular expression/flags.
func (c *compiler) pattern() (operand, error) {
	end := c.at + 1
	for end < len(c.text) && c.text[end] != '/' {
		if c.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(c.text) {
		return nil, c.fault("a / is missing")
	}
	text := c.text[c.at+1 : end]
	c.at = end + 1
	for c.peek(0) == 'i' {
		text = "(?i)" + text
		c.at++
	}
	re, err := javaregex.Compile(text)
	if err != nil {
		return nil, c.fault("%v", err)
	}
	return &pattern{re}, nil
}

func (c *compiler) list(nesting int) (operand, error) {
	if nesting > maxNesting {
		return nil, c.fault("nested too deep")
	}
	c.at++
	items := &value.List{}
	for {
		c.blanks()
		if c.peek(0) == ']' {
			c.at++
			return &literal{items}, nil
		}
		item, err := c.operand(nesting + 1)
		if err != nil {
			return nil, err
		}
		lit, ok := item.(*literal)
		if !ok {
			return nil, c.fault("a list holds literals")
		}
		items.Items = append(items.Items, lit.v)
		if c.blanks(); c.peek(0) == ',' {
			c.at++
		} else if c.peek(0) != ']' {
			return nil, c.fault("a ] is missing")
		}
	}
}
