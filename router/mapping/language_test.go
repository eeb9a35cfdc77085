package mapping

import (
	"errors"
	"testing"
)

// What each selection expression of contract/websocket-api.md §3 may contain. Route, model and request template
// expressions share one language; that of response templates has the backend's answer beside it.
func TestSelectionLanguages(t *testing.T) {
	for _, test := range []struct {
		text           string
		body, response bool // taken by ParseExpression, by ParseResponseExpression
	}{
		{"literal", true, true},
		{`\$default`, true, true},
		{"$request.body.a", true, true},
		{"${request.body.a}-${request.body.b.c[0]}", true, true},
		{"$request.body.a[?(@.b=='c')].d", true, true},
		{"$integration.response.statuscode", false, true},
		{"${integration.response.statuscode}/$request.body..a", false, true},
		{"$integration.response.header.Content-Type", false, true},
		{"$integration.response.multivalueheader.X", false, true},
		{"$integration.response.body.errorMessage", false, false},
		{"$request.body", false, false},
		{"$request.header.x", false, false},
		{"$request.querystring.x", false, false},
		{"$context.connectionId", false, false},
		{"$stageVariables.x", false, false},
		{"$default", false, false},
		{"", false, false},
	} {
		_, bodyErr := ParseExpression(test.text)
		_, responseErr := ParseResponseExpression(test.text)
		for _, one := range []struct {
			name  string
			err   error
			takes bool
		}{{"ParseExpression", bodyErr, test.body}, {"ParseResponseExpression", responseErr, test.response}} {
			var syntax *SyntaxError
			if (one.err == nil) != one.takes || one.err != nil && !errors.As(one.err, &syntax) {
				t.Errorf("%s of %q: %v, taken should be %t", one.name, test.text, one.err, one.takes)
			}
		}
	}
}
