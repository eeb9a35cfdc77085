package httpproxy

import (
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations/backend"
)

const (
	headerForwarded = "Forwarded"
	headerVia       = "Via"
	headerProto     = "X-Forwarded-Proto"

	// via is what Amazon sends (contract/http-api.md §7.6), protocol name included.
	via = "HTTP/1.1 AmazonAPIGateway"
)

// requestHeader is what the backend gets of the client's headers: all of them at $connect and on requests, none on
// messages, which have none, and on $disconnect (contract/websocket-api.md §7.3).
func (p *proxy) requestHeader(ev *gateway.Event, client facts) http.Header {
	switch ev.Kind {
	case gateway.EventMessage:
		contentType := typeJSON
		if ev.Binary && p.handling != gateway.ConvertToText || p.handling == gateway.ConvertToBinary {
			contentType = typeBinary
		}
		return http.Header{headerContentType: {contentType}}
	case gateway.EventConnect:
		return passed(ev.Header)
	case gateway.EventRequest:
		header := passed(ev.Header)
		addForwarded(header, ev.Header, client)
		return header
	}
	return http.Header{}
}

// passed copies the headers that go from one connection to the next, each under its canonical name: net/http looks for
// some of them there. Values that no request can carry are left out.
func passed(from gateway.Header) http.Header {
	to := make(http.Header, len(from)+headersAdded)
	for name, values := range from {
		canonical := http.CanonicalHeaderKey(name)
		if backend.Reserved(canonical) || canonical == headerHost || !backend.Token(name) {
			continue
		}
		for _, value := range values {
			if plain(value) {
				to[canonical] = append(to[canonical], value)
			}
		}
	}
	for name := range connectionNames(from) {
		delete(to, name)
	}
	return to
}

// headersAdded leaves room for what the gateway adds.
const headersAdded = 6

// connectionNames are the headers that a Connection header declares to be for one hop (RFC 9110 §7.6.1).
func connectionNames(h gateway.Header) map[string]struct{} {
	var names map[string]struct{}
	for key, values := range h {
		if !strings.EqualFold(key, "Connection") {
			continue
		}
		for _, value := range values {
			for name := range strings.SplitSeq(value, ",") {
				if names == nil {
					names = make(map[string]struct{})
				}
				names[http.CanonicalHeaderKey(strings.TrimSpace(name))] = struct{}{}
			}
		}
	}
	return names
}

// addForwarded adds Forwarded and Via (contract/http-api.md §7.6). Our own address, Amazon's by=, is left out: behind a
// load balancer it says nothing. The scheme is what a proxy in front says, else http.
func addForwarded(to http.Header, from gateway.Header, client facts) {
	address := client.sourceIP
	if strings.Contains(address, ":") {
		address = "[" + address + "]" // RFC 7239 §6
	}
	host := from.Get(headerHost)
	if host == "" {
		host = client.domain
	}
	proto := "http"
	if from.Get(headerProto) == "https" {
		proto = "https"
	}
	element := "for=" + quoted(address) + ";host=" + quoted(host) + ";proto=" + proto
	to[headerForwarded] = append(to[headerForwarded], element)
	to[headerVia] = append(to[headerVia], via)
}

// quoted writes a value of Forwarded: a token as it is, anything else as a quoted string (RFC 7239 §4).
func quoted(s string) string {
	if backend.Token(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// plain reports whether a header's value has no control characters but tabs (RFC 9110 §5.5).
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
