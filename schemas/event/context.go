package event

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// Context is the object of the Sallyport-Context header (DESIGN §3.3): the members of Amazon's requestContext
// (contract/websocket-api.md §6, contract/http-api.md §6.2–6.3) on one level, and beside them the request's own data.
// Members that do not apply to an event are left out.
type Context struct {
	APIID        gateway.APIID        `json:"apiId"`
	Stage        gateway.StageName    `json:"stage"`
	RouteKey     gateway.RouteKey     `json:"routeKey"`
	DeploymentID gateway.DeploymentID `json:"deploymentId"`
	// EventType is CONNECT, MESSAGE, DISCONNECT or REQUEST.
	EventType Kind `json:"eventType"`
	// DomainName is the host that the client used, without a port; DomainPrefix its first label, on requests.
	DomainName   string `json:"domainName"`
	DomainPrefix string `json:"domainPrefix,omitempty"`
	// AccountID is there only when the gateway was told one.
	AccountID string `json:"accountId,omitempty"`

	// RequestID is new for every event; ExtendedRequestID equals it (contract/websocket-api.md §6.4).
	RequestID         gateway.RequestID `json:"requestId"`
	ExtendedRequestID gateway.RequestID `json:"extendedRequestId"`
	// RequestTime is dd/MMM/yyyy:HH:mm:ss +0000 in UTC, RequestTimeEpoch the same in milliseconds.
	RequestTime      string   `json:"requestTime"`
	RequestTimeEpoch int64    `json:"requestTimeEpoch"`
	Identity         Identity `json:"identity"`
	// Authorizer is the flat object that the authorizer left.
	Authorizer json.RawMessage `json:"authorizer,omitempty"`

	// ConnectionID and what follows it belong to WebSocket events. ConnectedAt is in milliseconds.
	ConnectionID     gateway.ConnectionID `json:"connectionId,omitempty"`
	ConnectedAt      int64                `json:"connectedAt,omitempty"`
	MessageDirection string               `json:"messageDirection,omitempty"`
	MessageID        gateway.RequestID    `json:"messageId,omitempty"`
	// DeliveryAttempt counts the attempts with a message of an atLeastOnce route, this one included; 0 on other events.
	DeliveryAttempt int `json:"deliveryAttempt,omitempty"`
	// DisconnectStatusCode and DisconnectReason are those of contract/websocket-api.md §4.6; the reason may be empty.
	DisconnectStatusCode int     `json:"disconnectStatusCode,omitempty"`
	DisconnectReason     *string `json:"disconnectReason,omitempty"`

	// Method, Path and Protocol belong to HTTP requests. Path is as the client wrote it, still escaped, a named stage
	// included (contract/http-api.md §4.1).
	Method   string `json:"method,omitempty"`
	Path     string `json:"path,omitempty"`
	Protocol string `json:"protocol,omitempty"`

	// RawQueryString is the client's text without '?'; the maps are its decoded form, the single one with the last
	// value of a repeated key. They are on requests and $connect.
	RawQueryString                  string              `json:"rawQueryString,omitempty"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters,omitempty"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	PathParameters                  map[string]string   `json:"pathParameters,omitempty"`
	StageVariables                  map[string]string   `json:"stageVariables,omitempty"`
}

// Identity says who the client is as far as the network shows.
type Identity struct {
	SourceIP string `json:"sourceIp"`
	// UserAgent is left out when the client sent none.
	UserAgent string `json:"userAgent,omitempty"`
	// Who the client turned out to be: gateway.Caller.
	AccountID string `json:"accountId,omitempty"`
	AccessKey string `json:"accessKey,omitempty"`
	Caller    string `json:"caller,omitempty"`
	User      string `json:"user,omitempty"`
	UserARN   string `json:"userArn,omitempty"`
	APIKey    string `json:"apiKey,omitempty"`
	APIKeyID  string `json:"apiKeyId,omitempty"`
}

// DirectionIn is the messageDirection of every WebSocket event (contract/websocket-api.md §6.2).
const DirectionIn = "IN"

// Parse reads a context. Members that it does not know are ignored: newer edges may send more.
func Parse(b []byte) (Context, error) {
	var c Context
	if err := json.Unmarshal(b, &c); err != nil {
		return Context{}, fmt.Errorf("event context: %w", err)
	}
	return c, nil
}

// ConnectedTime returns ConnectedAt as a time in UTC.
func (c *Context) ConnectedTime() time.Time { return time.UnixMilli(c.ConnectedAt).UTC() }

// Time returns RequestTimeEpoch as a time in UTC.
func (c *Context) Time() time.Time { return time.UnixMilli(c.RequestTimeEpoch).UTC() }
