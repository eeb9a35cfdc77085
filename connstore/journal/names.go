package journal

import (
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// names are the names of one deployment's stream, bucket and subjects.
type names struct {
	stream string
	bucket string
	// journals ends in a dot; an EdgeID follows. It contains the JetStream domain: if two domains took the same subjects,
	// one publish would be stored in both (nats-facts §10.3).
	journals string
	// leases ends in a dot; an EdgeID follows.
	leases string
	// leasePut is where leases are written to: through the API's prefix when another domain holds them (nats-facts §10.2).
	leasePut string
}

// noDomain stands in a subject for a JetStream without a domain, as "%" does for an empty token elsewhere (DESIGN §3.2).
const noDomain = "%"

// namesFor builds the names. domain is the one that answered, configured the one that must be addressed.
func namesFor(prefix, domain, configured string) names {
	n := names{
		stream: plain(prefix) + "-connections",
		bucket: plain(prefix) + "-leases",
	}
	token := noDomain
	if domain != "" {
		token = plain(domain)
	}
	n.journals = prefix + ".@journal." + token + "."
	n.leases = "$KV." + n.bucket + "."
	n.leasePut = n.leases
	if configured != "" {
		n.leasePut = "$JS." + configured + ".API." + n.leases
	}
	return n
}

// edge returns the incarnation whose journal subject is.
func (n *names) edge(subject string) (gateway.EdgeID, bool) {
	e := gateway.EdgeID(strings.TrimPrefix(subject, n.journals))
	return e, len(e) < len(subject) && e.Valid()
}

// plain escapes what names of streams and buckets do not take, so that different prefixes have different names.
func plain(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02X", c)
		}
	}
	return b.String()
}
