package edge

import (
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// extensionDeflate is the one extension that we know (RFC 7692 §7).
const extensionDeflate = "permessage-deflate"

// The parameters of permessage-deflate (RFC 7692 §7.1).
const (
	serverNoContext  = "server_no_context_takeover"
	clientNoContext  = "client_no_context_takeover"
	serverWindowBits = "server_max_window_bits"
	clientWindowBits = "client_max_window_bits"
)

// windowBits says how far back a compressed message of ours may refer: 2 to that power bytes. 0 means that messages are
// not compressed in either direction, because nothing was negotiated.
type windowBits uint8

// The window's bounds (RFC 7692 §7.1.2).
const (
	minWindowBits windowBits = 8
	maxWindowBits windowBits = 15
)

// maxOffers bounds how many extensions of a request are looked at; browsers send one, careful libraries two.
const maxOffers = 16

// deflateAnswer is what a negotiation came to. The zero value declines.
type deflateAnswer struct {
	window windowBits
	// limited says that the client asked for the window, so the answer has to name it.
	limited bool
}

// value is that of Sec-WebSocket-Extensions. Both sides start every message anew, so that an idle connection keeps no
// window; a server may ask that of any client (RFC 7692 §7.1.1.2).
func (a deflateAnswer) value() string {
	v := extensionDeflate + "; " + serverNoContext + "; " + clientNoContext
	if a.limited {
		v += "; " + serverWindowBits + "=" + strconv.Itoa(int(a.window))
	}
	return v
}

// negotiateDeflate picks the first offer of a request that can be accepted (RFC 7692 §5.1, §7.1). Offers with unknown,
// repeated or wrong parameters are passed over, and so is everything after a syntax error: a connection without
// compression is as good.
func negotiateDeflate(head gateway.Header) deflateAnswer {
	for name, values := range head {
		if strings.EqualFold(name, "Sec-WebSocket-Extensions") {
			return pickOffer(strings.Join(values, ",")) // several lines are one list (RFC 6455 §9.1)
		}
	}
	return deflateAnswer{}
}

func pickOffer(header string) deflateAnswer {
	for range maxOffers {
		if header == "" {
			break
		}
		offer, rest, ok := scanOffer(header)
		if !ok {
			break
		}
		if answer := offer.answer(); answer.window != 0 {
			return answer
		}
		header = rest
	}
	return deflateAnswer{}
}

// deflateOffer is one element of the header. usable turns false when a parameter can't be accepted.
type deflateOffer struct {
	usable         bool
	seen           [4]bool // by the order of the constants above
	window         windowBits
	serverWindowed bool
}

func (o *deflateOffer) answer() deflateAnswer {
	switch {
	case !o.usable:
		return deflateAnswer{}
	case o.serverWindowed:
		return deflateAnswer{window: o.window, limited: true}
	}
	return deflateAnswer{window: maxWindowBits}
}

// scanOffer reads one extension with its parameters up to the next comma (RFC 6455 §9.1). ok is false for what that
// grammar does not allow.
func scanOffer(s string) (o deflateOffer, rest string, ok bool) {
	s = strings.TrimLeft(s, ", \t") // a list may have empty elements (RFC 9110 §5.6.1)
	if s == "" {
		return o, "", true
	}
	name, s := scanToken(s)
	if name == "" {
		return o, "", false
	}
	o.usable = strings.EqualFold(name, extensionDeflate)
	for {
		s = strings.TrimLeft(s, " \t")
		switch {
		case s == "":
			return o, "", true
		case s[0] == ',':
			return o, s[1:], true
		case s[0] != ';':
			return o, "", false
		}
		var key, value string
		var valued bool
		key, s = scanToken(strings.TrimLeft(s[1:], " \t"))
		if key == "" {
			return o, "", false
		}
		s = strings.TrimLeft(s, " \t")
		if strings.HasPrefix(s, "=") {
			valued = true
			value, s, ok = scanValue(strings.TrimLeft(s[1:], " \t"))
			if !ok {
				return o, "", false
			}
		}
		o.parameter(strings.ToLower(key), value, valued)
	}
}

// parameter takes one parameter of the offer. What the client says of its own window needs no answer: ours is always
// the largest.
func (o *deflateOffer) parameter(key, value string, valued bool) {
	index, good := 0, false
	switch key {
	case serverNoContext:
		index, good = 0, !valued
	case clientNoContext:
		index, good = 1, !valued
	case serverWindowBits:
		index = 2
		o.window, good = parseWindowBits(value)
		o.serverWindowed = good
	case clientWindowBits:
		index, good = 3, !valued
		if valued {
			_, good = parseWindowBits(value)
		}
	}
	if !good || o.seen[index] {
		o.usable = false
		return
	}
	o.seen[index] = true
}

// parseWindowBits reads 8 to 15 without leading zeros (RFC 7692 §7.1.2.1).
func parseWindowBits(s string) (windowBits, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	bits := windowBits(n)
	if err != nil || s[0] == '0' || bits < minWindowBits || bits > maxWindowBits {
		return 0, false
	}
	return bits, true
}

// scanToken splits a token (RFC 9110 §5.6.2) from the front of s.
func scanToken(s string) (token, rest string) {
	n := 0
	for n < len(s) && tokenChar(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

// scanValue splits a token, or a quoted string that holds one, from the front of s.
func scanValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = scanToken(s)
		return value, rest, value != ""
	}
	s = s[1:]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			value = b.String()
			token, more := scanToken(value)
			return value, s[i+1:], token != "" && more == ""
		case '\\':
			i++
			if i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
