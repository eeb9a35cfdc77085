package definition

import (
	"strings"

	"github.com/sallyport/sallyport/gateway"
)

// checkAPIID returns what is wrong with an apiId and what would be right, or "".
func checkAPIID(id gateway.APIID) (message, hint string) {
	const form = "1–64 of a-z, 0-9 and '-'"
	switch {
	case !id.Valid():
		if better := slug(string(id)); better != "" {
			return "is not of the form that an apiId has", form + ", such as " + string(better)
		}
		return "is not of the form that an apiId has", form
	case id.Reserved():
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
		if b.Len() >= gateway.MaxAPIIDLength {
			break
		}
	}
	id := b.String()
	return gateway.APIID(strings.TrimRight(id[:min(len(id), gateway.MaxAPIIDLength)], "-"))
}
