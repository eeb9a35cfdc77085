package router

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// domains are the custom domains of a table. A domain answers under its mappings alone: the path-style addresses of
// other hosts do not exist there (contract/http-api.md §2.5).
type domains struct {
	exact     map[string]mappings
	wildcards map[string]mappings // by what follows the first label, with its dot
}

// mappings are what is served under one domain, the longest key first.
type mappings []domainMapping

type domainMapping struct {
	key         string // "/orders", or "" for the rest
	program     *Program
	stageInPath string // "/prod", "" for $default: HTTP backends see it (contract/http-api.md §4.2)
}

func (d *domains) add(p *Program) {
	for _, m := range p.domains {
		one := domainMapping{program: p}
		if m.APIMappingKey != "" {
			one.key = "/" + m.APIMappingKey
		}
		if p.stage != gateway.StageDefault {
			one.stageInPath = "/" + string(p.stage)
		}
		if suffix, ok := m.DomainName.Wildcard(); ok {
			d.wildcards = withMapping(d.wildcards, suffix, one)
		} else {
			d.exact = withMapping(d.exact, string(m.DomainName), one)
		}
	}
}

func withMapping(all map[string]mappings, name string, m domainMapping) map[string]mappings {
	if all == nil {
		all = make(map[string]mappings)
	}
	all[name] = append(all[name], m)
	slices.SortStableFunc(all[name], func(a, b domainMapping) int { return cmp.Compare(len(b.key), len(a.key)) })
	return all
}

// find returns what is served under a host, which may carry a port; nil when it is no custom domain. An exact name comes
// before a wildcard.
func (d *domains) find(host string) mappings {
	if len(d.exact) == 0 && len(d.wildcards) == 0 {
		return nil
	}
	host = strings.TrimSuffix(WithoutPort(host), ".")
	var lower [maxHostBytes]byte
	if len(host) > len(lower) {
		return nil
	}
	name := appendLower(lower[:0], host)
	if m := d.exact[string(name)]; m != nil {
		return m
	}
	if i := slices.Index(name, '.'); i > 0 {
		return d.wildcards[string(name[i:])]
	}
	return nil
}

// maxHostBytes is more than any host name has, so a longer one is no custom domain.
const maxHostBytes = 256

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// resolve picks the mapping whose key takes most of the path, by whole segments (contract/http-api.md §19.7).
func (m mappings) resolve(path string) (Address, bool) {
	for i := range m {
		rest, ok := strings.CutPrefix(path, m[i].key)
		if ok && (rest == "" || rest[0] == '/') {
			return Address{Program: m[i].program, Path: rest, StageInPath: m[i].stageInPath}, true
		}
	}
	return Address{}, false
}

// takesAll reports whether a mapping has an empty key, so that every path of the domain is somebody's.
func (m mappings) takesAll() bool { return len(m) > 0 && m[len(m)-1].key == "" }

// callback finds the stage behind the segments before @connections: the key of a mapping, as Amazon has it
// (contract/websocket-api.md §9.1), or the name of one of the domain's stages, which the common recipe
// https://{domainName}/{stage} makes.
func (m mappings) callback(before []string) (gateway.ConnectionRef, bool) {
	path := ""
	if len(before) > 0 {
		path = "/" + strings.Join(before, "/")
	}
	for i := range m {
		if m[i].key == path {
			return gateway.ConnectionRef{API: m[i].program.api, Stage: m[i].program.stage}, true
		}
	}
	return m.callbackStage(before)
}

func (m mappings) callbackStage(before []string) (ref gateway.ConnectionRef, ok bool) {
	if len(before) != 1 {
		return ref, false
	}
	for i := range m {
		p := m[i].program
		switch {
		case p.stage != gateway.StageName(before[0]):
		case !ok:
			ref, ok = gateway.ConnectionRef{API: p.api, Stage: p.stage}, true
		case ref.API != p.api:
			ref.API = "" // several APIs: the id alone decides
		}
	}
	return ref, ok
}

// checkDomains looks at the custom domains of all stages. Two APIs that claim the same address are found by whoever
// loads both.
func (c *check) checkDomains() {
	claimed := make(map[gateway.DomainMapping]gateway.StageName)
	for _, name := range slices.Sorted(maps.Keys(c.api.Stages)) {
		stage := c.api.Stages[name]
		if stage == nil {
			continue
		}
		for i, m := range stage.Domains {
			c.checkDomain(at("stages", string(name), "domains", strconv.Itoa(i)), name, m, claimed)
		}
	}
}

func (c *check) checkDomain(where place, stage gateway.StageName, m *gateway.DomainMapping, claimed map[gateway.DomainMapping]gateway.StageName) {
	switch {
	case m == nil:
		c.fault(where, "the mapping is empty", "domainName: api.example.com")
		return
	case !m.DomainName.Valid():
		c.fault(where.under("domainName"), "no domain name", "lower case, such as api.example.com or *.example.com, without port and path")
	case !m.ValidKey():
		c.fault(where.under("apiMappingKey"), "the key can't be a path", "such as orders: letters, digits and $-_.+!*'(), no slash at its ends")
	case c.api.Protocol == gateway.ProtocolWebSocket && strings.Contains(m.APIMappingKey, "/"):
		c.fault(where.under("apiMappingKey"), "the key of a WebSocket API has one segment", "orders instead of orders/v1")
	}
	if other, taken := claimed[*m]; taken {
		c.fault(where, m.String()+" leads to stage "+string(other)+" already", "give one of them another apiMappingKey")
	}
	claimed[*m] = stage
}
