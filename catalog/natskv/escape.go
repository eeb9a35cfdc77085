package natskv

import "strings"

const upperHex = "0123456789ABCDEF"

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// escape makes any text one token of a key. The empty text is a lone "=".
func escape(s string) string {
	if s == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteString(string([]byte{'=', upperHex[c>>4], upperHex[c&15]}))
		}
	}
	return b.String()
}

// unescape is the inverse of escape. It refuses whatever escape would not have written.
func unescape(t string) (string, bool) {
	if t == "=" {
		return "", true
	}
	var b []byte
	for i := 0; i < len(t); i++ {
		if plain(t[i]) {
			b = append(b, t[i])
			continue
		}
		if t[i] != '=' || i+2 >= len(t) {
			return "", false
		}
		hi, lo := strings.IndexByte(upperHex, t[i+1]), strings.IndexByte(upperHex, t[i+2])
		if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
			return "", false
		}
		b = append(b, byte(hi<<4|lo))
		i += 2
	}
	return string(b), t != ""
}
