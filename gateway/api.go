package gateway

import (
	"encoding/json"
	"time"
)

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
	AllowOrigins []string `json:"allowOrigins,omitempty"`
	// APIKeySelectionExpression says where a $connect request has its API key; empty means APIKeyHeaderExpression
	// (contract/websocket-api.md §3).
	APIKeySelectionExpression string `json:"apiKeySelectionExpression,omitempty"`
	// APIKeys are the keys that routes with apiKeyRequired take.
	APIKeys []*APIKey `json:"apiKeys,omitempty"`
	// DisableExecuteAPIEndpoint serves the API under its custom domains alone (contract/websocket-api.md §13).
	DisableExecuteAPIEndpoint bool `json:"disableExecuteApiEndpoint,omitempty"`
	// PostDuringConnect says what a callback to a connection gets whose $connect is still under way; empty means gone.
	PostDuringConnect PostDuringConnect `json:"postDuringConnect,omitempty"`
	// KeepHandshake lists the parts of the handshake that later events of the connection carry too.
	KeepHandshake []HandshakePart                `json:"keepHandshake,omitempty"`
	Authorizers   map[string]*AuthorizerSettings `json:"authorizers,omitempty"`
	Models        map[string]*Model              `json:"models,omitempty"`
	Integrations  map[string]*Integration        `json:"integrations,omitempty"`
	Routes        map[RouteKey]*Route            `json:"routes"`
	Stages        map[StageName]*Stage           `json:"stages,omitempty"`
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
	RouteResponse bool `json:"routeResponse,omitempty"`
	// Authorizer is the name of one of the API's authorizers, AuthorizerIAM or AuthorizerNone (also meant by ""). On a
	// WebSocket API $connect alone has one (contract/websocket-api.md §10).
	Authorizer string `json:"authorizer,omitempty"`
	// AuthorizationScopes are the scopes of which the client's identity needs one. On a message route they are those of
	// its $connect.
	AuthorizationScopes []string `json:"authorizationScopes,omitempty"`
	// APIKeyRequired asks for one of the API's keys at $connect.
	APIKeyRequired bool `json:"apiKeyRequired,omitempty"`
	// ModelSelectionExpression picks the key into RequestModels; where it is empty and there are models it means
	// $default. Amazon's service validates nothing then (contract/websocket-api.md §8.3); a model that is named is meant here.
	ModelSelectionExpression string            `json:"modelSelectionExpression,omitempty"`
	RequestModels            map[string]string `json:"requestModels,omitempty"`
	// RequestParameters declares parameters of the $connect request, such as route.request.querystring.token.
	RequestParameters map[string]*RequestParameter `json:"requestParameters,omitempty"`
	Throttle          *Throttle                    `json:"throttle,omitempty"`
	// Delivery says what becomes of a message whose backend fails; empty means DeliverAtMostOnce.
	Delivery Delivery `json:"delivery,omitempty"`
	// Acknowledge sends the client of a one-way atLeastOnce route a frame when its message is stored.
	Acknowledge bool `json:"acknowledge,omitempty"`
	// Retry says how often and when an atLeastOnce message is tried again; nil means the defaults.
	Retry         *Retry `json:"retry,omitempty"`
	OperationName string `json:"operationName,omitempty"`
}

// Delivery is how far a route answers for its messages. It goes beyond Amazon's service, which has at most once alone.
type Delivery string

// The deliveries. DeliverAtMostOnce hands a message to its backend once. DeliverAtLeastOnce stores it first and tries until
// the backend has taken it or its attempts are used up; then it is a dead letter.
const (
	DeliverAtMostOnce  Delivery = "atMostOnce"
	DeliverAtLeastOnce Delivery = "atLeastOnce"
)

// Retry is how an atLeastOnce route tries again.
type Retry struct {
	// MaxAttempts counts all attempts, the first one included; 0 means DefaultRetryAttempts.
	MaxAttempts int `json:"maxAttempts,omitempty"`
	// BackoffSeconds is the wait before the second attempt, which doubles before each further one; 0 means
	// DefaultRetryBackoffSeconds.
	BackoffSeconds int `json:"backoffSeconds,omitempty"`
}

// The figures of Retry. With the defaults the last attempt begins some two minutes after the first one: a backend's restart
// or deployment is over by then.
const (
	DefaultRetryAttempts       = 8
	DefaultRetryBackoffSeconds = 1
	MaxRetryAttempts           = 100
	MaxRetryBackoffSeconds     = 3600
)

// RequestParameter says of a parameter whether a request without it is refused.
type RequestParameter struct {
	Required bool `json:"required,omitempty"`
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
	// Throttle bounds all events of the stage together, RouteSettings those of a route.
	Throttle      *Throttle                   `json:"throttle,omitempty"`
	RouteSettings map[RouteKey]*RouteSettings `json:"routeSettings,omitempty"`
	AccessLog     *AccessLogSettings          `json:"accessLog,omitempty"`
	// Domains are the custom domains under which the stage is served too.
	Domains []*DomainMapping `json:"domains,omitempty"`
}

// RouteSettings is what a stage says of one route.
type RouteSettings struct {
	Throttle *Throttle `json:"throttle,omitempty"`
}

// Throttle is a token bucket: RateLimit events a second, BurstLimit at once (contract/websocket-api.md §11). Each edge
// has buckets of its own.
type Throttle struct {
	RateLimit  float64 `json:"rateLimit"`
	BurstLimit int     `json:"burstLimit"`
}

// AccessLogSettings is where a stage writes a line for each event, and how (contract/websocket-api.md §12).
type AccessLogSettings struct {
	// Format is a text with $context variables, or one of the names json and clf; empty means json.
	Format string `json:"format,omitempty"`
	// Destination is stdout, stderr or the path of a file; empty means stdout.
	Destination string `json:"destination,omitempty"`
}

// Model is a named JSON Schema (contract/websocket-api.md §8.3).
type Model struct {
	// Schema is the JSON Schema, draft 4 unless it says otherwise.
	Schema      json.RawMessage `json:"schema"`
	ContentType string          `json:"contentType,omitempty"`
}

// PostDuringConnect is the policy for callbacks to connections whose $connect is under way.
type PostDuringConnect string

// The policies: Amazon's, 410, and to hold the message until the connection opens.
const (
	PostGone PostDuringConnect = "gone"
	PostHold PostDuringConnect = "hold"
)

// HandshakePart names a part of the handshake.
type HandshakePart string

// The parts that KeepHandshake can name.
const (
	HandshakeHeaders HandshakePart = "headers"
	HandshakeQuery   HandshakePart = "query"
)

// Deployment is a frozen API on one stage: what router.Compile turns into a Program.
type Deployment struct {
	ID        DeploymentID
	API       *API
	Stage     StageName
	CreatedAt time.Time
}
