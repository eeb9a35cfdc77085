package proxy

import (
	"encoding/json"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/event"
)

// requestEvent1 is the event of contract/http-api.md §6.3: what is empty is null.
type requestEvent1 struct {
	Version                         string              `json:"version"`
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	RequestContext                  requestContext1     `json:"requestContext"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	Body                            *string             `json:"body"`
	IsBase64Encoded                 bool                `json:"isBase64Encoded"`
}

type requestContext1 struct {
	AccountID         string            `json:"accountId,omitempty"`
	APIID             gateway.APIID     `json:"apiId"`
	Authorizer        json.RawMessage   `json:"authorizer,omitempty"`
	DomainName        string            `json:"domainName"`
	DomainPrefix      string            `json:"domainPrefix"`
	ExtendedRequestID gateway.RequestID `json:"extendedRequestId"`
	HTTPMethod        string            `json:"httpMethod"`
	Identity          requestIdentity1  `json:"identity"`
	Path              string            `json:"path"`
	Protocol          string            `json:"protocol"`
	RequestID         gateway.RequestID `json:"requestId"`
	RequestTime       string            `json:"requestTime"`
	RequestTimeEpoch  int64             `json:"requestTimeEpoch"`
	ResourceID        gateway.RouteKey  `json:"resourceId"`
	ResourcePath      string            `json:"resourcePath"`
	Stage             gateway.StageName `json:"stage"`
}

// requestIdentity1 has a member for each way to authenticate; those that were not used are null.
type requestIdentity1 struct {
	AccessKey                     *string `json:"accessKey"`
	AccountID                     *string `json:"accountId"`
	Caller                        *string `json:"caller"`
	CognitoAmr                    *string `json:"cognitoAmr"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	SourceIP                      string  `json:"sourceIp"`
	User                          *string `json:"user"`
	UserAgent                     *string `json:"userAgent"`
	UserArn                       *string `json:"userArn"`
}

// encodeRequest1 returns the proxy event of an HTTP request in payload format 1.0.
func encodeRequest1(ev *gateway.Event) ([]byte, error) {
	c, err := readContext(ev)
	if err != nil {
		return nil, err
	}
	body, base64 := requestBody(ev)
	out := requestEvent1{
		Version:                         Version1,
		Resource:                        resourcePath(c.RouteKey),
		Path:                            c.Path,
		HTTPMethod:                      c.Method,
		QueryStringParameters:           c.QueryStringParameters,
		MultiValueQueryStringParameters: c.MultiValueQueryStringParameters,
		RequestContext: requestContext1{
			AccountID:         c.AccountID,
			APIID:             c.APIID,
			Authorizer:        c.Authorizer,
			DomainName:        c.DomainName,
			DomainPrefix:      domainPrefix(&c),
			ExtendedRequestID: c.ExtendedRequestID,
			HTTPMethod:        c.Method,
			Identity:          requestIdentity1{SourceIP: c.Identity.SourceIP, UserAgent: pointer(c.Identity.UserAgent)},
			Path:              decodedPath(c.Path),
			Protocol:          requestProtocol,
			RequestID:         c.RequestID,
			RequestTime:       c.RequestTime,
			RequestTimeEpoch:  c.RequestTimeEpoch,
			ResourceID:        c.RouteKey,
			ResourcePath:      resourcePath(c.RouteKey),
			Stage:             c.Stage,
		},
		PathParameters:  c.PathParameters,
		StageVariables:  c.StageVariables,
		Body:            pointer(body),
		IsBase64Encoded: base64,
	}
	out.Headers, out.MultiValueHeaders = requestHeaders1(ev, &c)
	return encode(out)
}

// requestHeaders1: the single map has the last value (contract/http-api.md §6.3).
func requestHeaders1(ev *gateway.Event, c *event.Context) (map[string]string, map[string][]string) {
	list := requestHeader(ev, c)
	single, multi := make(map[string]string, len(list)), make(map[string][]string, len(list))
	for _, f := range list {
		name := wellKnownCase(f.name)
		single[name] = f.values[len(f.values)-1]
		multi[name] = f.values
	}
	return single, multi
}
