package definition

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

const (
	// maxAPIID and apiIDPattern are the form of an apiId (DESIGN §4). It is the first segment of every path of the API
	// and a token of its subjects.
	maxAPIID     = 64
	apiIDPattern = `^[a-z0-9-]{1,64}$`
)

var apiIDForm = regexp.MustCompile(apiIDPattern)

// reservedAPIIDs are first path segments that belong to us: what the listeners answer themselves, and the roots of
// Amazon's management APIs (contract/control-plane.md), which SDKs call on the same address.
func reservedAPIIDs() []string {
	return []string{
		"livez", "healthz", "readyz", "metrics", "version", "debug", // health and measures
		"v1", "v2", "portal", "console", // our own management calls and pages, apigatewayv2
		// API Gateway's first API
		"account", "apikeys", "apis", "clientcertificates", "domainnameaccessassociations", "domainnames", "restapis",
		"sdktypes", "tags", "usageplans", "vpclinks",
	}
}

// checkAPIID returns what is wrong with an apiId and what would be right, or "".
func checkAPIID(id gateway.APIID) (message, hint string) {
	const form = "1–64 of a-z, 0-9 and '-'"
	switch {
	case !apiIDForm.MatchString(string(id)):
		if better := slug(string(id)); better != "" {
			return "is not of the form that an apiId has", form + ", such as " + string(better)
		}
		return "is not of the form that an apiId has", form
	case slices.Contains(reservedAPIIDs(), string(id)):
		return "is a path of the management API", "choose another, such as " + string(id) + "-api"
	}
	return "", ""
}

// slug makes an apiId of a name: lower case, everything but letters of ASCII and digits becomes '-', runs of them one.
// It is "" for a name that has none of those.
func slug(name string) gateway.APIID {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		} else {
			gap = true
		}
		if b.Len() >= maxAPIID {
			break
		}
	}
	id := b.String()
	return gateway.APIID(strings.TrimRight(id[:min(len(id), maxAPIID)], "-"))
}
