package router

import "github.com/sallyport/sallyport/gateway"

// kind is all that differs between the kinds of APIs; nothing else in this package asks for the protocol. Each has a
// file: kind_websocket.go and kind_http.go. REST finds its place as kind_rest.go and one more case in kindOf.
type kind interface {
	// checkAPI reports members of the API itself that break the kind's rules.
	checkAPI(c *check)
	// checkRoutes reports route keys, and members of routes, that break the kind's rules. Integrations are checked
	// elsewhere.
	checkRoutes(c *check)
	// twoWay says whether the sender of the route's events waits for a reply.
	twoWay(key gateway.RouteKey, r *gateway.Route) bool
	// parameters returns the names of the path parameters in a route key, and which of them is greedy ("" for none).
	parameters(key gateway.RouteKey) (names []string, greedy string)
	// index gives the program what finds its routes. The definition has passed all checks and p.routes is complete.
	index(p *Program, api *gateway.API)
}

// kindOf returns nil for a protocol that has no kind.
func kindOf(p gateway.Protocol) kind {
	switch p {
	case gateway.ProtocolWebSocket:
		return websocketKind{}
	case gateway.ProtocolHTTP:
		return httpKind{}
	}
	return nil
}
