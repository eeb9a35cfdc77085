package proxy

import (
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// requestProtocol is what every event says, also for other versions of HTTP (contract/http-api.md §2.7).
const requestProtocol = "HTTP/1.1"

// decodedPath is the rawPath of 2.0 and the requestContext.path of 1.0: decoded in spite of its name, cut at a decoded
// '?', but left as it came when decoding would lose an escaped slash (contract/http-api.md §3.16, §3.17).
func decodedPath(escaped string) string {
	u, err := url.ParseRequestURI(escaped)
	if err != nil {
		return escaped
	}
	if u.RawPath != "" {
		return u.RawPath
	}
	path, _, _ := strings.Cut(u.Path, "?")
	return path
}

// resourcePath is the path of the route key, or the key itself when it has none (contract/http-api.md §6.3).
func resourcePath(key gateway.RouteKey) string {
	_, path, found := strings.Cut(string(key), " ")
	if !found {
		return string(key)
	}
	return path
}

func domainPrefix(c *event.Context) string {
	if c.DomainPrefix != "" {
		return c.DomainPrefix
	}
	prefix, _, _ := strings.Cut(c.DomainName, ".")
	return prefix
}
