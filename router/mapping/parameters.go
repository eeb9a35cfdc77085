package mapping

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/gateway"
)

// parameterName is the form of the NAME in targets and sources (contract/websocket-api.md §8.1).
var parameterName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9._$-]+$`) })

// What targets begin with (contract/websocket-api.md §8.1); the name follows.
const (
	HeaderTarget = targetPrefix + string(targetHeader) + "."
	PathTarget   = targetPrefix + string(targetPath) + "."

	targetPrefix = "integration.request."
	targetHint   = "write integration.request.{header|querystring|path}.NAME; NAME has letters, digits and . _ $ -"
)

type targetKind string

const (
	targetHeader targetKind = "header"
	targetQuery  targetKind = "querystring"
	targetPath   targetKind = "path"
)

// Parameters is the parsed requestParameters of an integration.
type Parameters struct {
	list []parameter // sorted by target, so that results do not depend on map order
	// readsBody is set when a source looks inside the body.
	readsBody bool
}

type parameter struct {
	target targetKind
	name   string
	source source
}

// ParseParameters reads requestParameters: integration.request.{header|querystring|path}.NAME to a source
// (contract/websocket-api.md §8.1). All faults are reported, each with the target as its path; the Parameters then hold
// those that are right.
func ParseParameters(m map[string]string) (*Parameters, []gateway.Fault) {
	p := &Parameters{}
	var faults []gateway.Fault
	for _, key := range slices.Sorted(maps.Keys(m)) {
		target, name, ok := parseTarget(key)
		if !ok {
			faults = append(faults, gateway.Fault{Path: []string{key}, Problem: "not a target of a request parameter", Hint: targetHint})
		}
		src, err := parseSource(m[key])
		if err != nil {
			hint := err.Hint
			err.Hint = ""
			faults = append(faults, gateway.Fault{Path: []string{key}, Problem: err.Error(), Hint: hint})
			continue
		}
		if ok {
			p.list = append(p.list, parameter{target: target, name: name, source: src})
			p.readsBody = p.readsBody || src.kind == sourceInBody
		}
	}
	return p, faults
}

func parseTarget(key string) (targetKind, string, bool) {
	rest, ok := strings.CutPrefix(key, targetPrefix)
	if !ok {
		return "", "", false
	}
	section, name, _ := strings.Cut(rest, ".")
	switch kind := targetKind(section); kind {
	case targetHeader, targetQuery, targetPath:
		return kind, name, parameterName().MatchString(name)
	}
	return "", "", false
}

// PathNames returns the names of the path targets: the {placeholders} of the integration's URI that they fill.
func (p *Parameters) PathNames() []string {
	var names []string
	for _, one := range p.list {
		if one.target == targetPath {
			names = append(names, one.name)
		}
	}
	return names
}

// Mapped is what request parameters ask for. A map without entries is nil.
type Mapped struct {
	// Header has one value a name: several of a multi-value source are joined by a comma (RFC 9110 §5.3). Control
	// characters, which no header can carry, have become spaces.
	Header map[string]string
	Query  url.Values
	// Path holds values for ExpandURI, not encoded.
	Path map[string]string
}

// Apply reads the parameters' sources from ev. A parameter whose source is missing is left out. A nil p maps nothing.
func (p *Parameters) Apply(ev *gateway.Event) Mapped {
	var m Mapped
	if p == nil || len(p.list) == 0 {
		return m
	}
	r := reading{event: ev, context: textOf(ev.Context)}
	if p.readsBody && Valid(ev.Body) {
		r.body.json = textOf(ev.Body)
	}
	for i := range p.list {
		one := &p.list[i]
		if values := one.source.values(&r); len(values) > 0 {
			m.set(one.target, one.name, values)
		}
	}
	return m
}

func (m *Mapped) set(target targetKind, name string, values []string) {
	switch target {
	case targetHeader:
		if m.Header == nil {
			m.Header = make(map[string]string)
		}
		m.Header[name] = HeaderText(strings.Join(values, ","))
	case targetQuery:
		if m.Query == nil {
			m.Query = make(url.Values)
		}
		// A copy: values may be a slice of the event's own header.
		m.Query[name] = slices.Clone(values)
	case targetPath:
		last := values[len(values)-1]
		if last == "" {
			return // as if it were missing: without its last segment a path means all that is below it
		}
		if m.Path == nil {
			m.Path = make(map[string]string)
		}
		m.Path[name] = last
	}
}

// HeaderText keeps a value that a client chose from ending its header line: control characters become spaces.
func HeaderText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
