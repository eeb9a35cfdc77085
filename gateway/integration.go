package gateway

// IntegrationType is the kind of backend that a route has.
type IntegrationType string

// The integration types. AWS_PROXY is an alias of LAMBDA in documents; definitions hold LAMBDA.
const (
	IntegrationHTTPProxy IntegrationType = "HTTP_PROXY"
	IntegrationHTTP      IntegrationType = "HTTP"
	IntegrationAWS       IntegrationType = "AWS"
	IntegrationLambda    IntegrationType = "LAMBDA"
	IntegrationNATS      IntegrationType = "NATS"
	IntegrationMock      IntegrationType = "MOCK"

	IntegrationAWSProxy IntegrationType = "AWS_PROXY"
)

// Integration describes a backend: which kind, where, and how requests and results are mapped.
type Integration struct {
	Type IntegrationType `json:"type"`
	// URI is the URL of an HTTP_PROXY, HTTP or LAMBDA backend, or the ARN of what AWS calls, with {path} parameters and
	// ${stageVariables.name}.
	URI string `json:"uri,omitempty"`
	// HTTPMethod is the method of an HTTP_PROXY, HTTP or AWS call; empty or ANY passes an HTTP client's own method on and is
	// POST for WebSocket events.
	HTTPMethod string `json:"httpMethod,omitempty"`
	// Subject sends the event of a NATS integration to this subject instead of leaving it to the subscribers of the
	// route's own.
	Subject string `json:"subject,omitempty"`
	// PayloadFormatVersion chooses the proxy event: of LAMBDA "1.0" or "2.0" for HTTP APIs (default "2.0"); of NATS it
	// asks for the proxy event instead of the message itself.
	PayloadFormatVersion string `json:"payloadFormatVersion,omitempty"`
	// RequestParameters maps integration.request.{header|querystring|path}.NAME to a source
	// (contract/websocket-api.md §8.1).
	RequestParameters map[string]string `json:"requestParameters,omitempty"`
	// RequestTemplates render the request of an HTTP or AWS integration, by the key that TemplateSelectionExpression picks;
	// of a MOCK, the JSON object whose statusCode chooses the response (contract/websocket-api.md §7.5, §8.2).
	RequestTemplates map[string]string `json:"requestTemplates,omitempty"`
	// TemplateSelectionExpression picks a key of RequestTemplates; empty means application/json, then $default.
	TemplateSelectionExpression string `json:"templateSelectionExpression,omitempty"`
	// PassthroughBehavior says what a message gets that no template takes; empty means WHEN_NO_MATCH.
	PassthroughBehavior PassthroughBehavior `json:"passthroughBehavior,omitempty"`
	// ContentHandling converts the message before the call (contract/websocket-api.md §7.8).
	ContentHandling ContentHandling `json:"contentHandling,omitempty"`
	// Responses of HTTP, AWS and MOCK by key: "default", "$default", or a pattern, with or without slashes, over the status
	// code; of AWS over the error message (contract/websocket-api.md §7.6).
	Responses       map[string]*IntegrationResponse `json:"responses,omitempty"`
	TimeoutInMillis int                             `json:"timeoutInMillis,omitempty"`
}

// IntegrationResponse is how a non-proxy integration's result becomes the answer.
type IntegrationResponse struct {
	StatusCode        int               `json:"statusCode,omitempty"`
	ResponseTemplates map[string]string `json:"responseTemplates,omitempty"`
	// TemplateSelectionExpression picks a key of ResponseTemplates.
	TemplateSelectionExpression string `json:"templateSelectionExpression,omitempty"`
	// ContentHandling converts the backend's bytes (contract/websocket-api.md §7.8).
	ContentHandling ContentHandling `json:"contentHandling,omitempty"`
}

// PassthroughBehavior is what happens to a message that no request template takes (contract/websocket-api.md §8.2).
type PassthroughBehavior string

// The behaviours.
const (
	PassthroughNoMatch     PassthroughBehavior = "WHEN_NO_MATCH"
	PassthroughNoTemplates PassthroughBehavior = "WHEN_NO_TEMPLATES"
	PassthroughNever       PassthroughBehavior = "NEVER"
)

// ContentHandling is a conversion between base64 text and bytes.
type ContentHandling string

// The conversions; empty means none.
const (
	ConvertToBinary ContentHandling = "CONVERT_TO_BINARY"
	ConvertToText   ContentHandling = "CONVERT_TO_TEXT"
)

// The bounds of timeoutInMillis. Amazon's upper ones (contract/websocket-api.md §7.1, contract/http-api.md §1.10) are
// also the defaults; the default profile goes up to MaxExtendedMillis, as REST streaming does
// (contract/rest-api.md §5.6).
const (
	MinIntegrationMillis = 50
	MaxWebSocketMillis   = 29_000
	MaxHTTPMillis        = 30_000
	MaxExtendedMillis    = 15 * 60 * 1000
)

// RunByWorker reports whether our workers run the integration. A NATS integration without a subject of its own leaves
// the route's subject to whoever subscribes to it.
func (i *Integration) RunByWorker() bool {
	return i.Type != IntegrationNATS || i.Subject != ""
}
