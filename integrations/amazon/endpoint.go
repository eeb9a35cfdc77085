package amazon

import (
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/integrations/backend"
)

// Endpoints says where services are, as the variables of the AWS SDKs do. Services that nothing is said of are
// Amazon's own.
type Endpoints struct {
	// All is AWS_ENDPOINT_URL; "" for none.
	All string
	// Of is AWS_ENDPOINT_URL_NAME by NAME, which comes before All. NAME is the SDKs' (EVENTBRIDGE) or that of the ARN
	// (EVENTS), in capitals, with underscores for hyphens.
	Of map[string]string
}

// base returns the beginning of an address' URL, without a slash at its end, and the Host header where that is another
// one than the URL's: a subdomain is told to a configured endpoint by its Host header alone, since an address such as
// 127.0.0.1 has no subdomains. The error names the variable of an endpoint that can't be called, and not its value.
func (e Endpoints) base(a address) (base, host string, err error) {
	configured, from := e.All, endpointVariable
	for _, name := range []string{a.name, a.known.id} { // the SDKs' name wins
		if own := e.Of[variable(name)]; own != "" {
			configured, from = own, endpointVariable+"_"+variable(name)
		}
	}
	if configured == "" {
		return "https://" + a.publicHost(), "", nil
	}
	u, err := backend.ParseURL(configured)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%s: %w", from, err)
	case u.RawQuery != "" || strings.ContainsAny(configured, "{}"):
		return "", "", fmt.Errorf("%s: an endpoint has no query and no braces", from)
	case a.subdomain != "":
		host = a.subdomain + "." + u.Host
	}
	return strings.TrimRight(configured, "/"), host, nil
}

const endpointVariable = "AWS_ENDPOINT_URL"

// variable is how a service's name ends a variable's.
func variable(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }
