package vtl

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sallyport/sallyport/router/vtl/value"
)

// utilities is $util (§5). Its functions take one argument; what is no string counts as the text that it prints (§5.1).
type utilities struct{}

// String prints $util itself as nothing.
func (utilities) String() string { return "" }

func (utilities) call(r *run, name string, args []any) (any, error) {
	switch name {
	case "escapeJavaScript", "parseJson", "urlEncode", "urlDecode", "base64Encode", "base64Decode":
	default:
		return nil, nil // AppSync's $util has more, this one has not (§5.5)
	}
	if len(args) != 1 || args[0] == nil {
		return nil, nil
	}
	text, err := value.Text(args[0], r.meter)
	if err == nil {
		err = r.meter.Spend(len(text))
	}
	if err != nil {
		return nil, err
	}
	var out string
	switch name {
	case "escapeJavaScript":
		out = escapeJavaScript(text)
	case "parseJson":
		return parseJSON(r, text)
	case "urlEncode":
		out = urlEncode(text)
	case "urlDecode":
		if out, err = url.QueryUnescape(text); err != nil {
			return nil, &fault{"$util.urlDecode: " + err.Error(), "a % is followed by two hexadecimal digits"}
		}
	case "base64Encode":
		out = base64.StdEncoding.EncodeToString([]byte(text))
	case "base64Decode":
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return nil, &fault{"$util.base64Decode: the text is not base64", "the standard alphabet, no line breaks"}
		}
		out = strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	if len(out) > r.limits.Output {
		return nil, errOutput
	}
	return out, r.meter.Spend(len(out))
}

// parseJSON gives the same values as $input.path (§5.2).
func parseJSON(r *run, text string) (any, error) {
	v, err := value.Decode([]byte(text), r.listStyle(), r.meter)
	if err == value.ErrJSON {
		return nil, &fault{"$util.parseJson: the text is not JSON", "a JSON value, such as {\"a\":1}"}
	}
	return v, err
}

const upperHex = "0123456789ABCDEF"

// escapeJavaScript escapes as commons-lang 2 does: also / and ', and everything above U+007F as UTF-16 units (§5.1,
// §3b.6).
func escapeJavaScript(s string) string {
	out := make([]byte, 0, len(s)+len(s)/8)
	unit := func(u rune) {
		out = append(out, '\\', 'u', upperHex[u>>12&15], upperHex[u>>8&15], upperHex[u>>4&15], upperHex[u&15])
	}
	for _, r := range s {
		switch {
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			unit(high)
			unit(low)
		case r > 0x7F:
			unit(r)
		case strings.ContainsRune(`'"\/`, r):
			out = append(out, '\\', byte(r))
		case r >= ' ':
			out = append(out, byte(r))
		default:
			if i := strings.IndexRune("\b\n\t\f\r", r); i >= 0 {
				out = append(out, '\\', "bntfr"[i])
			} else {
				unit(r)
			}
		}
	}
	return string(out)
}

// urlEncode is Java's URLEncoder: the form encoding with its own idea of what may stay (§5.3).
func urlEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case isLetter(c) || isDigit(c) || strings.IndexByte(".-*_", c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

// unescapeUnits replaces a \u escape, which Velocity does in double-quoted strings. ok is false where no four hexadecimal
// digits follow.
func unescapeUnits(s string) (out string, ok bool) {
	if !strings.Contains(s, `\u`) {
		return s, true
	}
	var b strings.Builder
	var high rune
	for {
		before, rest, found := strings.Cut(s, `\u`)
		if high != 0 && (before != "" || !found) {
			b.WriteRune(utf8.RuneError)
			high = 0
		}
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		if len(rest) < 4 {
			return "", false
		}
		u, digits := rune(0), 0
		for digits < 4 {
			i := strings.IndexByte("0123456789abcdefABCDEF", rest[digits])
			if i < 0 {
				return "", false
			}
			if i > 15 {
				i -= 6
			}
			u = u<<4 | rune(i)
			digits++
		}
		s = rest[4:]
		switch {
		case high != 0:
			b.WriteRune(utf16.DecodeRune(high, u))
			high = 0
		case u >= 0xD800 && u < 0xDC00:
			high = u
		default:
			b.WriteRune(u)
		}
	}
}
