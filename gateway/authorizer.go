package gateway

import (
	"context"
	"encoding/json"
	"time"
)

// AuthorizerType is the kind of an authorizer.
type AuthorizerType string

// The authorizer types. JWT on $connect goes beyond Amazon's service, which has it on HTTP APIs alone.
const (
	AuthorizerRequest AuthorizerType = "REQUEST"
	AuthorizerJWT     AuthorizerType = "JWT"
	// AuthorizerTypeIAM is that of AuthorizerIAM. No definition names it: it needs no settings.
	AuthorizerTypeIAM AuthorizerType = AuthorizerIAM
)

// What Route.Authorizer may say beside the name of an authorizer.
const (
	AuthorizerIAM  = "IAM"
	AuthorizerNone = "NONE"
)

const (
	// MaxAuthorizerAnswer bounds what a REQUEST authorizer answers, in bytes (contract/websocket-api.md §10.1, §11).
	MaxAuthorizerAnswer = 8 << 10
	// AuthorizerUnauthorized is the error message by which an authorizer's function refuses a client with 401, exactly so
	// (contract/websocket-api.md §4.2).
	AuthorizerUnauthorized = "Unauthorized"
)

// AuthorizerSettings describes an authorizer.
type AuthorizerSettings struct {
	Type AuthorizerType `json:"type"`
	// IdentitySource lists what must be there before the authorizer is asked, such as route.request.querystring.token or
	// route.request.header.Authorization (contract/websocket-api.md §10.1). A JWT authorizer takes its token from the first
	// that is there.
	IdentitySource []string `json:"identitySource,omitempty"`
	// JWTConfiguration is JWT's alone.
	JWTConfiguration *JWTConfiguration `json:"jwtConfiguration,omitempty"`
	// Integration of a REQUEST authorizer answers its events: HTTP_PROXY, LAMBDA or NATS.
	Integration *IntegrationRef `json:"integration,omitempty"`
}

// JWTConfiguration says which tokens a JWT authorizer takes.
type JWTConfiguration struct {
	// Issuer is the iss of the tokens and the base of the issuer's discovery document.
	Issuer string `json:"issuer"`
	// Audience lists the values of which a token's aud, or else its client_id, must have one.
	Audience []string `json:"audience"`
}

// APIKey is a key that clients send, with a bucket of its own if Throttle is set.
type APIKey struct {
	Name     string    `json:"name"`
	Value    string    `json:"value"`
	Throttle *Throttle `json:"throttle,omitempty"`
}

// The two selection expressions of API keys that Amazon's service knows (contract/websocket-api.md §3).
const (
	APIKeyHeaderExpression     = "$request.header.x-api-key"
	APIKeyAuthorizerExpression = "$context.authorizer.usageIdentifierKey"
)

// AuthorizationRequest is what an authorizer is asked about.
type AuthorizationRequest struct {
	// Event is the event that waits for its authorization; its context has no authorizer member yet.
	Event *Event
	// Method, Host, Path and Query are those of the request line as they came, for signatures; so is Header, of which the
	// event has not all.
	Method, Host, Path, Query string
	Header                    Header
	// Report is the authorizer's to fill before it returns, also where it refuses: the access log tells of it.
	Report AuthorizationReport
}

// AuthorizationReport is how an authorizer came to its word. What did not happen stays zero.
type AuthorizationReport struct {
	// Authenticate is the check of a signature, Authorize that of a policy or of what an access key may: the variables of
	// these names in access logs (contract/websocket-api.md §12).
	Authenticate, Authorize AuthorizationStep
	// Asked says whether a backend was asked, Latency how long it took, Status what it answered with, 0 if it did not
	// answer, and BackendRequest under which id it knows the question, if it said so.
	Asked          bool
	Latency        time.Duration
	Status         int
	BackendRequest string
}

// AuthorizationStep is one step on the way to an authorizer's word.
type AuthorizationStep struct {
	Taken   bool
	Latency time.Duration
	// Err is what the step refused with.
	Err error
}

// Authorization is an authorizer's consent.
type Authorization struct {
	// Context is the flat JSON object that becomes requestContext.authorizer, or nil.
	Context json.RawMessage
	// Caller is what becomes part of requestContext.identity.
	Caller Caller
	// Scopes are those of a token; nil without one.
	Scopes []string
	// ExpiresAt is when the consent ends; zero means never.
	ExpiresAt time.Time
	// UsageKey is the API key that the authorizer names for the client (usageIdentifierKey), or "".
	UsageKey string
}

// Authorizer decides whether a client may come in.
//
// Authorize may be called concurrently. The Codes of its errors: CodeUnauthorized (who the client is was not shown),
// CodeForbidden (it may not), CodeInternal (the authorizer failed).
type Authorizer interface {
	Authorize(ctx context.Context, r *AuthorizationRequest) (*Authorization, error)
}

// Caller is who a client is beyond its network address: the further members of requestContext.identity
// (contract/websocket-api.md §6.1). Empty members are left out of events.
type Caller struct {
	AccountID string `json:"accountId,omitempty"`
	AccessKey string `json:"accessKey,omitempty"`
	Caller    string `json:"caller,omitempty"`
	User      string `json:"user,omitempty"`
	UserARN   string `json:"userArn,omitempty"`
	APIKey    string `json:"apiKey,omitempty"`
	APIKeyID  string `json:"apiKeyId,omitempty"`
}
