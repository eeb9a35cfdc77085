package jwt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// seconds is a NumericDate (RFC 7519 §2), which may have a fraction.
type seconds float64

func (s seconds) time() time.Time {
	whole, part := math.Modf(float64(s))
	return time.Unix(int64(whole), int64(part*float64(time.Second)))
}

// claims are those that the library leaves to us, and all of them as they came.
type claims struct {
	NotBefore *seconds        `json:"nbf"`
	ClientID  string          `json:"client_id"`
	Scope     json.RawMessage `json:"scope"`
	Scp       json.RawMessage `json:"scp"`
	all       map[string]any
}

func readClaims(t *oidc.IDToken) (*claims, error) {
	var raw json.RawMessage
	if err := t.Claims(&raw); err != nil {
		return nil, err
	}
	c := &claims{}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // 1783700000 must not become 1.7837e+09
	return c, d.Decode(&c.all)
}

// scopes returns those of scope or else of scp, each a string with spaces or a list (contract/http-api.md §12.8). It is
// never nil: a token without scopes has none.
func (c *claims) scopes() []string {
	for _, raw := range []json.RawMessage{c.Scope, c.Scp} {
		var text string
		var list []string
		switch {
		case len(raw) == 0:
		case json.Unmarshal(raw, &text) == nil && text != "":
			return strings.Fields(text)
		case json.Unmarshal(raw, &list) == nil && len(list) > 0:
			return list
		}
	}
	return []string{}
}

// flat writes the authorizer context: each claim as a string, in the form that Amazon gives them
// (contract/http-api.md §12.12), and principalId, the subject. The token can't set principalId itself.
func (c *claims) flat(subject string) (json.RawMessage, error) {
	context := make(map[string]string, len(c.all)+1)
	for name, value := range c.all {
		if value != nil {
			context[name] = fmt.Sprint(value)
		}
	}
	delete(context, "principalId")
	if subject != "" {
		context["principalId"] = subject
	}
	return json.Marshal(context)
}
