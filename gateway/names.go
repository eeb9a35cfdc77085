package gateway

// The forms of names as regular expressions, for whoever publishes them, such as the JSON Schema of definitions.
const (
	// APIIDPattern is the form of an APIID (DESIGN §4): it is the first segment of the API's paths and a token of its
	// subjects.
	APIIDPattern = `^[a-z0-9-]{1,64}$`
	// StageNamePattern is the form of a StageName (contract/http-api.md §2.3).
	StageNamePattern = `^(\$default|[A-Za-z0-9_-]{1,128})$`

	// MaxAPIIDLength is the most characters that APIIDPattern takes.
	MaxAPIIDLength = 64
)

// maxStageNameLength is the most characters that StageNamePattern takes.
const maxStageNameLength = 128

// Valid reports whether a has the form of an APIID, which is APIIDPattern. It may still be Reserved.
func (a APIID) Valid() bool {
	for i := range len(a) {
		if c := a[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return len(a) > 0 && len(a) <= MaxAPIIDLength
}

// Reserved reports whether a is a first path segment that belongs to the gateway: what its listeners answer themselves,
// and the roots of Amazon's management APIs (contract/control-plane.md), which SDKs call on the same address.
func (a APIID) Reserved() bool {
	switch a {
	case "livez", "healthz", "readyz", "metrics", "version", "debug", // health and measures
		"v1", "v2", "portal", "console", // our own management calls and pages, apigatewayv2
		// API Gateway's first API
		"account", "apikeys", "apis", "clientcertificates", "domainnameaccessassociations", "domainnames", "restapis",
		"sdktypes", "tags", "usageplans", "vpclinks":
		return true
	}
	return false
}

// Valid reports whether s has the form of a StageName, which is StageNamePattern.
func (s StageName) Valid() bool {
	return s == StageDefault || len(s) > 0 && len(s) <= maxStageNameLength && isBase64(string(s))
}
