package proxy

import (
	"encoding/json"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// webSocketEvent is the event of contract/websocket-api.md §6. Absent members are left out, never null.
type webSocketEvent struct {
	Headers                         map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders,omitempty"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters,omitempty"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	RequestContext                  webSocketContext    `json:"requestContext"`
	StageVariables                  map[string]string   `json:"stageVariables,omitempty"`
	Body                            *string             `json:"body,omitempty"`
	IsBase64Encoded                 bool                `json:"isBase64Encoded"`
}

type webSocketContext struct {
	RouteKey             gateway.RouteKey     `json:"routeKey"`
	MessageID            gateway.RequestID    `json:"messageId,omitempty"`
	DeliveryAttempt      int                  `json:"deliveryAttempt,omitempty"` // of atLeastOnce routes alone
	DisconnectStatusCode int                  `json:"disconnectStatusCode,omitempty"`
	EventType            event.Kind           `json:"eventType"`
	ExtendedRequestID    gateway.RequestID    `json:"extendedRequestId"`
	RequestTime          string               `json:"requestTime"`
	MessageDirection     string               `json:"messageDirection"`
	DisconnectReason     *string              `json:"disconnectReason,omitempty"`
	Stage                gateway.StageName    `json:"stage"`
	ConnectedAt          int64                `json:"connectedAt"`
	RequestTimeEpoch     int64                `json:"requestTimeEpoch"`
	Identity             event.Identity       `json:"identity"`
	RequestID            gateway.RequestID    `json:"requestId"`
	DomainName           string               `json:"domainName"`
	ConnectionID         gateway.ConnectionID `json:"connectionId"`
	APIID                gateway.APIID        `json:"apiId"`
	Authorizer           json.RawMessage      `json:"authorizer,omitempty"`
}

func newWebSocketContext(kind gateway.EventKind, c *event.Context) webSocketContext {
	return webSocketContext{
		RouteKey:             c.RouteKey,
		MessageID:            c.MessageID,
		DeliveryAttempt:      c.DeliveryAttempt,
		DisconnectStatusCode: c.DisconnectStatusCode,
		EventType:            event.KindOf(kind),
		ExtendedRequestID:    c.ExtendedRequestID,
		RequestTime:          c.RequestTime,
		MessageDirection:     event.DirectionIn,
		DisconnectReason:     c.DisconnectReason,
		Stage:                c.Stage,
		ConnectedAt:          c.ConnectedAt,
		RequestTimeEpoch:     c.RequestTimeEpoch,
		Identity:             c.Identity,
		RequestID:            c.RequestID,
		DomainName:           c.DomainName,
		ConnectionID:         c.ConnectionID,
		APIID:                c.APIID,
		Authorizer:           c.Authorizer,
	}
}

// encodeWebSocket returns the proxy event of a connect, message or disconnect event. Binary messages have their body in
// base64, which Amazon's service never sends (DESIGN §3.10).
func encodeWebSocket(ev *gateway.Event) ([]byte, error) {
	c, err := readContext(ev)
	if err != nil {
		return nil, err
	}
	out := webSocketEvent{
		RequestContext: newWebSocketContext(ev.Kind, &c),
		StageVariables: c.StageVariables,
	}
	switch ev.Kind {
	case gateway.EventConnect:
		out.Headers, out.MultiValueHeaders = connectHeaders(ev.Header, &c)
		out.QueryStringParameters = c.QueryStringParameters
		out.MultiValueQueryStringParameters = c.MultiValueQueryStringParameters
	case gateway.EventMessage:
		body, base64 := messageBody(ev)
		out.Body, out.IsBase64Encoded = &body, base64
		// Amazon's events have neither; an API with keepHandshake has asked for them.
		if len(ev.Header) > 0 {
			out.Headers, out.MultiValueHeaders = connectHeaders(ev.Header, &c)
		}
		out.QueryStringParameters = c.QueryStringParameters
		out.MultiValueQueryStringParameters = c.MultiValueQueryStringParameters
	case gateway.EventDisconnect:
		out.Headers, out.MultiValueHeaders = disconnectHeaders(&c)
	}
	return encode(out)
}

// connectHeaders keeps names in the client's case. Connection, Upgrade and Content-Length are not in the event
// (contract/websocket-api.md §6.1).
func connectHeaders(h gateway.Header, c *event.Context) (map[string]string, map[string][]string) {
	list := foldHeader(h)
	list.drop("connection", "upgrade", "content-length")
	list.addForwarded(c)
	return list.maps()
}

// maps returns the two forms of headers in events: the last value of each name, and all of them.
func (l headerList) maps() (map[string]string, map[string][]string) {
	single, multi := make(map[string]string, len(l)), make(map[string][]string, len(l))
	for _, f := range l {
		single[f.name] = f.values[len(f.values)-1]
		multi[f.name] = f.values
	}
	return single, multi
}

// disconnectHeaders are the fixed four of contract/websocket-api.md §6.3.
func disconnectHeaders(c *event.Context) (map[string]string, map[string][]string) {
	single := map[string]string{"Host": c.DomainName, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
	multi := make(map[string][]string, len(single))
	for name, v := range single {
		multi[name] = []string{v}
	}
	return single, multi
}
