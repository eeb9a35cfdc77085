package gateway

import "strings"

// Header holds the headers of an event or a reply, each name in the case in which it was sent. Names that differ only
// in case may stand beside each other, as they may on NATS; Get finds them all.
type Header map[string][]string

// Get returns the first value of name, compared without regard to case, or "".
func (h Header) Get(name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	for k, v := range h {
		if len(v) > 0 && strings.EqualFold(k, name) {
			return v[0]
		}
	}
	return ""
}

// Add appends a value under exactly name.
func (h Header) Add(name, value string) { h[name] = append(h[name], value) }

// Set replaces every header of that name, whatever its case, by one value.
func (h Header) Set(name, value string) {
	h.Del(name)
	h[name] = []string{value}
}

// Del removes every header of that name, whatever its case.
func (h Header) Del(name string) {
	delete(h, name)
	for k := range h {
		if strings.EqualFold(k, name) {
			delete(h, k)
		}
	}
}
