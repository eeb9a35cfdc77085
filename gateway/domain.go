package gateway

import (
	"regexp"
	"strings"
	"sync"
)

// DomainName is a custom domain in lower case, such as api.example.com. Its first label may be a wildcard, *.example.com,
// which stands for exactly one label (contract/websocket-api.md §13).
type DomainName string

// DomainMapping is an address of a stage besides the usual ones: a custom domain, and behind it a path or nothing. The
// names are those of Amazon's ApiMapping.
type DomainMapping struct {
	DomainName DomainName `json:"domainName"`
	// APIMappingKey is the path below which the stage is served, without slashes at its ends; empty means all paths that
	// no other key takes (contract/http-api.md §19.7).
	APIMappingKey string `json:"apiMappingKey,omitempty"`
}

const (
	// DomainNamePattern is the form of a DomainName: labels of letters, digits and '-', two at least.
	DomainNamePattern = `^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`
	// APIMappingKeyPattern is the form of an APIMappingKey (contract/http-api.md §19.7).
	APIMappingKeyPattern = `^([A-Za-z0-9$_.+!*'()-]+(/[A-Za-z0-9$_.+!*'()-]+)*)?$`

	maxDomainNameBytes    = 253 // RFC 1035 §2.3.4, without the dot at the end
	maxAPIMappingKeyBytes = 300
	domainWildcard        = "*."
)

// Compiled when the first domain is looked at: most deployments have none, and the two take a millisecond.
var (
	domainNameForm    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(DomainNamePattern) })
	apiMappingKeyForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(APIMappingKeyPattern) })
)

// Valid reports whether d has the form of a domain name.
func (d DomainName) Valid() bool {
	return len(d) <= maxDomainNameBytes && domainNameForm().MatchString(string(d))
}

// Wildcard returns what follows the first label of a wildcard domain: .example.com of *.example.com.
func (d DomainName) Wildcard() (suffix string, ok bool) {
	rest, ok := strings.CutPrefix(string(d), domainWildcard)
	return "." + rest, ok
}

// ValidKey reports whether the mapping's key has the form of one.
func (m DomainMapping) ValidKey() bool {
	return len(m.APIMappingKey) <= maxAPIMappingKeyBytes && apiMappingKeyForm().MatchString(m.APIMappingKey)
}

// String returns the mapping as the address that it is: api.example.com/orders.
func (m DomainMapping) String() string {
	if m.APIMappingKey == "" {
		return string(m.DomainName)
	}
	return string(m.DomainName) + "/" + m.APIMappingKey
}
