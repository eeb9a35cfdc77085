package router

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport/sallyport/gateway"
)

// httpSelection is the only selection expression of HTTP APIs, and their default (contract/http-api.md §1.6).
const httpSelection = "${request.method} ${request.path}"

// httpKind is what is special about HTTP APIs (contract/http-api.md).
type httpKind struct{}

// checkAPI also reports members that only WebSocket APIs have: an allow-list that does nothing would look like safety.
func (httpKind) checkAPI(c *check) {
	if text := c.api.RouteSelectionExpression; text != "" && text != httpSelection {
		c.fault(at("routeSelectionExpression"), "HTTP APIs always select by method and path", "leave it out, or write "+httpSelection)
	}
	if c.api.MaxInFlight != 0 {
		c.fault(at("maxInFlight"), "only WebSocket APIs have it", "leave it out")
	}
	c.refuseWebSocketMembers()
	if len(c.api.AllowOrigins) > 0 {
		c.fault(at("allowOrigins"), "only WebSocket handshakes are checked for it", "leave it out")
	}
}

// refuseWebSocketMembers reports what does nothing on an HTTP API yet: a rule that is not enforced would look like safety.
func (c *check) refuseWebSocketMembers() {
	refuse := func(where place, given bool) {
		if given {
			c.fault(where, "only WebSocket APIs have it", "leave it out")
		}
	}
	a := c.api
	refuse(at("apiKeySelectionExpression"), a.APIKeySelectionExpression != "")
	refuse(at("apiKeys"), len(a.APIKeys) > 0)
	refuse(at("postDuringConnect"), a.PostDuringConnect != "")
	refuse(at("keepHandshake"), len(a.KeepHandshake) > 0)
	refuse(at("authorizers"), len(a.Authorizers) > 0)
	refuse(at("models"), len(a.Models) > 0)
	for _, key := range c.routeKeys() {
		r, where := a.Routes[key], at("routes", string(key))
		if r == nil {
			continue
		}
		refuse(where.under("authorizer"), r.Authorizer != "")
		refuse(where.under("authorizationScopes"), len(r.AuthorizationScopes) > 0)
		refuse(where.under("apiKeyRequired"), r.APIKeyRequired)
		refuse(where.under("modelSelectionExpression"), r.ModelSelectionExpression != "")
		refuse(where.under("requestModels"), len(r.RequestModels) > 0)
		refuse(where.under("requestParameters"), len(r.RequestParameters) > 0)
		refuse(where.under("throttle"), r.Throttle != nil)
		refuse(where.under("delivery"), r.Delivery != "")
		refuse(where.under("acknowledge"), r.Acknowledge)
		refuse(where.under("retry"), r.Retry != nil)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Stages)) {
		if s, where := a.Stages[name], at("stages", string(name)); s != nil {
			refuse(where.under("throttle"), s.Throttle != nil)
			refuse(where.under("routeSettings"), len(s.RouteSettings) > 0)
			refuse(where.under("accessLog"), s.AccessLog != nil)
		}
	}
	for _, i := range integrationsOf(a) {
		if i.Type == gateway.IntegrationHTTP {
			c.fault(at("protocolType"), string(i.Type)+" integrations are for WebSocket APIs", "HTTP_PROXY or LAMBDA")
		}
	}
}

func (httpKind) checkRoutes(c *check) {
	shapes := make(map[string]gateway.RouteKey)
	for _, key := range c.routeKeys() {
		where := at("routes", string(key))
		c.checkKeySize(key)
		if r := c.api.Routes[key]; r != nil && r.RouteResponse {
			c.fault(where.under("routeResponse"), "only WebSocket routes have it: HTTP routes always answer", "leave it out")
		}
		if key == gateway.RouteDefault {
			continue
		}
		p, problem := parsePattern(key)
		if problem != nil {
			c.fault(where, problem.text, problem.hint)
			continue
		}
		if first, taken := shapes[p.shape()]; taken {
			c.fault(where, fmt.Sprintf("matches the same requests as %q", first), "keep one of them")
			continue
		}
		shapes[p.shape()] = key
	}
}

func (httpKind) twoWay(gateway.RouteKey, *gateway.Route) bool { return true }

func (httpKind) parameters(key gateway.RouteKey) (names []string, greedy string) {
	if key == gateway.RouteDefault {
		return nil, ""
	}
	p, problem := parsePattern(key)
	if problem != nil {
		return nil, ""
	}
	return p.parameters()
}

func (httpKind) index(p *Program, _ *gateway.API) {
	p.requests = newRequestRoutes(p.routes)
}
