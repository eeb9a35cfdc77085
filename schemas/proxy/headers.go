package proxy

import (
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// field is one header with all its values; values is never empty.
type field struct {
	name   string
	values []string
}

// headerList is a header in which names that differ only in case are one field.
type headerList []field

// foldHeader sorts h by name, so that the result does not depend on map order, and joins names that differ in case.
func foldHeader(h gateway.Header) headerList {
	list := make(headerList, 0, len(h))
	at := make(map[string]int, len(h)) // by lower-case name; a client sends thousands of names in the head that it may have
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if len(h[name]) == 0 {
			continue
		}
		lower := strings.ToLower(name)
		if i, again := at[lower]; again {
			list[i].values = append(slices.Clip(list[i].values), h[name]...)
			continue
		}
		at[lower] = len(list)
		list = append(list, field{name, h[name]})
	}
	return list
}

func (l headerList) find(name string) *field {
	for i := range l {
		if strings.EqualFold(l[i].name, name) {
			return &l[i]
		}
	}
	return nil
}

func (l *headerList) drop(names ...string) {
	*l = slices.DeleteFunc(*l, func(f field) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.name) })
	})
}

func (l *headerList) set(name, value string) {
	if f := l.find(name); f != nil {
		f.values = []string{value}
		return
	}
	*l = append(*l, field{name, []string{value}})
}

// setDefault sets name unless it is there.
func (l *headerList) setDefault(name, value string) {
	if l.find(name) == nil {
		*l = append(*l, field{name, []string{value}})
	}
}

// The X-Forwarded-* values of a client that speaks plain HTTP to us. Whoever ends TLS, the edge or a proxy in front, has
// said so in X-Forwarded-Proto.
const (
	plainProto = "http"
	plainPort  = "80"
	tlsProto   = "https"
	tlsPort    = "443"
)

// addForwarded adds Host and the X-Forwarded-* headers of contract/http-api.md §6.2: the peer's address goes to the end of
// the client's list; protocol and port are taken from a proxy in front when it says them.
func (l *headerList) addForwarded(c *event.Context) {
	l.setDefault("Host", c.DomainName)
	chain := c.Identity.SourceIP
	if f := l.find("X-Forwarded-For"); f != nil {
		chain = strings.Join(f.values, ", ") + ", " + chain
	}
	l.set("X-Forwarded-For", chain)
	l.setDefault("X-Forwarded-Proto", plainProto)
	l.setDefault("X-Forwarded-Port", portOf(l.find("Host").values[0], l.find("X-Forwarded-Proto").values[0]))
}

// portOf returns the port of a Host header's value, or the one that the scheme implies.
func portOf(host, proto string) string {
	implied := plainPort
	if proto == tlsProto {
		implied = tlsPort
	}
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") { // "[::1]" has no port
		return implied
	}
	if _, err := strconv.ParseUint(host[i+1:], 10, 16); err != nil {
		return implied
	}
	return host[i+1:]
}

// requestHeader is the client's header as functions see it. Content-Length is there also without a body
// (contract/http-api.md §6.2).
func requestHeader(ev *gateway.Event, c *event.Context) headerList {
	list := foldHeader(ev.Header)
	list.addForwarded(c)
	list.set("Content-Length", strconv.Itoa(len(ev.Body)))
	return list
}

// wellKnownCase writes the names of contract/http-api.md §6.3 in Title-Case and leaves others as they came.
func wellKnownCase(name string) string {
	switch lower := strings.ToLower(name); {
	case strings.HasPrefix(lower, "content-"), strings.HasPrefix(lower, "x-forwarded-"),
		lower == "host", lower == "user-agent", lower == "x-amzn-trace-id":
		return textproto.CanonicalMIMEHeaderKey(lower)
	}
	return name
}
