package proxy

import (
	"encoding/json"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// requestEvent2 is the event of contract/http-api.md §6.2: what is empty is left out.
type requestEvent2 struct {
	Version               string            `json:"version"`
	RouteKey              gateway.RouteKey  `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        requestContext2   `json:"requestContext"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
	Body                  *string           `json:"body,omitempty"`
	IsBase64Encoded       bool              `json:"isBase64Encoded"`
}

type requestContext2 struct {
	AccountID    string             `json:"accountId,omitempty"`
	APIID        gateway.APIID      `json:"apiId"`
	Authorizer   *requestAuthorizer `json:"authorizer,omitempty"`
	DomainName   string             `json:"domainName"`
	DomainPrefix string             `json:"domainPrefix"`
	HTTP         requestHTTP        `json:"http"`
	RequestID    gateway.RequestID  `json:"requestId"`
	RouteKey     gateway.RouteKey   `json:"routeKey"`
	Stage        gateway.StageName  `json:"stage"`
	Time         string             `json:"time"`
	TimeEpoch    int64              `json:"timeEpoch"`
}

// requestAuthorizer holds a Lambda-style authorizer's context.
type requestAuthorizer struct {
	Lambda json.RawMessage `json:"lambda"`
}

type requestHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// encodeRequest2 returns the proxy event of an HTTP request in payload format 2.0.
func encodeRequest2(ev *gateway.Event) ([]byte, error) {
	c, err := readContext(ev)
	if err != nil {
		return nil, err
	}
	body, base64 := requestBody(ev)
	path := decodedPath(c.Path)
	out := requestEvent2{
		Version:               Version2,
		RouteKey:              c.RouteKey,
		RawPath:               path,
		RawQueryString:        c.RawQueryString,
		QueryStringParameters: joinedQuery(c.MultiValueQueryStringParameters),
		RequestContext: requestContext2{
			AccountID:    c.AccountID,
			APIID:        c.APIID,
			DomainName:   c.DomainName,
			DomainPrefix: domainPrefix(&c),
			HTTP: requestHTTP{
				Method:    c.Method,
				Path:      path,
				Protocol:  requestProtocol,
				SourceIP:  c.Identity.SourceIP,
				UserAgent: c.Identity.UserAgent,
			},
			RequestID: c.RequestID,
			RouteKey:  c.RouteKey,
			Stage:     c.Stage,
			Time:      c.RequestTime,
			TimeEpoch: c.RequestTimeEpoch,
		},
		PathParameters:  c.PathParameters,
		StageVariables:  c.StageVariables,
		Body:            pointer(body),
		IsBase64Encoded: base64,
	}
	if len(c.Authorizer) > 0 {
		out.RequestContext.Authorizer = &requestAuthorizer{Lambda: c.Authorizer}
	}
	out.Headers, out.Cookies = requestHeaders2(ev, &c)
	return encode(out)
}

// requestHeaders2 gives lower-case names with their values joined by a comma without a space, and the cookies apart.
func requestHeaders2(ev *gateway.Event, c *event.Context) (map[string]string, []string) {
	list := requestHeader(ev, c)
	headers := make(map[string]string, len(list))
	var cookies []string
	for _, f := range list {
		name := strings.ToLower(f.name)
		if name == "cookie" {
			for _, v := range f.values {
				cookies = append(cookies, strings.Split(v, "; ")...)
			}
			continue
		}
		headers[name] = strings.Join(f.values, ",")
	}
	return headers, cookies
}

func joinedQuery(multi map[string][]string) map[string]string {
	joined := make(map[string]string, len(multi))
	for k, values := range multi {
		joined[k] = strings.Join(values, ",")
	}
	return joined
}
