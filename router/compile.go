package router

import (
	"maps"
	"slices"
	"time"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
	"github.com/sallyport/sallyport/schemas/event"
)

// Config is what compiling needs from the rest of the gateway.
type Config struct {
	// Subject names the NATS subject of a route's events; Compile needs it. The bus knows the grammar.
	Subject func(gateway.APIID, gateway.StageName, gateway.Protocol, gateway.RouteKey) string
	// AuthSubject names the NATS subject of an authorizer's events; Compile needs it.
	AuthSubject func(gateway.APIID, gateway.StageName, string) string
	// DurableSubject names the NATS subject on which the messages of an atLeastOnce route are stored; Compile needs it.
	DurableSubject func(gateway.APIID, gateway.StageName, gateway.RouteKey) string
	// Checks holds the rules of the integration kinds.
	Checks map[gateway.IntegrationType]IntegrationCheck
	// PayloadCap is the most bytes of a message that this NATS carries; 0 means no check. Limits above it that a
	// definition names are faults; those of a profile are lowered to it.
	PayloadCap int
}

// IntegrationCheck reports what is wrong with an integration of an API of that protocol. The faults' paths begin at the
// integration ("uri").
type IntegrationCheck func(*gateway.Integration, gateway.Protocol) []gateway.Fault

// Compile turns a deployment into a Program, or reports all its faults at once. The deployment must not change
// afterwards: the Program refers to it.
func Compile(d *gateway.Deployment, config Config) (*Program, []gateway.Fault) {
	if d.API == nil {
		return nil, []gateway.Fault{{Problem: "the deployment has no API"}}
	}
	c := check{api: d.API, config: config, kind: kindOf(d.API.Protocol), stages: []gateway.StageName{d.Stage}}
	if _, named := d.API.Stages[d.Stage]; !named {
		c.checkStage(d.Stage)
	}
	c.all()
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return build(d, &c), nil
}

// Check reports what Compile would, for every stage that the API names. It needs no Subject.
func Check(api *gateway.API, config Config) []gateway.Fault {
	c := check{api: api, config: config, kind: kindOf(api.Protocol), stages: slices.Sorted(maps.Keys(api.Stages))}
	c.all()
	return c.faults
}

// build puts together what has passed all checks.
func build(d *gateway.Deployment, c *check) *Program {
	p := &Program{
		api:        d.API.APIID,
		stage:      d.Stage,
		protocol:   d.API.Protocol,
		deployment: d.ID,
		limits:     c.limits,
		inFlight:   d.API.MaxInFlight,
		variables:  stageVariables(d.API, d.Stage),
		origins:    newOrigins(d.API.AllowOrigins),
		domains:    stageDomains(d.API, d.Stage),
		byKey:      make(map[gateway.RouteKey]*Route, len(d.API.Routes)),
	}
	p.onlyDomains = d.API.DisableExecuteAPIEndpoint
	if p.inFlight == 0 {
		p.inFlight = gateway.DefaultMaxInFlight
	}
	for _, key := range c.routeKeys() {
		route := d.API.Routes[key]
		if route == nil || route.Integration == nil {
			continue // $connect or $disconnect that nobody runs
		}
		r := buildRoute(p, c, key, route)
		p.routes = append(p.routes, r)
		p.byKey[key] = r
	}
	c.buildAccess(p)
	c.kind.index(p, d.API)
	return p
}

func buildRoute(p *Program, c *check, key gateway.RouteKey, route *gateway.Route) *Route {
	integration := route.Integration.Inline
	if integration == nil {
		integration = c.api.Integrations[route.Integration.Name]
	}
	_, greedy := c.kind.parameters(key)
	r := &Route{
		key:         key,
		twoWay:      c.kind.twoWay(key, route),
		integration: withGreedy(integration, greedy),
		timeout:     p.limits.Integration,
		durable:     c.buildDurable(p, key, route),
		Rules:       c.buildRules(p, key, route),
	}
	if integration.TimeoutInMillis > 0 {
		r.timeout = time.Duration(integration.TimeoutInMillis) * time.Millisecond
	}
	if c.config.Subject != nil {
		r.subject = c.config.Subject(p.api, p.stage, p.protocol, key)
	}
	r.context = event.AppendRoute(nil, event.RouteInfo{RouteKey: key, Deployment: p.deployment, StageVariables: p.variables})
	r.context = slices.Clip(r.context)
	return r
}

// withGreedy returns i with the greedy parameter of its route marked in the URI. Amazon writes {name} there for {name+}
// of the route key (contract/http-api.md §7.2).
func withGreedy(i *gateway.Integration, greedy string) *gateway.Integration {
	if greedy == "" || i.URI == "" {
		return i
	}
	uri, err := mapping.ParseURI(i.URI)
	if err != nil {
		return i // can't be: it passed the checks
	}
	marked := *i
	marked.URI = uri.MarkGreedy(greedy)
	return &marked
}
