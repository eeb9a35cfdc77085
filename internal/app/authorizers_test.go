package app

import (
	"context"
	"testing"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/iam"
	"github.com/sallyport/sallyport/authorizers/jwt"
	"github.com/sallyport/sallyport/authorizers/keysets"
	"github.com/sallyport/sallyport/authorizers/request"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// TestAuthorizerTypes: every type that a definition may name is made, and nothing else.
func TestAuthorizerTypes(t *testing.T) {
	cache, err := keysets.NewCache(keysets.CacheConfig{Source: func(context.Context, keysets.Query) (*keysets.Set, error) {
		return nil, context.Canceled
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	maker := (&process{keys: &accesskeys.Store{}, keySets: cache}).authorizers(checkingOnly)
	config, err := routerConfig("sallyport", 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, right := range map[string]func(gateway.Authorizer) bool{
		"asked":               func(a gateway.Authorizer) bool { _, ok := a.(*request.Authorizer); return ok },
		"token":               func(a gateway.Authorizer) bool { _, ok := a.(*jwt.Authorizer); return ok },
		gateway.AuthorizerIAM: func(a gateway.Authorizer) bool { _, ok := a.(*iam.Authorizer); return ok },
	} {
		api := &gateway.API{
			APIID: "chat", Name: "Chat", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action",
			Authorizers: map[string]*gateway.AuthorizerSettings{
				"asked": {
					Type:        gateway.AuthorizerRequest,
					Integration: &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS}},
				},
				"token": {
					Type: gateway.AuthorizerJWT, IdentitySource: []string{"route.request.querystring.token"},
					JWTConfiguration: &gateway.JWTConfiguration{Issuer: "https://id.example.com", Audience: []string{"chat"}},
				},
			},
			Routes: map[gateway.RouteKey]*gateway.Route{gateway.RouteConnect: {Authorizer: name}},
			Stages: map[gateway.StageName]*gateway.Stage{"dev": {}},
		}
		program, faults := router.Compile(&gateway.Deployment{ID: "d-1", API: api, Stage: "dev"}, config)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", name, faults)
		}
		a, err := maker(program, program.Authorizer())
		if err != nil || !right(a) {
			t.Errorf("%s: made %T, %v", name, a, err)
		}
	}
}
