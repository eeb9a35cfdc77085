package sigv4

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

const upperHex = "0123456789ABCDEF"

// appendCanonical appends the text whose hash is signed (contract/control-plane.md §3.2), but for its last line, which is the
// payload's hash.
func appendCanonical(b []byte, r *Request, s *signature) []byte {
	b = append(append(b, r.Method...), '\n')
	b = append(appendEscaped(b, cleanPath(r.Path), "/"), '\n')
	b = append(appendQuery(b, r.Query, s.presigned), '\n')
	for _, name := range s.signedHeaders {
		b = append(append(b, name...), ':')
		if name == "host" {
			b = append(b, collapse(r.Host)...)
		} else {
			b = appendValues(b, r.Header, name)
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range s.signedHeaders {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	return append(b, '\n')
}

// cleanPath drops empty segments and resolves "." and "..", as the SDKs do before they sign: with an endpoint that ends in
// a slash some send "/prod//@connections/…" but sign "/prod/@connections/…" (contract/control-plane.md §3.5). It does not
// decode: an escaped dot or slash is part of its segment.
func cleanPath(path string) string {
	if path == "" {
		return "/"
	}
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") && path[0] == '/' {
		return path
	}
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	clean := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && strings.HasSuffix(path, "/") {
		clean += "/"
	}
	return clean
}

// appendEscaped percent-encodes every byte except the unreserved ones of RFC 3986 §2.3 and those of also.
func appendEscaped(b []byte, text, also string) []byte {
	for i := range len(text) {
		c := text[i]
		if unreserved(c) || strings.IndexByte(also, c) >= 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', upperHex[c>>4], upperHex[c&15])
	}
	return b
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func escape(text string) string { return string(appendEscaped(nil, text, "")) }

// parameter is one member of a query string.
type parameter struct{ name, value string }

// parameters splits a raw query and decodes its members; a plus stays a plus (contract/control-plane.md §3.6).
func parameters(query string) []parameter {
	if query == "" {
		return nil
	}
	list := make([]parameter, 0, strings.Count(query, "&")+1)
	for member := range strings.SplitSeq(query, "&") {
		if member != "" {
			name, value, _ := strings.Cut(member, "=")
			list = append(list, parameter{unescape(name), unescape(value)})
		}
	}
	return list
}

// appendQuery appends the canonical query: strictly encoded, sorted by name and value, without the signature itself.
func appendQuery(b []byte, query string, presigned bool) []byte {
	list := parameters(query)
	if presigned {
		list = slices.DeleteFunc(list, func(p parameter) bool { return p.name == paramSignature })
	}
	for i, p := range list {
		list[i] = parameter{escape(p.name), escape(p.value)}
	}
	slices.SortFunc(list, func(p, q parameter) int {
		if c := strings.Compare(p.name, q.name); c != 0 {
			return c
		}
		return strings.Compare(p.value, q.value)
	})
	for i, p := range list {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	return b
}

// unescape decodes percent escapes; what is none stays as it is.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			high, low := fromHex(text[i+1]), fromHex(text[i+2])
			if high >= 0 && low >= 0 {
				b = append(b, byte(high<<4|low))
				i += 2
				continue
			}
		}
		b = append(b, text[i])
	}
	return string(b)
}

// fromHex returns the value of a hexadecimal digit, or -1.
func fromHex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendValues appends the values of a header, each collapsed, with commas between them.
func appendValues(b []byte, h gateway.Header, name string) []byte {
	for i, v := range values(h, name) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, collapse(v)...)
	}
	return b
}

// values returns every value of name, whatever its case; names that differ in case come in the order of their bytes.
func values(h gateway.Header, name string) []string {
	var only []string
	found := 0
	for k, v := range h {
		if sameName(k, name) {
			only = v
			found++
		}
	}
	if found < 2 {
		return only
	}
	names := make([]string, 0, found)
	for k := range h {
		if sameName(k, name) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	var all []string
	for _, k := range names {
		all = append(all, h[k]...)
	}
	return all
}

// sameName compares names of headers, which are ASCII: what differs in length is told apart at once.
func sameName(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// collapse trims a header value and makes one space of each run of them.
func collapse(v string) string {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] != ' ' || v[i-1] != ' ' {
			b.WriteByte(v[i])
		}
	}
	return b.String()
}
