package router

import (
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// Program is one deployment, compiled: an API's definition on one stage, ready to be asked. It never changes and may be
// used by any number of goroutines.
type Program struct {
	api        gateway.APIID
	stage      gateway.StageName
	protocol   gateway.Protocol
	deployment gateway.DeploymentID
	limits     gateway.Limits
	inFlight   int
	variables  map[string]string
	origins    origins
	access     access
	domains    []*gateway.DomainMapping
	// onlyDomains: the API answers under its custom domains alone.
	onlyDomains bool

	routes []*Route // sorted by key
	byKey  map[gateway.RouteKey]*Route

	// What finds a route; each kind of API fills its own (kind.index) and leaves the others nil.
	messages *messageRoutes
	requests *requestRoutes
}

// API returns the id of the API.
func (p *Program) API() gateway.APIID { return p.api }

// Stage returns the stage that the API is deployed to.
func (p *Program) Stage() gateway.StageName { return p.stage }

// Protocol returns the kind of the API.
func (p *Program) Protocol() gateway.Protocol { return p.protocol }

// Deployment returns the id of the frozen definition.
func (p *Program) Deployment() gateway.DeploymentID { return p.deployment }

// Limits returns the figures in force: the definition's, lowered to what NATS carries where the definition names none.
func (p *Program) Limits() gateway.Limits { return p.limits }

// MaxInFlight returns how many messages of one connection may be under way at the same time, at least 1.
func (p *Program) MaxInFlight() int { return p.inFlight }

// Variables returns the stage's variables. The caller must not change them.
func (p *Program) Variables() map[string]string { return p.variables }

// Domains returns the custom domains of the stage. The caller must not change them.
func (p *Program) Domains() []*gateway.DomainMapping { return p.domains }

// OnlyDomains reports whether the API answers under its custom domains alone.
func (p *Program) OnlyDomains() bool { return p.onlyDomains }

// OriginAllowed reports whether a WebSocket handshake with that Origin header is taken. An empty origin is no browser's
// (RFC 6455 §10.2) and always allowed.
func (p *Program) OriginAllowed(origin string) bool { return p.origins.allow(origin) }

// Routes returns all routes that have an integration, sorted by key. The caller must not change the slice.
func (p *Program) Routes() []*Route { return p.routes }

// Route returns the route of exactly that key, or nil.
func (p *Program) Route(key gateway.RouteKey) *Route { return p.byKey[key] }

// Connect returns the $connect route, or nil when the API has none or it has no integration: then connections are simply
// accepted (contract/websocket-api.md §4.1).
func (p *Program) Connect() *Route { return p.byKey[gateway.RouteConnect] }

// Disconnect returns the $disconnect route, or nil like Connect.
func (p *Program) Disconnect() *Route { return p.byKey[gateway.RouteDisconnect] }

// Message picks the route of a WebSocket message by the API's selection expression (contract/websocket-api.md §3). The
// error has CodeForbidden: no route takes the message. Finding a route does not allocate.
func (p *Program) Message(body []byte) (*Route, error) {
	if p.messages != nil {
		if r := p.messages.find(body); r != nil {
			return r, nil
		}
	}
	return nil, gateway.Errorf(gateway.CodeForbidden, "Forbidden")
}

// SlowFor reports whether Message and Validate may take many milliseconds for a message of that size: for one of many
// kilobytes where there are models, or selection expressions with JSON paths beyond names and indexes; for any where such
// a path has a regular expression.
func (p *Program) SlowFor(size int) bool {
	return p.messages != nil && (p.messages.backtracks || p.messages.judges && size > quickBytes)
}

// quickBytes is the longest message that takes some milliseconds at worst: models and JSON paths take time in proportion.
const quickBytes = 4 << 10

// Request picks the route of an HTTP request by its method and its path behind the stage, percent-encoded as the client
// sent it; an empty path means "/". It returns the decoded path parameters, nil when the route has none. The error has
// CodeNotFound: no route takes the request (contract/http-api.md §3), or CodeBadRequest: the path's encoding is broken.
func (p *Program) Request(method, escapedPath string) (*Route, map[string]string, error) {
	if p.requests != nil {
		r, parameters, err := p.requests.find(method, escapedPath)
		if r != nil || err != nil {
			return r, parameters, err
		}
	}
	return nil, nil, gateway.Errorf(gateway.CodeNotFound, "Not Found")
}

// Route is one route of a Program. It never changes.
type Route struct {
	Rules
	key         gateway.RouteKey
	subject     string
	twoWay      bool
	integration *gateway.Integration
	timeout     time.Duration
	durable     *Durable // nil for atMostOnce
	context     []byte
	// pattern is the key's path, for HTTP routes other than $default.
	pattern pattern
}

// Key returns the route key.
func (r *Route) Key() gateway.RouteKey { return r.key }

// Subject returns the NATS subject of the route's events (DESIGN §3.2).
func (r *Route) Subject() string { return r.subject }

// TwoWay reports whether the sender of an event waits for the reply: $connect, HTTP routes, and WebSocket routes with a
// route response.
func (r *Route) TwoWay() bool { return r.twoWay }

// Integration returns what runs the route. In its URI the placeholder of a greedy path parameter is always written
// {name+}, so that mapping.ExpandURI keeps its slashes. The caller must not change it.
func (r *Route) Integration() *gateway.Integration { return r.integration }

// Timeout returns how long the integration may take.
func (r *Route) Timeout() time.Duration { return r.timeout }

// Context returns the route's part of the event context, as event.AppendRoute writes it. The caller must not change it.
func (r *Route) Context() []byte { return r.context }

// Native reports whether the route is left to whoever subscribes to its subject, and no worker of ours runs it.
func (r *Route) Native() bool { return !r.integration.RunByWorker() }
