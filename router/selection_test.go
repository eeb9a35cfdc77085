package router

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/definition"
)

// foreignVariables are those of other places than messages, in the form in which they are written there.
var foreignVariables = []string{
	"$request.header.x", "${request.querystring.x}", "$context.connectionId", "$stageVariables.x", "$integration.response.statuscode",
	"$request.basepath", "$request.body", "$input.body",
}

// refuses reports unless Check finds a fault at path after change.
func refuses(t *testing.T, path string, change func(*gateway.API)) {
	t.Helper()
	faults := Check(accessAPI(change), Config{})
	if !slices.ContainsFunc(faults, func(f gateway.Fault) bool { return strings.Join(f.Path, ".") == path }) {
		t.Errorf("no fault at %s: %v", path, faultLines(faults))
	}
}

// The rows of the table in contract/websocket-api.md §3 that a program decides, in its order. Those of templates are
// mapping.TestSelectionLanguages and the tests of integrations/transform.
func TestSelectionExpressionTable(t *testing.T) {
	t.Run("Api.RouteSelectionExpression", func(t *testing.T) {
		tests := []struct {
			expression, body string
			want             gateway.RouteKey // "-" for the Forbidden frame
			wantBare         gateway.RouteKey // of an API without $default
		}{
			{"$request.body.action", `{"action":"join"}`, "join", "join"},
			{"$request.body.data['the action']", `{"data":{"the action":"join"}}`, "join", "join"},
			{"$request.body.ops[?(@.run == true)].name", `{"ops":[{"name":"x","run":false},{"name":"y","run":true}]}`, "[y]", "[y]"},
			{"$request.body..op", `{"a":{"op":"x"},"b":[{"op":"y"}]}`, "[x, y]", "[x, y]"},
			{"$request.body.ops[(@.length-1)]", `{"ops":["leave","join"]}`, "join", "join"},
			{"${request.body.service}/$request.body.ops[0:1]", `{"service":"chat","ops":["join"]}`, "chat/[join]", "chat/[join]"},
			{"join", `{"action":"other"}`, "join", "join"},
			{`\$default`, `{"action":"join"}`, "$default", "-"},
			{"$request.body.action", `{"action":"other"}`, "$default", "-"},
			{"$request.body..op", `{"op":1,"a":{"op":2}}`, "$default", "-"},
			{"$request.body..op", `{"action":"join"}`, "$default", "-"},
			{"$request.body..op", `no JSON`, "$default", "-"},
			{"$request.body.ops[(@.length-1)]", `{"ops":["$connect"]}`, "$default", "-"},
			{"$request.body.ops[(@.length-1)]", `{"ops":["$disconnect"]}`, "$default", "-"},
		}
		keys := []gateway.RouteKey{"$connect", "$disconnect", "join", "[y]", "[x, y]", "chat/[join]"}
		for _, test := range tests {
			full, bare := websocketAPI(append(keys, "$default")...), websocketAPI(keys...)
			full.RouteSelectionExpression, bare.RouteSelectionExpression = test.expression, test.expression
			for _, one := range []struct {
				api  *gateway.API
				want gateway.RouteKey
			}{{full, test.want}, {bare, test.wantBare}} {
				r, err := mustCompile(t, one.api, "dev").Message([]byte(test.body))
				if keyOf(r) != one.want || (r == nil) != (gateway.ErrorCode(err) == gateway.CodeForbidden) {
					t.Errorf("%s over %s: %q, %v; want %q", test.expression, test.body, keyOf(r), err, one.want)
				}
			}
		}
		for _, text := range append([]string{"", "$request.body.a[?(@.b ==)]"}, foreignVariables...) {
			refuses(t, "routeSelectionExpression", func(a *gateway.API) { a.RouteSelectionExpression = text })
		}
	})

	t.Run("Route.ModelSelectionExpression", func(t *testing.T) {
		for _, test := range []struct {
			expression, body string
			withDefault      bool // a model under $default, which wants a text; that under loud wants a LOUD one
			valid            bool
		}{
			{"$request.body.kind", `{"kind":"loud","text":"LOUD"}`, true, true},
			{"$request.body.kind", `{"kind":"loud","text":"low"}`, true, false},
			{"$request.body.parts[?(@.text)].kind", `{"parts":[{"text":1,"kind":"x"}],"text":"low"}`, true, true},
			{"$request.body.parts[(@.length-1)].kind", `{"parts":[{"kind":"loud"}],"text":"low"}`, true, false},
			{"loud", `{"text":"low"}`, true, false},
			{`\$default`, `{"kind":"loud","text":"low"}`, true, true},
			{"$request.body.kind", `{"kind":"other","text":"low"}`, true, true}, // $default's
			{"$request.body.kind", `{"kind":"other"}`, true, false},
			{"$request.body.kind", `{"kind":"loud","text":"LOUD"}`, false, true},
			{"$request.body.kind", `{"kind":"other","text":"low"}`, false, false}, // no model at all
			{"$request.body..kind", `{"text":"low"}`, false, false},
			{"$request.body.kind", `no JSON`, true, false},
		} {
			p := accessProgram(t, func(a *gateway.API) {
				a.Routes["send"].ModelSelectionExpression = test.expression
				if !test.withDefault {
					delete(a.Routes["send"].RequestModels, "$default")
				}
			})
			if err := p.Route("send").Validate([]byte(test.body)); (err == nil) != test.valid || err != nil && gateway.ErrorCode(err) != gateway.CodeBadRequest {
				t.Errorf("%s over %s, with $default %t: %v", test.expression, test.body, test.withDefault, err)
			}
		}
		const where = "routes.send.modelSelectionExpression"
		for _, text := range foreignVariables {
			refuses(t, where, func(a *gateway.API) { a.Routes["send"].ModelSelectionExpression = text })
		}
		refuses(t, where, func(a *gateway.API) { a.Routes["send"].RequestModels = nil })
	})

	t.Run("Route.RouteResponseSelectionExpression", func(t *testing.T) { // $default is routeResponse: true, none is false
		api := websocketAPI("oneway", "twoway")
		api.Routes["twoway"].RouteResponse = true
		p := mustCompile(t, api, "dev")
		if p.Route("oneway").TwoWay() || !p.Route("twoway").TwoWay() {
			t.Errorf("oneway %t, twoway %t", p.Route("oneway").TwoWay(), p.Route("twoway").TwoWay())
		}
		for _, key := range []gateway.RouteKey{gateway.RouteConnect, gateway.RouteDisconnect} {
			refuses(t, "routes."+string(key)+".routeResponse", func(a *gateway.API) {
				a.Routes[key] = &gateway.Route{Integration: nativeRef(), RouteResponse: true}
			})
		}
	})

	t.Run("Api.ApiKeySelectionExpression", func(t *testing.T) {
		for expression, fromAuthorizer := range map[string]bool{"": false, "$request.header.x-api-key": false, "$context.authorizer.usageIdentifierKey": true} {
			p := accessProgram(t, func(a *gateway.API) {
				a.APIKeySelectionExpression = expression
				if fromAuthorizer { // one that names keys
					a.Routes[gateway.RouteConnect].Authorizer = "ask"
					delete(a.Routes, gateway.RouteRefresh)
					a.Routes["send"].AuthorizationScopes = nil
				}
			})
			if got := p.APIKeyFromAuthorizer(); got != fromAuthorizer {
				t.Errorf("%s: from the authorizer %t, want %t", expression, got, fromAuthorizer)
			}
		}
		for _, text := range []string{"x-api-key", "$request.header.authorization", "$request.body.key", "$context.authorizer.key", `\$default`} {
			refuses(t, "apiKeySelectionExpression", func(a *gateway.API) { a.APIKeySelectionExpression = text })
		}
	})

	// What Amazon fixes, or does not support, is no member of a definition: a document that sets it is refused.
	for row, c := range map[string]struct{ document, member string }{
		"Integration.IntegrationResponseSelectionExpression": {
			`routes: {a: {integration: {type: HTTP, uri: "http://b", integrationResponseSelectionExpression: x}}}`, "integrationResponseSelectionExpression",
		},
		"Route.RouteResponseSelectionExpression, a text": {`routes: {a: {routeResponse: $request.body.x, integration: {type: NATS}}}`, "routeResponse"},
		"DomainName.ApiMappingSelectionExpression": {
			"stages: {dev: {domains: [{domainName: a.example.com, apiMappingSelectionExpression: $request.header.host}]}}\nroutes: {a: {integration: {type: NATS}}}",
			"apiMappingSelectionExpression",
		},
		"RouteResponse.ModelSelectionExpression": {`routes: {a: {routeResponse: {modelSelectionExpression: x}, integration: {type: NATS}}}`, "routeResponse"},
	} {
		t.Run(row, func(t *testing.T) {
			text := "name: a\nprotocolType: WEBSOCKET\nrouteSelectionExpression: $request.body.action\n" + c.document
			_, problems := definition.Load("a.yaml", []byte(text))
			if len(problems) != 1 || !slices.Contains(problems[0].Path, c.member) {
				t.Errorf("want one problem of %s, got %v", c.member, problems)
			}
		})
	}
}
