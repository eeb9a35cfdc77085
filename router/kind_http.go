package router

import (
	"fmt"

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
	if len(c.api.AllowOrigins) > 0 {
		c.fault(at("allowOrigins"), "only WebSocket handshakes are checked for it", "leave it out")
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
