package gateway

// IntegrationType is the kind of backend that a route has.
type IntegrationType string

// The integration types. AWS_PROXY is an alias of LAMBDA in documents; definitions hold LAMBDA.
const (
	IntegrationHTTPProxy IntegrationType = "HTTP_PROXY"
	IntegrationLambda    IntegrationType = "LAMBDA"
	IntegrationNATS      IntegrationType = "NATS"
	IntegrationMock      IntegrationType = "MOCK"

	IntegrationAWSProxy IntegrationType = "AWS_PROXY"
)

// Integration describes a backend: which kind, where, and how requests and results are mapped.
type Integration struct {
	Type IntegrationType `json:"type"`
	// URI is the URL of an HTTP_PROXY or LAMBDA backend, with {path} parameters and ${stageVariables.name}.
	URI string `json:"uri,omitempty"`
	// HTTPMethod is the method of an HTTP_PROXY call; empty or ANY passes an HTTP client's own method on and is POST for
	// WebSocket events.
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
	// RequestTemplates of a MOCK render the JSON object whose statusCode chooses the response.
	RequestTemplates map[string]string `json:"requestTemplates,omitempty"`
	// Responses of a MOCK by key: "default", "$default", or a pattern over the status code, with or without slashes.
	Responses       map[string]*IntegrationResponse `json:"responses,omitempty"`
	TimeoutInMillis int                             `json:"timeoutInMillis,omitempty"`
}

// IntegrationResponse is how a non-proxy integration's result becomes the answer.
type IntegrationResponse struct {
	StatusCode        int               `json:"statusCode,omitempty"`
	ResponseTemplates map[string]string `json:"responseTemplates,omitempty"`
}

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
