package edge

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// errHead says that a request head breaks RFC 9112. The client is not told which rule.
var errHead = errors.New("malformed request head")

// requestHead is a request without its body, names in the client's case.
type requestHead struct {
	method, target, proto string
	header                gateway.Header
}

// headEnd returns the size of the request head at the front of b, its empty line included, and 0 while there is no empty
// line. Lines may end without a carriage return, as net/http has it.
func headEnd(b []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch rest := b[i:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 2
		}
	}
}

// plausible reports whether b can be the beginning of a request, so that garbage is refused at once instead of after the
// handshake timeout: a method of at most maxMethod token characters and a space.
func plausible(b []byte) bool {
	const maxMethod = 32
	for i, c := range b {
		switch {
		case c == ' ':
			return i > 0
		case i == maxMethod || !tokenChar(c):
			return false
		}
	}
	return true
}

// asksUpgrade reports whether a complete head has an Upgrade header that names websocket. It allocates nothing: most
// heads that do not are plain HTTP.
func asksUpgrade(head []byte) bool {
	for line := range bytes.Lines(head) {
		name, value, ok := bytes.Cut(line, []byte{':'})
		if ok && len(name) == len("Upgrade") && bytes.EqualFold(name, []byte("Upgrade")) &&
			hasToken(string(value), "websocket") {
			return true
		}
	}
	return false
}

// parseHead reads a complete head. It is as strict as net/http: no folded lines, no white space before the colon, names
// of token characters, values without control characters, one Host.
func parseHead(head []byte) (requestHead, error) {
	line, rest := cutLine(head)
	h := requestHead{header: make(gateway.Header)}
	var ok bool
	if h.method, line, ok = strings.Cut(line, " "); !ok || !isToken(h.method) {
		return requestHead{}, errHead
	}
	if h.target, h.proto, ok = strings.Cut(line, " "); !ok || h.target == "" || !isVersion(h.proto) {
		return requestHead{}, errHead
	}
	hosts := 0
	for {
		line, rest = cutLine(rest)
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || !isFieldValue(value) {
			return requestHead{}, errHead
		}
		if strings.EqualFold(name, "Host") {
			hosts++
		}
		h.header.Add(name, value)
	}
	if hosts != 1 {
		return requestHead{}, errHead // RFC 9112 §3.2
	}
	return h, nil
}

// cutLine returns the first line without its end, and what follows it.
func cutLine(b []byte) (string, []byte) {
	line, rest, _ := bytes.Cut(b, []byte{'\n'})
	return string(bytes.TrimSuffix(line, []byte{'\r'})), rest
}

func isVersion(s string) bool {
	_, _, ok := http.ParseHTTPVersion(s)
	return ok
}

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// tokenChar reports the characters of RFC 9110 §5.6.2.
func tokenChar(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isFieldValue refuses control characters other than the tab (RFC 9110 §5.5).
func isFieldValue(s string) bool {
	const del = 0x7f
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == del {
			return false
		}
	}
	return true
}

// hasToken reports whether a comma-separated list holds the token, without regard to case.
func hasToken(list, token string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(part), token) {
			return true
		}
	}
	return false
}
