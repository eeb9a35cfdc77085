package router

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

// Authorizer is a compiled authorizer of a program. It never changes.
type Authorizer struct {
	name        string
	kind        gateway.AuthorizerType
	settings    *gateway.AuthorizerSettings
	sources     []*mapping.Source
	subject     string
	integration *gateway.Integration
	timeout     time.Duration
}

// Name returns the authorizer's name in the definition, or IAM.
func (a *Authorizer) Name() string { return a.name }

// Type returns REQUEST, JWT or gateway.AuthorizerTypeIAM.
func (a *Authorizer) Type() gateway.AuthorizerType { return a.kind }

// Settings returns the definition's words, nil for IAM. The caller must not change them.
func (a *Authorizer) Settings() *gateway.AuthorizerSettings { return a.settings }

// Subject returns the NATS subject of a REQUEST authorizer's events (DESIGN §3.8).
func (a *Authorizer) Subject() string { return a.subject }

// Integration returns what answers a REQUEST authorizer, nil for the other types. The caller must not change it.
func (a *Authorizer) Integration() *gateway.Integration { return a.integration }

// Native reports whether the authorizer is left to whoever subscribes to its subject.
func (a *Authorizer) Native() bool { return a.integration == nil || !a.integration.RunByWorker() }

// Timeout returns how long the authorizer may take.
func (a *Authorizer) Timeout() time.Duration { return a.timeout }

// Identity returns the values of the identity sources, in their order. For REQUEST all must be there and not empty, for JWT
// one; else the error has CodeUnauthorized, and the authorizer is not asked (contract/websocket-api.md §10.1).
func (a *Authorizer) Identity(ev *gateway.Event) ([]string, error) {
	var found []string
	for i, source := range a.sources {
		value := source.Value(ev)
		if value != "" {
			found = append(found, value)
		} else if a.kind == gateway.AuthorizerRequest {
			return nil, gateway.Errorf(gateway.CodeUnauthorized, "Unauthorized").
				Because(fmt.Errorf("authorizer %s: %s is missing", a.name, a.settings.IdentitySource[i]))
		}
	}
	if len(found) == 0 && a.kind == gateway.AuthorizerJWT {
		return nil, gateway.Errorf(gateway.CodeUnauthorized, "Unauthorized").
			Because(fmt.Errorf("authorizer %s: no identity source is there", a.name))
	}
	return found, nil
}

// IdentityParameters returns the names of the query parameters that are identity sources: what clients show themselves by,
// which is nothing to keep.
func (a *Authorizer) IdentityParameters() []string {
	var names []string
	for _, source := range a.sources {
		if source.Part() == mapping.PartQuery {
			names = append(names, source.Name())
		}
	}
	return names
}

// authorizerTypes are the integration types that can answer an authorizer.
var authorizerTypes = []gateway.IntegrationType{
	gateway.IntegrationLambda, gateway.IntegrationHTTPProxy, gateway.IntegrationNATS,
}

// checkAuthorizers reports what is wrong with the API's authorizers.
func (c *check) checkAuthorizers() {
	for _, name := range slices.Sorted(maps.Keys(c.api.Authorizers)) {
		where := at("authorizers", name)
		a := c.api.Authorizers[name]
		switch {
		case a == nil:
			c.fault(where, "the authorizer is empty", "give it a type")
			continue
		case name == "" || name == gateway.AuthorizerIAM || name == gateway.AuthorizerNone:
			c.fault(where, fmt.Sprintf("%q can't name an authorizer", name), "choose another name")
		}
		for i, text := range a.IdentitySource {
			c.checkIdentitySource(where.under("identitySource", strconv.Itoa(i)), text)
		}
		switch a.Type {
		case gateway.AuthorizerRequest:
			c.checkRequestAuthorizer(where, a)
		case gateway.AuthorizerJWT:
			c.checkJWTAuthorizer(where, a)
		default:
			c.fault(where.under("type"), fmt.Sprintf("unknown authorizer type %q", a.Type), "REQUEST or JWT")
		}
	}
}

// checkIdentitySource refuses what a client can't show itself by: who is asked for it gets a 401, however it tries, or, of a
// text, never one.
func (c *check) checkIdentitySource(where place, text string) {
	const hint = "route.request.header.NAME or route.request.querystring.NAME"
	source, err := mapping.ParseSource(text)
	if err != nil {
		c.fault(where, err.Error(), "")
		return
	}
	switch source.Part() {
	case mapping.PartConstant:
		c.fault(where, "a text tells nothing of the client", hint)
	case mapping.PartBody:
		c.fault(where, "a handshake has no body", hint)
	case mapping.PartPath:
		c.fault(where, "a handshake has no path parameters", hint)
	}
}

// checkAuthorizersUsed finds the API whose author forgot to name the authorizer where it is asked: everybody could connect.
func (c *check) checkAuthorizersUsed() {
	if c.api.Protocol != gateway.ProtocolWebSocket || len(c.api.Authorizers) == 0 {
		return
	}
	if r := c.api.Routes[gateway.RouteConnect]; r == nil || r.Authorizer == "" {
		c.fault(at("authorizers"), "$connect names none of them, so that everybody may connect",
			"authorizer: "+slices.Min(slices.Collect(maps.Keys(c.api.Authorizers)))+" at $connect, or authorizer: NONE if that is meant")
	}
}

func (c *check) checkRequestAuthorizer(where place, a *gateway.AuthorizerSettings) {
	if a.JWTConfiguration != nil {
		c.fault(where.under("jwtConfiguration"), "only JWT authorizers have it", "leave it out")
	}
	if a.Integration == nil {
		c.fault(where, "a REQUEST authorizer needs an integration", "{type: NATS} leaves it to whoever subscribes to its subject")
		return
	}
	in := c.integrationOf(a.Integration)
	where = where.under("integration")
	if in == nil {
		c.fault(where, fmt.Sprintf("no integration is named %q", a.Integration.Name), nearest(a.Integration.Name, maps.Keys(c.api.Integrations)))
		return
	}
	if a.Integration.Inline != nil {
		c.checkIntegration(where, in)
	}
	if !slices.Contains(authorizerTypes, in.Type) {
		c.fault(where, fmt.Sprintf("%s can't answer an authorizer", in.Type), "LAMBDA, HTTP_PROXY or NATS")
	}
	c.checkURI(where.under("uri"), gateway.RouteConnect, in)
}

func (c *check) checkJWTAuthorizer(where place, a *gateway.AuthorizerSettings) {
	if a.Integration != nil {
		c.fault(where.under("integration"), "only REQUEST authorizers have it", "leave it out")
	}
	if len(a.IdentitySource) == 0 {
		c.fault(where.under("identitySource"), "a JWT authorizer needs to know where the token is", "[route.request.querystring.token]")
	}
	if a.JWTConfiguration == nil {
		c.fault(where.under("jwtConfiguration"), "is missing", "{issuer: https://id.example.com, audience: [chat]}")
		return
	}
	where = where.under("jwtConfiguration")
	if u, err := url.Parse(a.JWTConfiguration.Issuer); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		c.fault(where.under("issuer"), "the issuer is no address", "https://id.example.com, exactly as the tokens' iss")
	}
	if len(a.JWTConfiguration.Audience) == 0 {
		c.fault(where.under("audience"), "no audience is accepted", "name at least one")
	}
}

// integrationOf returns what a reference means, or nil.
func (c *check) integrationOf(ref *gateway.IntegrationRef) *gateway.Integration {
	if ref.Inline != nil {
		return ref.Inline
	}
	return c.api.Integrations[ref.Name]
}

// checkRouteAuthorizer reports an authorizer that the API lacks, or where none can be.
func (c *check) checkRouteAuthorizer(key gateway.RouteKey, r *gateway.Route) {
	where := at("routes", string(key))
	known := r.Authorizer == "" || r.Authorizer == gateway.AuthorizerIAM || r.Authorizer == gateway.AuthorizerNone
	switch {
	case !known && c.api.Authorizers[r.Authorizer] == nil:
		c.fault(where.under("authorizer"), fmt.Sprintf("no authorizer is named %q", r.Authorizer), nearest(r.Authorizer, maps.Keys(c.api.Authorizers)))
	case key != gateway.RouteConnect && r.Authorizer != "" && r.Authorizer != gateway.AuthorizerNone:
		c.fault(where.under("authorizer"), "a connection is authorized once, at $connect", "put it there, and authorizationScopes here")
	}
	if key != gateway.RouteConnect && r.APIKeyRequired {
		c.fault(where.under("apiKeyRequired"), "API keys are asked for at $connect", "put it there")
	}
	if key == gateway.RouteConnect && r.APIKeyRequired && len(c.api.APIKeys) == 0 {
		c.fault(where.under("apiKeyRequired"), "there are no API keys, so that nobody may connect", "add apiKeys")
	}
	if len(r.AuthorizationScopes) == 0 {
		return
	}
	if a := c.connectAuthorizer(); a == nil || a.Type != gateway.AuthorizerJWT {
		c.fault(where.under("authorizationScopes"), "nobody has scopes: $connect has no JWT authorizer", "give it one")
	}
}

// connectAuthorizer returns the settings of $connect's authorizer, or nil.
func (c *check) connectAuthorizer() *gateway.AuthorizerSettings {
	if r := c.api.Routes[gateway.RouteConnect]; r != nil {
		return c.api.Authorizers[r.Authorizer]
	}
	return nil
}

// buildAuthorizer takes an authorizer that has passed the checks.
func (c *check) buildAuthorizer(p *Program, name string) *Authorizer {
	a := &Authorizer{name: name, timeout: p.limits.Integration}
	if name == gateway.AuthorizerIAM {
		a.kind = gateway.AuthorizerTypeIAM
		return a
	}
	a.settings = c.api.Authorizers[name]
	a.kind = a.settings.Type
	for _, text := range a.settings.IdentitySource {
		if source, err := mapping.ParseSource(text); err == nil {
			a.sources = append(a.sources, source)
		}
	}
	if c.config.AuthSubject != nil {
		a.subject = c.config.AuthSubject(p.api, p.stage, name)
	}
	if a.settings.Integration != nil {
		a.integration = c.integrationOf(a.settings.Integration)
		if a.integration.TimeoutInMillis > 0 {
			a.timeout = time.Duration(a.integration.TimeoutInMillis) * time.Millisecond
		}
	}
	return a
}
