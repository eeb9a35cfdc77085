package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

// keyBuffer is the stack space for an evaluated route key. Longer ones, which hardly any API has, cost an allocation.
const keyBuffer = 256

// websocketKind is what is special about WebSocket APIs (contract/websocket-api.md).
type websocketKind struct{}

func (websocketKind) checkAPI(c *check) {
	c.checkOrigins()
	where := at("routeSelectionExpression")
	text := c.api.RouteSelectionExpression
	if text == "" {
		c.fault(where, "a WebSocket API needs a route selection expression", "for instance $request.body.action")
		return
	}
	if _, err := mapping.ParseExpression(text); err != nil {
		c.fault(where, err.Error(), "")
	}
}

// checkRoutes: any non-empty text is a route key unless it begins with $ and is not predefined (DESIGN §3.2).
func (websocketKind) checkRoutes(c *check) {
	predefined := []gateway.RouteKey{gateway.RouteConnect, gateway.RouteDisconnect, gateway.RouteDefault, gateway.RouteRefresh}
	for _, key := range c.routeKeys() {
		where := at("routes", string(key))
		c.checkKeySize(key)
		switch {
		case key == "":
			c.fault(where, "a route key is empty", "")
		case strings.HasPrefix(string(key), "$") && !slices.Contains(predefined, key):
			c.fault(where, fmt.Sprintf("%q can't be a route key: only predefined ones begin with $", key),
				nearest(string(key), slices.Values(predefined)))
		}
		if a := c.connectAuthorizer(); key == gateway.RouteRefresh && (a == nil || a.Type != gateway.AuthorizerJWT) {
			c.fault(where, "there is no token to renew: $connect has no JWT authorizer", "give it one, or remove the route")
		}
		r := c.api.Routes[key]
		if r == nil {
			continue
		}
		if r.RouteResponse && mayLackIntegration(key) {
			c.fault(where.under("routeResponse"), string(key)+" can't answer with a frame", "remove it")
		}
		c.checkDelivery(key, r)
	}
}

func (websocketKind) twoWay(key gateway.RouteKey, r *gateway.Route) bool {
	return key == gateway.RouteConnect || r.RouteResponse
}

func (websocketKind) parameters(gateway.RouteKey) (names []string, greedy string) { return nil, "" }

func (websocketKind) index(p *Program, api *gateway.API) {
	expression, err := mapping.ParseExpression(api.RouteSelectionExpression)
	if err != nil {
		return // can't be: it passed the checks
	}
	m := &messageRoutes{expression: expression, routes: make(map[string]*Route, len(p.routes)), judges: expression.Queries(), backtracks: expression.Backtracks()}
	for _, r := range p.routes {
		m.judges = m.judges || r.HasModels()
		m.backtracks = m.backtracks || r.HasModels() && r.Rules.validator.backtracks()
		switch r.key {
		case gateway.RouteConnect, gateway.RouteDisconnect:
			// Chosen by what happens to the connection, never by what a client writes (contract/websocket-api.md §3).
		case gateway.RouteDefault:
			m.fallback = r
		default:
			m.routes[string(r.key)] = r
		}
	}
	p.messages = m
}

// messageRoutes finds the route of a message.
type messageRoutes struct {
	expression *mapping.Expression
	routes     map[string]*Route // custom keys only
	fallback   *Route            // $default, or nil
	judges     bool              // finding a route or holding to models takes time in proportion to the message
	backtracks bool              // or any time
}

// find follows contract/websocket-api.md §3, steps 1 to 5. It returns nil when no route takes the message.
func (m *messageRoutes) find(body []byte) *Route {
	if !mapping.Valid(body) {
		return m.fallback
	}
	var buffer [keyBuffer]byte
	key := m.expression.Eval(buffer[:0], body)
	if r := m.routes[string(key)]; r != nil {
		return r
	}
	return m.fallback
}
