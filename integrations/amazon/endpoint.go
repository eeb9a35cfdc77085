package amazon

import (
	"fmt"
	"net/url"
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

// check refuses endpoints that can't be called. Its error names the variable and not its value.
func (e Endpoints) check() error {
	if e.All != "" {
		if _, err := parseEndpoint(e.All); err != nil {
			return fmt.Errorf("AWS_ENDPOINT_URL: %w", err)
		}
	}
	for name, value := range e.Of {
		if _, err := parseEndpoint(value); err != nil {
			return fmt.Errorf("AWS_ENDPOINT_URL_%s: %w", name, err)
		}
	}
	return nil
}

func parseEndpoint(s string) (*url.URL, error) {
	u, err := backend.ParseURL(s)
	if err == nil && (u.RawQuery != "" || strings.ContainsAny(s, "{}")) {
		err = fmt.Errorf("an endpoint has no query and no braces")
	}
	return u, err
}

// base returns the beginning of an address' URL, without a slash at its end, and the Host header where that is another
// one than the URL's: a subdomain is told to a configured endpoint by its Host header alone, since an address such as
// 127.0.0.1 has no subdomains.
func (e Endpoints) base(a address) (base, host string) {
	configured := e.All
	for _, name := range []string{a.name, a.known.id} { // the SDKs' name wins
		if own := e.Of[variable(name)]; own != "" {
			configured = own
		}
	}
	if configured == "" {
		return "https://" + a.publicHost(), ""
	}
	if u, err := parseEndpoint(configured); err == nil && a.subdomain != "" { // New has checked it
		host = a.subdomain + "." + u.Host
	}
	return strings.TrimRight(configured, "/"), host
}

// variable is how a service's name ends a variable's.
func variable(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }
