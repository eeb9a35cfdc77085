package backend

import (
	"errors"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

const (
	// maxURI is Amazon's bound on an integration's URI (contract/http-api.md §7.1).
	maxURI = 2048
	// maxURL bounds the URL after expansion: a request's values and query make it longer than its template.
	maxURL = 16 << 10
)

// CheckURI reports what is wrong with the uri of an integration while its stage variables are still open. The faults'
// paths are relative to the integration. Braces that can't be read are left to router, which reports them for all kinds.
func CheckURI(uri string) []gateway.Fault {
	fault := func(problem, hint string) []gateway.Fault {
		return []gateway.Fault{{Path: []string{"uri"}, Problem: problem, Hint: hint}}
	}
	const form = "such as http://127.0.0.1:3000/messages"
	switch {
	case uri == "":
		return fault("uri is missing", form)
	case len(uri) > maxURI:
		return fault("uri is longer than 2048 characters", "shorten it")
	case strings.HasPrefix(uri, "arn:"):
		return fault("an ARN can't be called", "give the URL of the endpoint")
	}
	parsed, err := mapping.ParseURI(uri)
	if err != nil {
		return nil
	}
	variables := sampleVariables(uri, parsed)
	sample, err := parsed.Expand(variables, samples(parsed.PathParameters(), "1"))
	if err == nil {
		_, err = ParseURL(sample)
	}
	if err != nil {
		return fault(err.Error(), form)
	}
	// No host may contain a slash, so this expands exactly when no parameter stands in the host.
	if _, err = parsed.Expand(variables, samples(parsed.PathParameters(), "/")); err != nil {
		return fault("a path parameter stands in the host, so a client could choose it", "use a stage variable there")
	}
	return nil
}

// sampleVariables stands in for the stage: 1 also fits where a variable is a port, and a variable at the beginning holds
// the scheme too. Open sees the real values.
func sampleVariables(uri string, parsed *mapping.URI) map[string]string {
	names := parsed.StageVariables()
	variables := samples(names, "1")
	for _, name := range names {
		if strings.HasPrefix(uri, "${stageVariables."+name+"}") {
			variables[name] = "http://sample"
		}
	}
	return variables
}

func samples(names []string, value string) map[string]string {
	filled := make(map[string]string, len(names))
	for _, name := range names {
		filled[name] = value
	}
	return filled
}

// ParseURL parses an expanded uri. Its errors may be shown to anybody: they do not repeat the text.
func ParseURL(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, errors.New("the URL is too long")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("uri is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("uri does not begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("uri has no host")
	case u.User != nil:
		return nil, errors.New("uri holds a user or password, which logs would show: send it as a header")
	case u.Fragment != "":
		return nil, errors.New("uri has a fragment, which is never sent")
	case strings.Contains(u.RawQuery, " "):
		return nil, errors.New("uri has a space in its query, which would end the request line")
	}
	return u, nil
}

// Cause returns what an error of mapping.URI's Expand says to the owner of a definition; its public message is for
// clients.
func Cause(err error) string {
	if cause := errors.Unwrap(err); cause != nil {
		return cause.Error()
	}
	return err.Error()
}
