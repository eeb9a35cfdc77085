package router

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// anyOrigin allows every origin, as an empty list does.
const anyOrigin = "*"

// opaqueOrigin is what browsers send for pages without an address, such as local files (RFC 6454 §7.1).
const opaqueOrigin = "null"

// origins is the allow-list of WebSocket handshakes, normalized; nil allows all.
type origins map[string]struct{}

// newOrigins takes a checked list.
func newOrigins(list []string) origins {
	if len(list) == 0 {
		return nil
	}
	o := make(origins, len(list))
	for _, entry := range list {
		if entry == anyOrigin {
			return nil
		}
		if text, ok := normalOrigin(entry); ok {
			o[text] = struct{}{}
		}
	}
	return o
}

func (o origins) allow(origin string) bool {
	if o == nil || origin == "" {
		return true
	}
	text, ok := normalOrigin(origin)
	if !ok {
		return false
	}
	_, ok = o[text]
	return ok
}

// normalOrigin brings an origin to the one form in which two equal origins are the same text: lower case, without the
// scheme's own port (RFC 6454 §4).
func normalOrigin(s string) (string, bool) {
	if s == opaqueOrigin {
		return s, true
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return "", false
	}
	host := strings.ToLower(u.Host)
	switch {
	case u.Scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + host, true // url.Parse has lowered the scheme
}

func (c *check) checkOrigins() {
	for i, entry := range c.api.AllowOrigins {
		if entry == anyOrigin {
			continue
		}
		if _, ok := normalOrigin(entry); !ok {
			c.fault(at("allowOrigins", strconv.Itoa(i)), fmt.Sprintf("%q is not an origin", entry), "scheme://host or scheme://host:port without a path, or *")
		}
	}
}
