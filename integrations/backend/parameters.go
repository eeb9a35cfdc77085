package backend

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

const memberParameters = "requestParameters"

// CheckParameters reports path targets that the uri has no place for, and headers that would break the framing of the
// request. What router can't read it reports itself.
func CheckParameters(uri string, parameters map[string]string) []gateway.Fault {
	var faults []gateway.Fault
	if parsed, err := mapping.ParseURI(uri); err == nil {
		known := parsed.PathParameters()
		targets, _ := mapping.ParseParameters(parameters)
		for _, name := range targets.PathNames() {
			if !slices.Contains(known, name) {
				faults = append(faults, gateway.Fault{
					Path: []string{memberParameters, mapping.PathTarget + name}, Problem: "the uri has no {" + name + "}",
					Hint: "write {" + name + "} where the value belongs",
				})
			}
		}
	}
	for _, target := range slices.Sorted(maps.Keys(parameters)) {
		name, isHeader := strings.CutPrefix(target, mapping.HeaderTarget)
		if isHeader && Reserved(http.CanonicalHeaderKey(name)) {
			faults = append(faults, gateway.Fault{
				Path: []string{memberParameters, target}, Problem: "this header belongs to the connection and can't be set",
				Hint: "choose another name",
			})
		}
	}
	return faults
}

// Reserved reports whether a header belongs to one connection only (contract/http-api.md §7.8) or to its framing, which
// net/http does: bodies are buffered and sent with a length (§7.12). name is canonical.
func Reserved(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Te", "Trailer", "Trailers", "Transfer-Encoding", "Upgrade", "Content-Length",
		"Expect":
		return true
	}
	return strings.HasPrefix(name, "Proxy-")
}

// Token reports whether s is a token of RFC 9110 §5.6.2, such as a header's name.
func Token(s string) bool {
	for i := range len(s) {
		c := s[i]
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
