package edge

import (
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/proxy"
)

// proxyVersion returns the payload format in which the subscribers of a route's own subject want its events, and whether
// they want one at all (DESIGN §3.3). What our workers run or hand on they convert for themselves.
func proxyVersion(route *router.Route) (string, bool) {
	if !route.Native() || route.Durable() != nil {
		return "", false
	}
	version := route.Integration().PayloadFormatVersion
	return version, version != ""
}

// encodeForRoute returns the event as route's backend wants it: ev itself, or a copy whose body is Amazon's proxy event.
func encodeForRoute(route *router.Route, ev *gateway.Event) (*gateway.Event, error) {
	version, wanted := proxyVersion(route)
	if !wanted {
		return ev, nil
	}
	body, err := proxy.Event(ev, version)
	if err != nil {
		return nil, err
	}
	sent := *ev
	sent.Header, sent.Body, sent.Binary = nil, body, false
	return &sent, nil
}

// decodeForRoute reads the reply to what encodeForRoute made of ev: reply itself, or the proxy result in its body. The
// error has CodeIntegration when that is malformed.
func decodeForRoute(route *router.Route, ev *gateway.Event, reply *gateway.Reply) (*gateway.Reply, error) {
	version, wanted := proxyVersion(route)
	if !wanted {
		return reply, nil
	}
	return proxy.Result(ev, version, reply.Body)
}
