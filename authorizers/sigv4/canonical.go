package sigv4

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

const upperHex = "0123456789ABCDEF"

// canonicalRequest is the text whose hash is signed (contract/control-plane.md §3.2).
func canonicalRequest(r *Request, s *signature, payloadHash string) string {
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	writeEscaped(&b, cleanPath(r.Path), "/")
	b.WriteByte('\n')
	writeQuery(&b, r.Query, s.presigned)
	b.WriteByte('\n')
	for _, name := range s.signedHeaders {
		b.WriteString(name)
		b.WriteByte(':')
		if name == "host" {
			b.WriteString(collapse(r.Host))
		} else {
			writeValues(&b, r.Header, name)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(s.signedHeaders, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String()
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

// writeEscaped percent-encodes every byte except the unreserved ones of RFC 3986 §2.3 and those of also.
func writeEscaped(b *strings.Builder, text, also string) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if unreserved(c) || strings.IndexByte(also, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func escape(text string) string {
	var b strings.Builder
	writeEscaped(&b, text, "")
	return b.String()
}

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

// writeQuery writes the canonical query: strictly encoded, sorted by name and value, without the signature itself.
func writeQuery(b *strings.Builder, query string, presigned bool) {
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
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
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

// writeValues writes the values of a header, each collapsed, with commas between them.
func writeValues(b *strings.Builder, h gateway.Header, name string) {
	for i, v := range values(h, name) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(collapse(v))
	}
}

// values returns every value of name, whatever its case; names that differ in case come in the order of their bytes.
func values(h gateway.Header, name string) []string {
	var names []string
	for k := range h {
		if strings.EqualFold(k, name) {
			names = append(names, k)
		}
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return h[names[0]]
	}
	slices.Sort(names)
	var all []string
	for _, k := range names {
		all = append(all, h[k]...)
	}
	return all
}

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
