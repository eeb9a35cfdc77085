package router

import (
	"testing"

	"github.com/sallyport/sallyport/gateway"
)

// nativeRef is the shortest integration there is.
func nativeRef() *gateway.IntegrationRef {
	return &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS}}
}

func routesOf(keys ...gateway.RouteKey) map[gateway.RouteKey]*gateway.Route {
	routes := make(map[gateway.RouteKey]*gateway.Route)
	for _, key := range keys {
		routes[key] = &gateway.Route{Integration: nativeRef()}
	}
	return routes
}

func websocketAPI(keys ...gateway.RouteKey) *gateway.API {
	return &gateway.API{
		APIID: "chat", Name: "Chat", Protocol: gateway.ProtocolWebSocket,
		RouteSelectionExpression: "$request.body.action",
		Routes:                   routesOf(keys...),
	}
}

func httpAPI(keys ...gateway.RouteKey) *gateway.API {
	return &gateway.API{APIID: "shop", Name: "Shop", Protocol: gateway.ProtocolHTTP, Routes: routesOf(keys...)}
}

// testSubject shows its arguments; the grammar is the bus's.
func testSubject(api gateway.APIID, stage gateway.StageName, p gateway.Protocol, key gateway.RouteKey) string {
	return string(api) + "|" + string(stage) + "|" + string(p) + "|" + string(key)
}

func mustCompile(tb testing.TB, api *gateway.API, stage gateway.StageName) *Program {
	tb.Helper()
	p, faults := Compile(&gateway.Deployment{ID: "d1", API: api, Stage: stage}, Config{Subject: testSubject})
	if len(faults) > 0 {
		tb.Fatalf("%s does not compile: %v", api.APIID, faults)
	}
	return p
}

// keyOf is "-" when there is no route.
func keyOf(r *Route) gateway.RouteKey {
	if r == nil {
		return "-"
	}
	return r.Key()
}

func pointer(n int) *int { return &n }

// faultLines is what a person would read.
func faultLines(faults []gateway.Fault) []string {
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.String())
	}
	return lines
}
