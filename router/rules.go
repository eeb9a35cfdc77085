package router

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

// Rules is what a route asks of a client before its integration is run. It never changes. The order in which an edge holds a
// client to them stands in edge/access.go.
type Rules struct {
	scopes     []string
	throttle   *gateway.Throttle
	apiKey     bool
	validator  *validator
	parameters []requiredParameter
}

// requiredParameter is a declared parameter without which a request is refused.
type requiredParameter struct {
	name   string
	source *mapping.Source
}

// Scopes returns the scopes of which the client needs one; none means that it needs none.
func (r *Rules) Scopes() []string { return r.scopes }

// Throttle returns the bucket of the route: the stage's routeSettings, else the route's own; nil for none.
func (r *Rules) Throttle() *gateway.Throttle { return r.throttle }

// APIKeyRequired reports whether the route asks for one of the API's keys.
func (r *Rules) APIKeyRequired() bool { return r.apiKey }

// HasModels reports whether Validate has anything to do.
func (r *Rules) HasModels() bool { return r.validator != nil }

// Validate holds a message to the route's models. The error has CodeBadRequest; its cause says what is wrong, for the log
// (contract/websocket-api.md §8.3). It may take a hundred times the message's size of memory while it runs, so that callers
// bound how many run at once. CodeInternal is a fault of the validator itself.
func (r *Rules) Validate(body []byte) error { return r.validator.validate(body) }

// HasParameters reports whether CheckParameters has anything to look for.
func (r *Rules) HasParameters() bool { return len(r.parameters) > 0 }

// CheckParameters reports a required parameter that the event lacks. The error has CodeBadRequest.
func (r *Rules) CheckParameters(ev *gateway.Event) error {
	for _, p := range r.parameters {
		if p.source.Value(ev) == "" {
			return gateway.Errorf(gateway.CodeBadRequest, "Bad Request").Because(errors.New("missing " + p.name))
		}
	}
	return nil
}

// access is what a program knows of access beyond its routes.
type access struct {
	throttle           *gateway.Throttle
	connect            Rules // of $connect, also where no integration runs it
	authorizer         *Authorizer
	requestAuthorizers []*Authorizer
	keys               map[[sha256.Size]byte]*gateway.APIKey
	keyFromAuth        bool
	hold               gateway.PostDuringConnect
	keeps              []gateway.HandshakePart
	accessLog          *accesslog.Log
}

// Throttle returns the bucket of all events of the stage together, nil for none.
func (p *Program) Throttle() *gateway.Throttle { return p.access.throttle }

// ConnectThrottle returns the bucket of handshakes, nil for none.
func (p *Program) ConnectThrottle() *gateway.Throttle { return p.access.connect.throttle }

// ConnectRules returns what $connect asks of a client, also where no integration runs that route.
func (p *Program) ConnectRules() *Rules { return &p.access.connect }

// PostDuringConnect returns what happens to callbacks while $connect is under way.
func (p *Program) PostDuringConnect() gateway.PostDuringConnect { return p.access.hold }

// Keeps reports whether later events of a connection carry that part of its handshake.
func (p *Program) Keeps(part gateway.HandshakePart) bool {
	return slices.Contains(p.access.keeps, part)
}

// AccessLog returns the stage's access log, nil for none.
func (p *Program) AccessLog() *accesslog.Log { return p.access.accessLog }

// Authorizer returns the authorizer of $connect, nil when everybody may connect.
func (p *Program) Authorizer() *Authorizer { return p.access.authorizer }

// RequestAuthorizers returns the REQUEST authorizers of the API, whether $connect uses them or not, for those who answer them.
// The caller must not change the slice.
func (p *Program) RequestAuthorizers() []*Authorizer { return p.access.requestAuthorizers }

// APIKey returns the key with that value. It is looked up by its digest, so the time that it takes tells nothing of how near
// a wrong value is.
func (p *Program) APIKey(value string) (*gateway.APIKey, bool) {
	key, ok := p.access.keys[sha256.Sum256([]byte(value))]
	return key, ok
}

// HasAPIKey reports whether a key has that name.
func (p *Program) HasAPIKey(name string) bool {
	for _, key := range p.access.keys {
		if key.Name == name {
			return true
		}
	}
	return false
}

// APIKeyFromAuthorizer reports whether the authorizer names the key instead of the client's header.
func (p *Program) APIKeyFromAuthorizer() bool { return p.access.keyFromAuth }

// IsRefresh reports whether r is the route by which a client renews its token.
func (p *Program) IsRefresh(r *Route) bool { return r.key == gateway.RouteRefresh }

// checkAccess reports faults in everything of this file.
func (c *check) checkAccess() {
	c.checkModels()
	c.checkAuthorizers()
	c.checkAuthorizersUsed()
	c.checkKeys()
	for _, part := range c.api.KeepHandshake {
		if part != gateway.HandshakeHeaders && part != gateway.HandshakeQuery {
			c.fault(at("keepHandshake"), fmt.Sprintf("unknown part %q", part), "headers, query")
		}
	}
	for _, key := range c.routeKeys() {
		r := c.api.Routes[key]
		if r == nil {
			continue
		}
		c.checkRouteModels(key, r)
		c.checkRouteAuthorizer(key, r)
		c.checkThrottle(at("routes", string(key), "throttle"), r.Throttle)
		c.checkParameters(key, r)
	}
	for _, name := range slices.Sorted(maps.Keys(c.api.Stages)) {
		c.checkStageRules(at("stages", string(name)), c.api.Stages[name])
	}
}

func (c *check) checkStageRules(where place, s *gateway.Stage) {
	if s == nil {
		return
	}
	c.checkThrottle(where.under("throttle"), s.Throttle)
	for _, key := range slices.Sorted(maps.Keys(s.RouteSettings)) {
		under := where.under("routeSettings", string(key))
		if _, known := c.api.Routes[key]; !known && key != gateway.RouteConnect {
			c.fault(under, fmt.Sprintf("there is no route %q", key), nearest(string(key), maps.Keys(c.api.Routes)))
		}
		if settings := s.RouteSettings[key]; settings != nil {
			c.checkThrottle(under.under("throttle"), settings.Throttle)
		}
	}
	if s.AccessLog != nil {
		if _, err := accesslog.Parse(s.AccessLog.Format); err != nil {
			c.fault(where.under("accessLog", "format"), err.Error(), "json, clf or a text with $context variables")
		}
	}
}

func (c *check) checkThrottle(where place, t *gateway.Throttle) {
	if t == nil {
		return
	}
	if t.RateLimit <= 0 {
		c.fault(where.under("rateLimit"), "the rate lets nothing pass", "events a second, more than 0")
	}
	if t.BurstLimit < 1 {
		c.fault(where.under("burstLimit"), "the burst lets nothing pass", "events at once, at least 1")
	}
}

func (c *check) checkKeys() {
	switch c.api.APIKeySelectionExpression {
	case "", gateway.APIKeyHeaderExpression:
	case gateway.APIKeyAuthorizerExpression:
		if a := c.connectAuthorizer(); a == nil || a.Type != gateway.AuthorizerRequest {
			c.fault(at("apiKeySelectionExpression"), "nobody names a key: $connect has no REQUEST authorizer", "give it one, or take "+gateway.APIKeyHeaderExpression)
		}
	default:
		c.fault(at("apiKeySelectionExpression"), "unknown expression", gateway.APIKeyHeaderExpression+" or "+gateway.APIKeyAuthorizerExpression)
	}
	names, values := map[string]bool{}, map[string]bool{}
	for i, key := range c.api.APIKeys {
		where := at("apiKeys", strconv.Itoa(i))
		switch {
		case key == nil || key.Name == "" || key.Value == "":
			c.fault(where, "a key needs a name and a value", "")
			continue
		case names[key.Name]:
			c.fault(where.under("name"), fmt.Sprintf("two keys are named %q", key.Name), "rename one")
		case values[key.Value]:
			c.fault(where.under("value"), "another key has the same value", "each client needs its own")
		}
		names[key.Name], values[key.Value] = true, true
		c.checkThrottle(where.under("throttle"), key.Throttle)
	}
}

// checkParameters: only $connect has parameters (contract/websocket-api.md §8.1).
func (c *check) checkParameters(key gateway.RouteKey, r *gateway.Route) {
	for _, name := range slices.Sorted(maps.Keys(r.RequestParameters)) {
		where := at("routes", string(key), "requestParameters", name)
		if _, err := mapping.ParseSource(name); err != nil {
			c.fault(where, err.Error(), "")
		}
		if p := r.RequestParameters[name]; p != nil && p.Required && key != gateway.RouteConnect {
			c.fault(where, "a message has no parameters that could be required", "use a model")
		}
	}
}

// buildRules takes a route that has passed the checks.
func (c *check) buildRules(p *Program, key gateway.RouteKey, r *gateway.Route) Rules {
	out := Rules{throttle: stageThrottle(c.api, p.stage, key)}
	if r == nil {
		return out
	}
	if out.throttle == nil {
		out.throttle = r.Throttle
	}
	out.scopes, out.apiKey, out.validator = r.AuthorizationScopes, r.APIKeyRequired, newValidator(r, c.models)
	for _, name := range slices.Sorted(maps.Keys(r.RequestParameters)) {
		source, err := mapping.ParseSource(name)
		if declared := r.RequestParameters[name]; err == nil && declared != nil && declared.Required {
			out.parameters = append(out.parameters, requiredParameter{name, source})
		}
	}
	return out
}

func stageThrottle(api *gateway.API, stage gateway.StageName, key gateway.RouteKey) *gateway.Throttle {
	if s := api.Stages[stage]; s != nil && s.RouteSettings[key] != nil {
		return s.RouteSettings[key].Throttle
	}
	return nil
}

// buildAccess fills p.access. The definition has passed all checks.
func (c *check) buildAccess(p *Program) {
	a := &p.access
	connect := c.api.Routes[gateway.RouteConnect]
	a.connect = c.buildRules(p, gateway.RouteConnect, connect)
	if connect != nil && connect.Authorizer != "" && connect.Authorizer != gateway.AuthorizerNone {
		a.authorizer = c.buildAuthorizer(p, connect.Authorizer)
	}
	for _, name := range slices.Sorted(maps.Keys(c.api.Authorizers)) {
		if c.api.Authorizers[name].Type == gateway.AuthorizerRequest {
			a.requestAuthorizers = append(a.requestAuthorizers, c.buildAuthorizer(p, name))
		}
	}
	a.keys = make(map[[sha256.Size]byte]*gateway.APIKey, len(c.api.APIKeys))
	for _, key := range c.api.APIKeys {
		a.keys[sha256.Sum256([]byte(key.Value))] = key
	}
	a.keyFromAuth = c.api.APIKeySelectionExpression == gateway.APIKeyAuthorizerExpression
	a.hold, a.keeps = c.api.PostDuringConnect, c.api.KeepHandshake
	if s := c.api.Stages[p.stage]; s != nil {
		a.throttle = s.Throttle
		if s.AccessLog != nil {
			a.accessLog = newAccessLog(s.AccessLog)
		}
	}
}

func newAccessLog(s *gateway.AccessLogSettings) *accesslog.Log {
	format, err := accesslog.Parse(s.Format)
	if err != nil {
		return nil // can't be: it passed the checks
	}
	log := &accesslog.Log{Format: format, Destination: s.Destination}
	if log.Destination == "" {
		log.Destination = accesslog.Stdout
	}
	return log
}
