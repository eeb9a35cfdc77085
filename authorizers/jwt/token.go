package jwt

import (
	"strings"
)

const (
	// MaxTokenBytes bounds a token before it is parsed. All headers of a handshake have 10 KiB
	// (contract/websocket-api.md §5), but a $refresh comes in a message.
	MaxTokenBytes = 16 << 10
	bearer        = "bearer"
	// protocolPrefix marks the token in a subprotocol of its own.
	protocolPrefix = "token."
)

// Token returns the token in the value of an identity source, or "" when there is none. It takes a bare token; "Bearer "
// and a token, in any case; and the forms that fit into Sec-WebSocket-Protocol, which is all that a browser can send: the
// list "bearer, <token>", and an entry "token.<token>", each beside other subprotocols. Which subprotocol is chosen is for
// $connect's integration to say.
func Token(value string) string {
	value = strings.TrimSpace(value)
	if head, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(head, bearer) {
		return wellFormed(strings.TrimSpace(rest))
	}
	if !strings.Contains(value, ",") && !strings.HasPrefix(value, protocolPrefix) {
		return wellFormed(value)
	}
	next := false
	for entry := range strings.SplitSeq(value, ",") {
		entry = strings.TrimSpace(entry)
		if next {
			return wellFormed(entry)
		}
		if token, ok := strings.CutPrefix(entry, protocolPrefix); ok {
			return wellFormed(token)
		}
		next = strings.EqualFold(entry, bearer)
	}
	return ""
}

// wellFormed returns the token if it has the form of a compact JWS (RFC 7515 §7.1), else "".
func wellFormed(token string) string {
	if len(token) > MaxTokenBytes || strings.Count(token, ".") != 2 {
		return ""
	}
	for part := range strings.SplitSeq(token, ".") {
		if part == "" || strings.ContainsFunc(part, notBase64URL) {
			return ""
		}
	}
	return token
}

func notBase64URL(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}
