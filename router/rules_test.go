package router

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// accessAPI is a WebSocket API on which everything of access is right.
func accessAPI(change func(*gateway.API)) *gateway.API {
	backend := &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS}}
	api := &gateway.API{
		APIID: "chat", Name: "Chat", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action",
		APIKeys: []*gateway.APIKey{{Name: "partner", Value: "secret"}},
		Models: map[string]*gateway.Model{
			"Message": {Schema: json.RawMessage(`{"type":"object","required":["text"]}`)},
			"Loud":    {Schema: json.RawMessage(`{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"text":{"const":"LOUD"}}}`)},
		},
		Authorizers: map[string]*gateway.AuthorizerSettings{
			"ask": {Type: gateway.AuthorizerRequest, IdentitySource: []string{"route.request.querystring.token", "route.request.header.X-Tenant"}, Integration: backend},
			"jwt": {
				Type: gateway.AuthorizerJWT, IdentitySource: []string{"route.request.querystring.token", "$request.header.Authorization"},
				JWTConfiguration: &gateway.JWTConfiguration{Issuer: "https://id.example.com", Audience: []string{"chat"}},
			},
		},
		Routes: map[gateway.RouteKey]*gateway.Route{
			gateway.RouteConnect: {
				Authorizer: "jwt", APIKeyRequired: true,
				RequestParameters: map[string]*gateway.RequestParameter{"route.request.querystring.room": {Required: true}, "route.request.header.X": {}},
			},
			gateway.RouteRefresh: {Integration: backend},
			"send": {
				Integration: backend, RequestModels: map[string]string{"$default": "Message", "loud": "Loud"},
				ModelSelectionExpression: "$request.body.kind", AuthorizationScopes: []string{"write"}, Throttle: &gateway.Throttle{RateLimit: 1, BurstLimit: 1},
			},
			"strict": {Integration: backend, RequestModels: map[string]string{"loud": "Loud"}, ModelSelectionExpression: "$request.body.kind"},
		},
		Stages: map[gateway.StageName]*gateway.Stage{"dev": {
			RouteSettings: map[gateway.RouteKey]*gateway.RouteSettings{"send": {Throttle: &gateway.Throttle{RateLimit: 5, BurstLimit: 6}}},
			AccessLog:     &gateway.AccessLogSettings{},
		}},
	}
	if change != nil {
		change(api)
	}
	return api
}

func accessProgram(t *testing.T, change func(*gateway.API)) *Program {
	t.Helper()
	p, faults := Compile(&gateway.Deployment{ID: "d1", API: accessAPI(change), Stage: "dev"}, Config{
		AuthSubject: func(a gateway.APIID, s gateway.StageName, name string) string { return "auth." + name },
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}

// The rows of contract/websocket-api.md §8.3.
func TestModels(t *testing.T) {
	p := accessProgram(t, nil)
	for _, c := range []struct {
		route      gateway.RouteKey
		body, says string // what the cause contains; "" when the message is taken
	}{
		{"send", `{"text":"hi"}`, ""},
		{"send", `{}`, "text"},
		{"send", `{"kind":"loud","text":"hi"}`, "LOUD"},
		{"send", `{"kind":"loud","text":"LOUD"}`, ""},
		{"send", `{"kind":"other","text":"hi"}`, ""}, // no such model: $default's
		{"send", `not JSON`, "not JSON"},
		{"strict", `{"kind":"other"}`, `no model for "other"`},
		{gateway.RouteRefresh, `not JSON`, ""}, // no models, no validation
	} {
		err := p.Route(c.route).Validate([]byte(c.body))
		switch {
		case c.says == "":
			if err != nil {
				t.Errorf("%s %s: %v", c.route, c.body, err)
			}
		case gateway.ErrorCode(err) != gateway.CodeBadRequest || !strings.Contains(errors.Unwrap(err).Error(), c.says):
			t.Errorf("%s %s: %v, want one that says %q", c.route, c.body, err, c.says)
		}
	}
}

func connectEvent(context string, header gateway.Header) *gateway.Event {
	return &gateway.Event{Kind: gateway.EventConnect, Context: []byte(context), Header: header}
}

// contract/websocket-api.md §10.1: all sources of a REQUEST authorizer must be there, of a JWT one any.
func TestIdentitySources(t *testing.T) {
	const token = `{"multiValueQueryStringParameters":{"token":["a","b"],"empty":[""]}}`
	ask := accessProgram(t, func(a *gateway.API) {
		a.Routes[gateway.RouteConnect].Authorizer = "ask"
		delete(a.Routes, gateway.RouteRefresh)
		a.Routes["send"].AuthorizationScopes = nil
	}).Authorizer()
	jwt := accessProgram(t, nil).Authorizer()
	for _, c := range []struct {
		a       *Authorizer
		context string
		header  gateway.Header
		want    []string // nil: CodeUnauthorized
	}{
		{ask, token, gateway.Header{"x-tenant": {"acme"}}, []string{"b", "acme"}},
		{ask, token, nil, nil},
		{ask, token, gateway.Header{"X-Tenant": {""}}, nil},
		{jwt, token, nil, []string{"b"}},
		{jwt, `{}`, gateway.Header{"Authorization": {"Bearer x"}}, []string{"Bearer x"}},
		{jwt, `{}`, nil, nil},
	} {
		got, err := c.a.Identity(connectEvent(c.context, c.header))
		if c.want == nil && gateway.ErrorCode(err) == gateway.CodeUnauthorized {
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s with %s and %v: %v, %v, want %v", c.a.Name(), c.context, c.header, got, err, c.want)
		}
	}
	if ask.Subject() != "auth.ask" || !ask.Native() {
		t.Errorf("the authorizer has the subject %q, native %t", ask.Subject(), ask.Native())
	}
}

func TestAccessOfAProgram(t *testing.T) {
	p := accessProgram(t, nil)
	if key, ok := p.APIKey("secret"); !ok || key.Name != "partner" {
		t.Errorf("APIKey: %v %t", key, ok)
	}
	for _, wrong := range []string{"", "secre", "secret2"} {
		if _, ok := p.APIKey(wrong); ok {
			t.Errorf("the key %q is taken", wrong)
		}
	}
	rules := p.ConnectRules() // $connect has no integration, and rules all the same
	if p.Connect() != nil || !rules.APIKeyRequired() {
		t.Errorf("$connect: route %v, key required %t", p.Connect(), rules.APIKeyRequired())
	}
	if err := rules.CheckParameters(connectEvent(`{"multiValueQueryStringParameters":{"room":["1"]}}`, nil)); err != nil {
		t.Error(err)
	}
	if err := rules.CheckParameters(connectEvent(`{}`, nil)); gateway.ErrorCode(err) != gateway.CodeBadRequest {
		t.Errorf("without the parameter: %v", err)
	}
	if got := p.Route("send").Throttle(); got == nil || got.BurstLimit != 6 {
		t.Errorf("the stage's throttle does not come first: %v", got)
	}
	if r, err := p.Message([]byte(`{"action":"$refresh"}`)); err != nil || !p.IsRefresh(r) {
		t.Errorf("$refresh goes to %v, %v", r, err)
	}
	if p.AccessLog() == nil || p.AccessLog().Destination != "stdout" {
		t.Errorf("the access log is %v", p.AccessLog())
	}
}

func TestAccessFaults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*gateway.API)
		want   string
	}{
		"unknown authorizer":    {func(a *gateway.API) { a.Routes[gateway.RouteConnect].Authorizer = "jtw" }, `routes.$connect.authorizer: no authorizer is named "jtw" (did you mean "jwt"?)`},
		"on a message route":    {func(a *gateway.API) { a.Routes["send"].Authorizer = "jwt" }, "routes.send.authorizer: a connection is authorized once, at $connect"},
		"unknown model":         {func(a *gateway.API) { a.Routes["send"].RequestModels["x"] = "Mesage" }, `routes.send.requestModels.x: no model is named "Mesage"`},
		"faulty schema":         {func(a *gateway.API) { a.Models["Loud"].Schema = json.RawMessage(`{"type":7}`) }, "models.Loud.schema: no valid JSON Schema"},
		"schema that leads out": {func(a *gateway.API) { a.Models["Loud"].Schema = json.RawMessage(`{"$ref":"file:///etc/passwd"}`) }, "models.Loud.schema: no valid JSON Schema"},
		"no issuer":             {func(a *gateway.API) { a.Authorizers["jwt"].JWTConfiguration.Issuer = "id" }, "authorizers.jwt.jwtConfiguration.issuer: the issuer is no address"},
		"no integration":        {func(a *gateway.API) { a.Authorizers["ask"].Integration = nil }, "authorizers.ask: a REQUEST authorizer needs an integration"},
		"faulty source":         {func(a *gateway.API) { a.Authorizers["ask"].IdentitySource[0] = "token" }, "authorizers.ask.identitySource.0:"},
		"scopes without JWT":    {func(a *gateway.API) { a.Routes[gateway.RouteConnect].Authorizer = "IAM" }, "routes.send.authorizationScopes: nobody has scopes"},
		"$refresh without JWT":  {func(a *gateway.API) { a.Routes[gateway.RouteConnect].Authorizer = "" }, "routes.$refresh: there is no token to renew"},
		"throttle of nothing":   {func(a *gateway.API) { a.Routes["send"].Throttle.RateLimit = 0 }, "routes.send.throttle.rateLimit: the rate lets nothing pass"},
		"settings of no route":  {func(a *gateway.API) { a.Stages["dev"].RouteSettings["sent"] = &gateway.RouteSettings{} }, `stages.dev.routeSettings.sent: there is no route "sent"`},
		"two keys, one value": {func(a *gateway.API) {
			a.APIKeys = append(a.APIKeys, &gateway.APIKey{Name: "b", Value: "secret"})
		}, "apiKeys.1.value: another key has the same value"},
		"keys required, none there": {func(a *gateway.API) { a.APIKeys = nil }, "routes.$connect.apiKeyRequired: there are no API keys"},
		"key of no authorizer": {func(a *gateway.API) {
			a.APIKeySelectionExpression = gateway.APIKeyAuthorizerExpression
		}, "apiKeySelectionExpression: nobody names a key: $connect has no REQUEST authorizer"},
		"constant source": {func(a *gateway.API) { a.Authorizers["ask"].IdentitySource[0] = "'x'" }, "authorizers.ask.identitySource.0: a text tells nothing of the client"},
		"source in a body": {func(a *gateway.API) {
			a.Authorizers["jwt"].IdentitySource[1] = "$request.body.token"
		}, "authorizers.jwt.identitySource.1: a handshake has no body"},
		"source in a path": {func(a *gateway.API) {
			a.Authorizers["ask"].IdentitySource[0] = "route.request.path.id"
		}, "authorizers.ask.identitySource.0: a handshake has no path parameters"},
		"forgotten authorizer": {func(a *gateway.API) {
			a.Routes[gateway.RouteConnect].Authorizer = ""
		}, "authorizers: $connect names none of them, so that everybody may connect (authorizer: ask at $connect, or authorizer: NONE"},
		"authorizers without $connect": {func(a *gateway.API) { delete(a.Routes, gateway.RouteConnect) }, "authorizers: $connect names none of them"},
		"variable of no log": {func(a *gateway.API) {
			a.Stages["dev"].AccessLog.Format = "$context.requestId $context.routKey"
		}, "stages.dev.accessLog.format: there is no variable $context.routKey"},
		"access log": {func(a *gateway.API) { a.Stages["dev"].AccessLog.Format = "x" }, "stages.dev.accessLog.format: the format needs"},
	} {
		faults := Check(accessAPI(c.change), Config{})
		if !slices.ContainsFunc(faults, func(f gateway.Fault) bool { return strings.HasPrefix(f.String(), c.want) }) {
			t.Errorf("%s: got %v, want %s", name, faults, c.want)
		}
	}
}

// What does nothing on an HTTP API is refused there (decision 0005).
func TestHTTPAPIsHaveNoAccessYet(t *testing.T) {
	api := accessAPI(func(a *gateway.API) { a.Protocol, a.RouteSelectionExpression = gateway.ProtocolHTTP, "" })
	var places []string
	for _, f := range Check(api, Config{}) {
		if f.Problem == "only WebSocket APIs have it" {
			places = append(places, f.At())
		}
	}
	for _, want := range []string{
		"apiKeys", "authorizers", "models", "routes.$connect.authorizer", "routes.send.requestModels", "routes.send.throttle",
		"stages.dev.routeSettings", "stages.dev.accessLog",
	} {
		if !slices.Contains(places, want) {
			t.Errorf("%s is taken; refused are %v", want, places)
		}
	}
}
