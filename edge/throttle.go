package edge

import (
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/throttle"
)

// throttleConnect takes a handshake out of the buckets of its stage and of $connect (contract/websocket-api.md §4.1, §11).
func (s *Server) throttleConnect(p *router.Program, now time.Time) error {
	return s.throttle(p, gateway.RouteConnect, p.ConnectThrottle(), now)
}

// throttle takes a token out of the route's bucket and, if there was one, another out of the stage's: what a route refuses
// must not use up the stage for the others.
func (s *Server) throttle(p *router.Program, route gateway.RouteKey, own *gateway.Throttle, now time.Time) error {
	key := throttle.Key{API: p.API(), Stage: p.Stage(), Route: route}
	if !s.buckets.Allow(key, own, now) {
		s.metrics.throttled(key.API, key.Stage, route, scopeRoute)
		return errThrottled()
	}
	key.Route = ""
	if !s.buckets.Allow(key, p.Throttle(), now) {
		s.metrics.throttled(key.API, key.Stage, route, scopeStage)
		return errThrottled()
	}
	return nil
}

func errThrottled() *gateway.Error {
	return gateway.Errorf(gateway.CodeThrottled, "Too Many Requests")
}

// dropBuckets forgets the buckets of what a table does not throttle.
func (s *Server) dropBuckets(table *router.Table) {
	s.buckets.Keep(func(k throttle.Key) bool {
		p := table.Program(k.API, k.Stage)
		switch {
		case p == nil || p.Protocol() != gateway.ProtocolWebSocket:
			return false
		case k.APIKey != "":
			return p.HasAPIKey(k.APIKey)
		case k.Route == "":
			return p.Throttle() != nil
		case k.Route == gateway.RouteConnect:
			return p.ConnectThrottle() != nil
		}
		route := p.Route(k.Route)
		return route != nil && route.Throttle() != nil
	})
}
