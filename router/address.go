package router

import (
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// Address is where a request goes.
type Address struct {
	Program *Program
	// Path is the rest behind API and stage, percent-encoded as the client sent it; it begins with "/" or is empty.
	Path string
	// StageInPath is the stage as the client wrote it, such as "/prod", or "" when it was left out; under a custom domain,
	// where nobody writes it, it is that of a named stage. Backends see it in front of the path (contract/http-api.md §4.1,
	// §4.2).
	StageInPath string
}

// Resolve finds the program that an address means: the mapping of a custom domain, {api}.{domain}/{stage}/… when the host
// names a live API, else /{api}/{stage}/… on any host (DESIGN §4). The stage may be left out where there is a $default
// stage, but a stage of the name of the first segment wins (contract/http-api.md §2.2). host may carry a port. Resolve
// does not allocate.
func (t *Table) Resolve(host, escapedPath string) (Address, bool) {
	if m := t.custom.find(host); m != nil {
		return m.resolve(escapedPath)
	}
	if api := t.hostAPI(host); api != nil {
		return api.resolve(escapedPath)
	}
	id, rest := firstSegment(escapedPath)
	api := t.usual[gateway.APIID(id)]
	if api == nil {
		return Address{}, false
	}
	return api.resolve(rest)
}

// resolve finds the stage in the path behind the API.
func (s stages) resolve(path string) (Address, bool) {
	if path != "" && path[0] != '/' {
		return Address{}, false
	}
	name, rest := firstSegment(path)
	if p := s[gateway.StageName(name)]; p != nil && name != string(gateway.StageDefault) {
		return Address{Program: p, Path: rest, StageInPath: path[:len(path)-len(rest)]}, true
	}
	if p := s[gateway.StageDefault]; p != nil {
		return Address{Program: p, Path: path}, true
	}
	return Address{}, false
}

// firstSegment cuts "/one/two" into "one" and "/two".
func firstSegment(path string) (first, rest string) {
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return "", ""
	}
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// hostAPI returns the programs of the API that the host names, or nil.
func (t *Table) hostAPI(host string) stages {
	id, ok := t.hostLabel(host)
	if !ok {
		return nil
	}
	return t.usual[id]
}

func (t *Table) hostLabel(host string) (gateway.APIID, bool) {
	if t.suffix == "" {
		return "", false
	}
	host = strings.TrimSuffix(WithoutPort(host), ".")
	cut := len(host) - len(t.suffix)
	if cut <= 0 || !strings.EqualFold(host[cut:], t.suffix) {
		return "", false
	}
	return gateway.APIID(strings.ToLower(host[:cut])), true
}

// WithoutPort returns the host that a client used, in its own spelling; an IPv6 address keeps its brackets.
func WithoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		return host[:i]
	}
	return host
}
