package definition

import (
	"maps"

	"github.com/sallyport/sallyport/gateway"
)

// annotation is what the JSON Schema says about a field beyond its Go type. Bounds are for the editor: what a number or a
// text means is checked by router.Check, which takes the bounds of numbers from the same place in gateway.
type annotation struct {
	description string
	examples    []any
	standard    any // the value that an absent field has
	min, max    *int
	minLength   int
	pattern     string // of a text
	keys        string // pattern of the keys of a map
}

// typeNote is the title and description of an object.
type typeNote struct{ title, description string }

// typeNotes has an entry for each Go struct that a document holds.
func typeNotes() map[string]typeNote {
	return map[string]typeNote{
		"API": {"Sallyport API definition", "One API: its routes, the backends behind them and the stages it is served on."},
		"LimitSettings": {"Limits", "The limits of the API: the name of a profile, or an object that starts from a profile " +
			"and changes some figures. The aws profile has Amazon's limits, the default one lifts them."},
		"Route": {"Route", "What happens to the messages or requests of one route key."},
		"IntegrationRef": {"Integration or name", "The backend: the name of one under integrations, or an integration " +
			"in place."},
		"Integration":         {"Integration", "A backend: which kind, where it is, and how requests and results are mapped."},
		"IntegrationResponse": {"Integration response", "How the result of an HTTP, AWS or MOCK integration becomes the answer."},
		"Stage":               {"Stage", "One address under which the API is served."},
		"RequestParameter":    {"Request parameter", "A parameter of the $connect request."},
		"RouteSettings":       {"Route settings", "What a stage says of one route."},
		"Throttle":            {"Throttle", "A token bucket: events a second, and at once. Each edge has its own."},
		"AccessLogSettings":   {"Access log", "A line for each event of the stage."},
		"Model":               {"Model", "A JSON Schema that messages are held to."},
		"AuthorizerSettings":  {"Authorizer", "Who decides whether a client may connect."},
		"JWTConfiguration":    {"JWT configuration", "Which tokens a JWT authorizer takes."},
		"DomainMapping":       {"API mapping", "A custom domain, with the path below which the stage is served."},
		"APIKey":              {"API key", "A key that clients send."},
		"Retry":               {"Retry", "How often and when a message of an atLeastOnce route is tried again."},
	}
}

func bound(n int) *int { return &n }

// annotations has an entry for each field of each Go struct that a document holds, by type name and key.
func annotations() map[string]annotation {
	notes := apiAnnotations()
	for _, more := range []map[string]annotation{limitAnnotations(), integrationAnnotations(), accessAnnotations(), stageAnnotations(), durableAnnotations()} {
		maps.Copy(notes, more)
	}
	for _, figure := range new(gateway.LimitSettings).Figures(gateway.ProtocolWebSocket) { // the same for all without a profile
		note := notes["LimitSettings."+figure.Key]
		note.min, note.max = bound(figure.Min), bound(figure.Max)
		if figure.OrZero {
			note.min = bound(0) // 0 lies just below each of these ranges
		}
		notes["LimitSettings."+figure.Key] = note
	}
	return notes
}

// routePattern is what the route keys of all kinds of APIs have in common.
const routePattern = `^(\$(connect|disconnect|default|refresh)$|[^$])`

func apiAnnotations() map[string]annotation {
	return map[string]annotation{
		"API.apiId": {
			description: "Names the API in addresses and NATS subjects: 1–64 of a-z, 0-9 and '-', and not a path of the " +
				"management API such as v2 or healthz. Default: made from the name.",
			examples: []any{"chat"}, pattern: gateway.APIIDPattern,
		},
		"API.name": {description: "The API's name, for people.", examples: []any{"Chat"}, minLength: 1},
		"API.description": {
			description: "What the API is for.",
			examples:    []any{"Rooms, names and messages."},
		},
		"API.version": {description: "The version of the API, for people.", examples: []any{"1.0"}},
		"API.tags": {
			description: "Labels of the API, for people and tools.",
			examples:    []any{map[string]any{"team": "messaging"}},
		},
		"API.protocolType": {
			description: "The kind of the API: WEBSOCKET keeps a connection and routes its messages, HTTP routes requests.",
		},
		"API.routeSelectionExpression": {
			description: "Picks the route key of a WebSocket message out of its JSON body. Required for WEBSOCKET. For HTTP " +
				"it may be left out: the method and path pick the route.",
			examples: []any{"$request.body.action", "${request.body.service}.${request.body.action}"},
		},
		"API.limits": {
			description: "The limits of the API: default, aws (Amazon's), or an object that starts from a profile.",
			examples:    []any{"aws", map[string]any{"profile": "aws", "binary": "accept"}},
		},
		"API.maxInFlight": {
			description: "How many messages of one connection may wait for their replies at the same time; meanwhile no " +
				"further frame of it is read. 1 keeps strict order.",
			standard: gateway.DefaultMaxInFlight, examples: []any{1}, min: bound(1), max: bound(gateway.MaxInFlightCeiling),
		},
		"API.allowOrigins": {
			description: "The Origin values whose WebSocket handshakes are accepted; \"*\" accepts all. Default: any origin.",
			examples:    []any{[]any{"https://chat.example.com"}},
		},
		"API.disableExecuteApiEndpoint": {
			description: "Serves the API under its custom domains alone.", standard: false,
		},
		"API.integrations": {description: "Backends by name, shared by routes that say integration: NAME."},
		"API.routes": {
			description: "Routes by route key. WebSocket: $connect, $disconnect, $default and keys of your own. " +
				"HTTP: \"METHOD /path/{param}\", \"ANY /{proxy+}\" and $default.",
			keys: routePattern,
		},
		"API.stages": {
			description: "The stages on which the API is served: letters, digits, '-' and '_', or $default. " +
				"Default: dev under sallyport dev, $default under sallyport serve.",
			keys: gateway.StageNamePattern,
		},
		"Route.integration": {
			description: "The backend: the name of one under integrations, or an integration in place. Only $connect and " +
				"$disconnect may go without.",
			examples: []any{"backend", map[string]any{"type": "NATS"}},
		},
		"Route.routeResponse": {
			description: "Makes a WebSocket route two-way: the backend's result is sent to the client as a frame.",
			standard:    false,
		},
		"Route.operationName": {description: "A name of the operation, for people.", examples: []any{"SendMessage"}},
		"Stage.description":   {description: "What the stage is for.", examples: []any{"What developers try things on."}},
		"Stage.variables": {
			description: "Values that integrations use as ${stageVariables.NAME}.",
			examples:    []any{map[string]any{"backend": "127.0.0.1:3000"}},
		},
	}
}

func limitAnnotations() map[string]annotation {
	return map[string]annotation{
		"LimitSettings.profile": {
			description: "The profile whose figures hold where none is given here.", standard: string(gateway.ProfileDefault),
		},
		"LimitSettings.maxMessageBytes": {
			description: "The largest WebSocket message in bytes, after reassembly; also for messages pushed to a client. " +
				"default: 1 MiB, aws: 128 KiB.",
		},
		"LimitSettings.maxFrameBytes": {
			description: "The largest WebSocket frame in bytes, as it arrives. default: 1 MiB, aws: 32 KiB.",
		},
		"LimitSettings.idleTimeoutSeconds": {
			description: "Closes a connection on which no message passed for so long; 0 never. default: 0, aws: 600.",
		},
		"LimitSettings.maxConnectionSeconds": {
			description: "Closes a connection of that age; 0 never. default: 0, aws: 7200.",
		},
		"LimitSettings.pingIntervalSeconds": {
			description: "How often the gateway pings a client; 0 never. default: 60, aws: 0.",
		},
		"LimitSettings.pongTimeoutSeconds": {
			description: "Closes a client that does not answer a ping for so long; 0 never. default: 20, aws: 0.",
		},
		"LimitSettings.sendQueueBytes": {
			description: "How many bytes may wait for a client that reads slowly; what is over is refused with status 429. " +
				"It may be less than a message: one that is larger is taken when nothing waits. Both profiles: 64 KiB.",
		},
		"LimitSettings.slowClientSeconds": {
			description: "Closes a client with code 1008 when its queue stays full for so long. Both profiles: 10.",
		},
		"LimitSettings.integrationTimeoutMillis": {
			description: "How long a backend may take where the integration has no timeoutInMillis: up to 15 minutes, under aws " +
				"up to Amazon's 29000 (HTTP APIs 30000), which is also what both profiles start from.",
		},
		"LimitSettings.maxBodyBytes": {
			description: "The largest body of an HTTP request in bytes. Both profiles: 10 MiB.",
		},
		"LimitSettings.binary": {
			description: "What happens to binary frames: accept delivers them, refuse closes the connection with code 1003. " +
				"default: accept, aws: refuse.",
		},
	}
}

func integrationAnnotations() map[string]annotation {
	return map[string]annotation{
		"Integration.type": {
			description: "HTTP_PROXY calls a URL, HTTP does so with a request from templates. LAMBDA (alias AWS_PROXY) invokes a " +
				"function with Amazon's proxy event. AWS signs a request from templates for a service's action or path. NATS " +
				"leaves the event to whoever subscribes to the route's subject, or sends it to a subject of your own. MOCK " +
				"answers from templates.",
		},
		"Integration.uri": {
			description: "Where HTTP_PROXY, HTTP and LAMBDA find the backend; AWS: API Gateway's ARN of a service's action or path. " +
				"It may hold {param} of the route's path, or of a mapped one, and ${stageVariables.NAME}.",
			examples: []any{
				"http://${stageVariables.backend}/send", "http://127.0.0.1:3000/pets/{id}",
				"http://127.0.0.1:9000/2015-03-31/functions/function/invocations",
				"arn:aws:apigateway:us-east-1:dynamodb:action/PutItem",
			},
		},
		"Integration.httpMethod": {
			description: "The method of an HTTP_PROXY, HTTP or AWS call. Absent or ANY: the client's own method, and POST for " +
				"WebSocket events.",
			examples: []any{"POST"},
		},
		"Integration.subject": {
			description: "Sends the event of a NATS integration to this subject. Absent: whoever subscribes to the route's " +
				"own subject is the backend.",
			examples: []any{"orders.create"},
		},
		"Integration.payloadFormatVersion": {
			description: "The format of Amazon's proxy event, in quotes. LAMBDA behind an HTTP API: \"1.0\" or \"2.0\" " +
				"(default \"2.0\"). NATS: asks for the proxy event instead of the message itself.",
			examples: []any{"2.0", "1.0"},
		},
		"Integration.requestParameters": {
			description: "Sets headers, query parameters or path parameters of the backend's request: " +
				"integration.request.{header|querystring|path}.NAME from a source such as context.connectionId, " +
				"route.request.header.NAME, stageVariables.NAME or 'a fixed text'.",
			examples: []any{map[string]any{"integration.request.header.connectionId": "context.connectionId"}},
		},
		"Integration.requestTemplates": {
			description: "By key, what HTTP and AWS send to the backend. MOCK: the JSON object whose statusCode picks the response.",
			examples:    []any{map[string]any{"application/json": `{"statusCode":200}`}},
		},
		"Integration.responses": {
			description: "Responses of HTTP, AWS and MOCK by key: default (or $default), or a pattern over the status code such as " +
				"/2\\d\\d/; of AWS over the error message.",
		},
		"Integration.templateSelectionExpression": {
			description: "Picks the request template by the message. Default: application/json, then $default.",
			examples:    []any{"${request.body.type}"},
		},
		"Integration.passthroughBehavior": {
			description: "What a message gets that no request template takes: WHEN_NO_MATCH sends it as it is, WHEN_NO_TEMPLATES " +
				"does so only where there is no template at all, NEVER refuses it.",
			standard: string(gateway.PassthroughNoMatch),
		},
		"Integration.contentHandling": {
			description: "CONVERT_TO_BINARY decodes a base64 message before the call; CONVERT_TO_TEXT encodes it.",
		},
		"IntegrationResponse.templateSelectionExpression": {
			description: "Picks the response template. Default: application/json, then $default.",
			examples:    []any{"${integration.response.statuscode}"},
		},
		"IntegrationResponse.contentHandling": {
			description: "CONVERT_TO_TEXT sends the backend's bytes as base64; CONVERT_TO_BINARY decodes its base64.",
		},
		"Integration.timeoutInMillis": {
			description: "How long the backend may take, from 50 milliseconds up to 15 minutes; under limits: aws up to " +
				"Amazon's 29000 (HTTP APIs 30000). Default: the limits' integrationTimeoutMillis.",
			examples: []any{5000}, min: bound(gateway.MinIntegrationMillis), max: bound(gateway.MaxExtendedMillis),
		},
		"IntegrationResponse.statusCode": {
			description: "The status of the answer. Absent: the one that picked this response.",
			examples:    []any{200}, min: bound(100), max: bound(599),
		},
		"IntegrationResponse.responseTemplates": {
			description: "The answer's body by content type.",
			examples:    []any{map[string]any{"application/json": `{"message":"unknown action"}`}},
		},
	}
}
