package vtl

import "strings"

// lexer reads the tokens of a template's text. Which tokens there are depends on where it stands, so the parser asks for
// the kind that it expects: text between references and directives, or the parts of an expression. Velocity's grammar
// does the same with lexical states; where a token ends matters, because blanks before a #set vanish only at the
// beginning of one (§3b.1).
type lexer struct {
	text string
	at   int
}

func (l *lexer) end() bool { return l.at >= len(l.text) }

// peek returns the byte n places ahead, 0 behind the end.
func (l *lexer) peek(n int) byte {
	if l.at+n < len(l.text) {
		return l.text[l.at+n]
	}
	return 0
}

func (l *lexer) has(prefix string) bool { return strings.HasPrefix(l.text[l.at:], prefix) }

// accept moves over s if it is there.
func (l *lexer) accept(s string) bool {
	if l.has(s) {
		l.at += len(s)
		return true
	}
	return false
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// startsName reports whether c begins a variable's name, partOfName whether it continues one (§3.1).
func startsName(c byte) bool { return isLetter(c) || c == '_' }
func partOfName(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '-' }

// wordChar is for the names of directives and macros.
func wordChar(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '@' }

// plain moves over text up to the next character that may begin something.
func (l *lexer) plain() {
	if i := strings.IndexAny(l.text[l.at:], `$#\`); i >= 0 {
		l.at += i
		return
	}
	l.at = len(l.text)
}

// setDirective moves over [blanks]#set[blanks]( and reports whether it was there.
func (l *lexer) setDirective() bool {
	i := l.at
	for i < len(l.text) && (l.text[i] == ' ' || l.text[i] == '\t') {
		i++
	}
	rest := l.text[i:]
	word := ""
	for _, w := range []string{"#set", "#{set}"} {
		if strings.HasPrefix(rest, w) {
			word = w
		}
	}
	if word == "" {
		return false
	}
	i += len(word)
	for i < len(l.text) && l.text[i] == ' ' {
		i++
	}
	if i >= len(l.text) || l.text[i] != '(' {
		return false
	}
	l.at = i + 1
	return true
}

// name reads a variable's name, or "".
func (l *lexer) name() string {
	start := l.at
	if startsName(l.peek(0)) {
		for partOfName(l.peek(0)) {
			l.at++
		}
	}
	return l.text[start:l.at]
}

// directive looks at the word behind a # at the lexer's place: name or {name}. It returns the name and how long the
// whole is, 0 if there is none. A lone word in braces must not begin with @.
func (l *lexer) directive() (name string, size int) {
	i := l.at + 1
	braced := i < len(l.text) && l.text[i] == '{'
	if braced {
		i++
	}
	start := i
	for i < len(l.text) && wordChar(l.text[i]) && (i > start || !isDigit(l.text[i])) {
		i++
	}
	name = l.text[start:i]
	if braced {
		if i >= len(l.text) || l.text[i] != '}' || strings.HasPrefix(name, "@") {
			return "", 0
		}
		i++
	}
	if name == "" {
		return "", 0
	}
	return name, i - l.at
}

// word reads the word of an expression or an argument list, or "".
func (l *lexer) word() string {
	start := l.at
	for wordChar(l.peek(0)) && (l.at > start || !isDigit(l.peek(0))) {
		l.at++
	}
	return l.text[start:l.at]
}

// blanks moves over white space, line ends included.
func (l *lexer) blanks() {
	for {
		switch l.peek(0) {
		case ' ', '\t', '\n', '\r':
			l.at++
		default:
			return
		}
	}
}

// lineEnd moves over trailing blanks and one line end, if nothing else is left of the line (§3.15).
func (l *lexer) lineEnd() {
	i := l.at
	for i < len(l.text) && (l.text[i] == ' ' || l.text[i] == '\t') {
		i++
	}
	switch rest := l.text[i:]; {
	case strings.HasPrefix(rest, "\r\n"):
		l.at = i + 2
	case strings.HasPrefix(rest, "\n"), strings.HasPrefix(rest, "\r"):
		l.at = i + 1
	}
}

// lineComment moves behind the end of the line.
func (l *lexer) lineComment() {
	i := strings.IndexAny(l.text[l.at:], "\r\n")
	if i < 0 {
		l.at = len(l.text)
		return
	}
	l.at += i + 1
	if l.text[l.at-1] == '\r' && l.peek(0) == '\n' {
		l.at++
	}
}

// quoted reads a string literal at its opening quote and returns what is between the quotes, doubled quotes still
// doubled (§3.9). A doubled quote is both: the string goes on if there is another quote to end it.
func (l *lexer) quoted() (inside string, ok bool) {
	quote, end := l.text[l.at], -1
	for i := l.at + 1; i < len(l.text); i++ {
		if l.text[i] != quote {
			continue
		}
		end = i
		if i+1 >= len(l.text) || l.text[i+1] != quote {
			break
		}
		i++
	}
	if end < 0 {
		return "", false
	}
	inside = l.text[l.at+1 : end]
	l.at = end + 1
	return inside, true
}

// number moves over a number literal and reports whether it is whole; size 0 means that there is none. Two dots behind
// digits belong to a range.
func (l *lexer) number() (text string, whole bool) {
	start, i := l.at, l.at
	digits := func() bool {
		from := i
		for i < len(l.text) && isDigit(l.text[i]) {
			i++
		}
		return i > from
	}
	if i < len(l.text) && l.text[i] == '-' {
		i++
	}
	whole = digits()
	any := whole
	if i < len(l.text) && l.text[i] == '.' && !strings.HasPrefix(l.text[i:], "..") {
		dot := i
		i++
		if digits() || any {
			any, whole = true, false
		} else {
			i = dot
		}
	}
	if !any {
		return "", false
	}
	if i < len(l.text) && (l.text[i] == 'e' || l.text[i] == 'E') {
		exponent := i
		i++
		if i < len(l.text) && (l.text[i] == '+' || l.text[i] == '-') {
			i++
		}
		if digits() {
			whole = false
		} else {
			i = exponent
		}
	}
	l.at = i
	return l.text[start:i], whole
}

// operator reads the first of ops that stands here. An operator made of letters must not go on as a word.
func (l *lexer) operator(ops ...string) string {
	for _, op := range ops {
		if !l.has(op) {
			continue
		}
		if isLetter(op[0]) && wordChar(l.peek(len(op))) {
			continue
		}
		l.at += len(op)
		return op
	}
	return ""
}
