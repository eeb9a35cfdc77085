package proxy

import (
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// authorizerType is the type of the only authorizers that WebSocket APIs have (contract/websocket-api.md §10.1).
const authorizerType = "REQUEST"

// authorizerEvent is the event of contract/websocket-api.md §10.1. Its maps are always there, if empty, so that functions
// may look into them.
type authorizerEvent struct {
	Type                            string              `json:"type"`
	MethodARN                       string              `json:"methodArn"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  webSocketContext    `json:"requestContext"`
}

// AuthorizerEvent returns, as JSON, the event by which a REQUEST authorizer is asked about the $connect event ev.
// methodARN is the ARN that its policy has to cover (gateway.InvokeARN). Connection, Upgrade and content-length, which
// integrations do not get, are among the headers, as in Amazon's sample. An error means that ev.Context is malformed.
func AuthorizerEvent(ev *gateway.Event, methodARN string) ([]byte, error) {
	c, err := readContext(ev)
	if err != nil {
		return nil, err
	}
	out := authorizerEvent{
		Type:                            authorizerType,
		MethodARN:                       methodARN,
		QueryStringParameters:           orEmpty(c.QueryStringParameters),
		MultiValueQueryStringParameters: orEmpty(c.MultiValueQueryStringParameters),
		StageVariables:                  orEmpty(c.StageVariables),
		RequestContext:                  newWebSocketContext(ev.Kind, &c),
	}
	out.Headers, out.MultiValueHeaders = authorizerHeaders(ev.Header, &c)
	out.RequestContext.Authorizer = nil // nobody was asked before
	return encode(out)
}

func authorizerHeaders(h gateway.Header, c *event.Context) (map[string]string, map[string][]string) {
	list := foldHeader(h)
	list.addForwarded(c)
	list.setDefault("content-length", "0") // a handshake has no body
	return list.maps()
}

func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}
