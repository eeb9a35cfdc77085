package gateway

import "time"

// Protocol is the kind of an API, fixed for its life.
type Protocol string

// The protocols of APIs. REST follows the same way: one more constant, one more file in router.
const (
	ProtocolWebSocket Protocol = "WEBSOCKET"
	ProtocolHTTP      Protocol = "HTTP"
)

// API is one API as its definition document says it. The json names are the keys of the document, so a definition is
// stored, published as a schema and decoded with the same words. router.Compile checks what a value means.
type API struct {
	APIID       APIID             `json:"apiId,omitempty"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Version     string            `json:"version,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Protocol    Protocol          `json:"protocolType"`
	// RouteSelectionExpression picks a message's route; required for WebSocket APIs (contract/websocket-api.md §3).
	RouteSelectionExpression string         `json:"routeSelectionExpression,omitempty"`
	Limits                   *LimitSettings `json:"limits,omitempty"`
	// MaxInFlight is how many messages of one connection may wait for their replies at the same time; the edge reads no
	// further frame meanwhile. 0 means DefaultMaxInFlight; 1 keeps strict order.
	MaxInFlight int `json:"maxInFlight,omitempty"`
	// AllowOrigins lists the Origin values whose WebSocket handshakes are taken; empty means any.
	AllowOrigins []string                `json:"allowOrigins,omitempty"`
	Integrations map[string]*Integration `json:"integrations,omitempty"`
	Routes       map[RouteKey]*Route     `json:"routes"`
	Stages       map[StageName]*Stage    `json:"stages,omitempty"`
}

const (
	// DefaultMaxInFlight lets a chatty client overlap its requests without letting it occupy a worker alone.
	DefaultMaxInFlight = 16
	// MaxInFlightCeiling bounds the replies that one connection can make an edge remember.
	MaxInFlightCeiling = 1024
)

// Route is what happens to the messages or requests of one route key.
type Route struct {
	// Integration runs the route. nil is allowed for $connect and $disconnect alone.
	Integration *IntegrationRef `json:"integration,omitempty"`
	// RouteResponse makes a WebSocket route two-way: the integration's result becomes a frame
	// (contract/websocket-api.md §7.7).
	RouteResponse bool   `json:"routeResponse,omitempty"`
	OperationName string `json:"operationName,omitempty"`
}

// IntegrationRef is an integration in place, or the name of one of the API's shared ones. Exactly one is set. In a
// document it is a string or an object.
type IntegrationRef struct {
	Name   string
	Inline *Integration
}

// Stage is one address under which a deployment of the API is served.
type Stage struct {
	Description string            `json:"description,omitempty"`
	Variables   map[string]string `json:"variables,omitempty"`
}

// Deployment is a frozen API on one stage: what router.Compile turns into a Program.
type Deployment struct {
	ID        DeploymentID
	API       *API
	Stage     StageName
	CreatedAt time.Time
}
