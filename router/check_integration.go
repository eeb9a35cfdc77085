package router

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

func (c *check) checkSharedIntegrations() {
	for _, name := range slices.Sorted(maps.Keys(c.api.Integrations)) {
		c.checkIntegration(at("integrations", name), c.api.Integrations[name])
	}
}

// checkIntegration applies the rules that do not depend on the route: the general ones here, then those of the
// integration's own kind.
func (c *check) checkIntegration(where place, i *gateway.Integration) {
	if i == nil {
		c.fault(where, "the integration is empty", "give it a type")
		return
	}
	if !knownIntegration(i.Type) {
		c.fault(where.under("type"), fmt.Sprintf("unknown integration type %q", i.Type), "HTTP_PROXY, HTTP, LAMBDA, AWS, NATS or MOCK")
	}
	if longest := c.api.Limits.MaxIntegrationMillis(c.api.Protocol); i.TimeoutInMillis != 0 &&
		(i.TimeoutInMillis < gateway.MinIntegrationMillis || i.TimeoutInMillis > longest) {
		c.fault(where.under("timeoutInMillis"), fmt.Sprintf("%d is out of range", i.TimeoutInMillis),
			fmt.Sprintf("%d to %d", gateway.MinIntegrationMillis, longest))
	}
	_, faults := mapping.ParseParameters(i.RequestParameters)
	c.below(where.under("requestParameters"), faults)
	if _, err := mapping.ParseURI(i.URI); err != nil {
		c.fault(where.under("uri"), err.Error(), "")
	}
	if own := c.config.Checks[i.Type]; own != nil {
		c.below(where, own(i, c.api.Protocol))
	}
}

// below adds faults whose paths begin at where.
func (c *check) below(where place, faults []gateway.Fault) {
	for _, f := range faults {
		f.Path = where.under(f.Path...)
		c.faults = append(c.faults, f)
	}
}

func knownIntegration(t gateway.IntegrationType) bool {
	switch t {
	case gateway.IntegrationHTTPProxy, gateway.IntegrationHTTP, gateway.IntegrationLambda, gateway.IntegrationAWS,
		gateway.IntegrationNATS, gateway.IntegrationMock:
		return true
	}
	return false
}

// checkRouteIntegrations checks what a route and its integration must agree on.
func (c *check) checkRouteIntegrations() {
	for _, key := range c.routeKeys() {
		route := c.api.Routes[key]
		where := at("routes", string(key), "integration")
		if route == nil || route.Integration == nil {
			if !mayLackIntegration(key) {
				c.fault(at("routes", string(key)), "the route has no integration", "name one or describe it in place")
			}
			continue
		}
		ref := route.Integration
		switch {
		case ref.Inline != nil && ref.Name != "":
			c.fault(where, "the integration is both named and described", "keep one of them")
		case ref.Inline != nil:
			c.checkIntegration(where, ref.Inline)
			c.checkURI(where.under("uri"), key, ref.Inline)
		case c.api.Integrations[ref.Name] != nil:
			c.checkURI(where, key, c.api.Integrations[ref.Name])
		case ref.Name == "":
			c.fault(where, "the integration is empty", "name one or describe it in place")
		default:
			c.fault(where, fmt.Sprintf("no integration is named %q", ref.Name), nearest(ref.Name, maps.Keys(c.api.Integrations)))
		}
	}
}

// mayLackIntegration: a connection is accepted, and its end ignored, without one (contract/websocket-api.md §4.1).
func mayLackIntegration(key gateway.RouteKey) bool {
	return key == gateway.RouteConnect || key == gateway.RouteDisconnect
}

// checkURI finds the placeholders of a URI that nothing can fill: at run time each would fail the whole call
// (contract/http-api.md §16.6).
func (c *check) checkURI(where place, key gateway.RouteKey, i *gateway.Integration) {
	uri, err := mapping.ParseURI(i.URI)
	if err != nil {
		return // reported with the integration
	}
	for _, name := range uri.StageVariables() {
		c.checkStageVariable(where, name)
	}
	known := c.pathParameters(key, i)
	for _, name := range uri.PathParameters() {
		if !slices.Contains(known, name) {
			c.fault(where, fmt.Sprintf("the uri needs {%s}, which the route does not give", name),
				"map it with "+mapping.PathTarget+name)
		}
	}
}

func (c *check) checkStageVariable(where place, name string) {
	if len(c.stages) == 0 {
		c.fault(where, fmt.Sprintf("the uri needs the variable %q, but the API names no stage", name), "add it under stages.NAME.variables")
	}
	for _, stage := range c.stages {
		if _, ok := stageVariables(c.api, stage)[name]; !ok {
			c.fault(where, fmt.Sprintf("the uri needs the variable %q, which stage %q does not have", name, stage),
				"add it under stages."+string(stage)+".variables")
		}
	}
}

func (c *check) pathParameters(key gateway.RouteKey, i *gateway.Integration) []string {
	parameters, _ := mapping.ParseParameters(i.RequestParameters)
	names := parameters.PathNames()
	if c.kind != nil {
		own, _ := c.kind.parameters(key)
		names = append(names, own...)
	}
	return names
}

// integrationsOf returns every integration of the API, shared and in place.
func integrationsOf(api *gateway.API) []*gateway.Integration {
	var list []*gateway.Integration
	for _, i := range api.Integrations {
		if i != nil {
			list = append(list, i)
		}
	}
	for _, r := range api.Routes {
		if r != nil && r.Integration != nil && r.Integration.Inline != nil {
			list = append(list, r.Integration.Inline)
		}
	}
	return list
}

// listed joins names for a hint.
func listed(names []string) string { return strings.Join(names, ", ") }
