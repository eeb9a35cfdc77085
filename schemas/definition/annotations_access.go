package definition

import "github.com/sallyport/sallyport/gateway"

// accessAnnotations are about who may come in, and with what.
func accessAnnotations() map[string]annotation {
	return map[string]annotation{
		"API.apiKeySelectionExpression": {
			description: "Where $connect has the client's API key: " + gateway.APIKeyHeaderExpression + " or " +
				gateway.APIKeyAuthorizerExpression + ".",
			standard: gateway.APIKeyHeaderExpression, examples: []any{gateway.APIKeyAuthorizerExpression},
		},
		"API.apiKeys": {description: "The keys that routes with apiKeyRequired take."},
		"API.postDuringConnect": {
			description: "What a callback gets while $connect is under way: gone answers 410 as Amazon does, hold delivers the " +
				"message when the connection opens.",
			standard: string(gateway.PostGone),
		},
		"API.keepHandshake": {
			description: "Parts of the handshake that later events carry too: headers, query.", examples: []any{[]any{"headers"}},
		},
		"API.authorizers": {description: "Authorizers by name, for routes that say authorizer: NAME."},
		"API.models":      {description: "JSON Schemas by name, for routes that name them in requestModels."},
		"Route.authorizer": {
			description: "Who decides: the name of one under authorizers, IAM (a SigV4 signature) or NONE. WebSocket: $connect only.",
			standard:    gateway.AuthorizerNone, examples: []any{"users", gateway.AuthorizerIAM},
		},
		"Route.authorizationScopes": {
			description: "Scopes of which the client's identity needs one. On a message route: of its $connect.",
			examples:    []any{[]any{"chat.write"}},
		},
		"Route.apiKeyRequired": {description: "Asks for an API key at $connect.", standard: false},
		"Route.modelSelectionExpression": {
			description: "Picks the key of requestModels by the message. Default: $default where there are models.",
			examples:    []any{"$request.body.action"},
		},
		"Route.requestModels": {
			description: "The names of models by key: a message that does not fit gets the Bad request body frame.",
			examples:    []any{map[string]any{"$default": "Message"}},
		},
		"Route.requestParameters": {
			description: "Parameters of $connect, such as route.request.querystring.token: {required: true}.",
		},
		"Route.throttle":            {description: "Bounds the events of the route. A stage's routeSettings come before it."},
		"RequestParameter.required": {description: "Refuses a request without it with 400.", standard: false},
		"Model.schema": {
			description: "The JSON Schema, draft 4 unless $schema says otherwise.", examples: []any{map[string]any{"type": "object"}},
		},
		"Model.contentType": {description: "The content type that the model is for.", examples: []any{"application/json"}},
		"AuthorizerSettings.type": {
			description: "REQUEST asks a backend about each connection. JWT checks a token by its issuer's keys.",
		},
		"AuthorizerSettings.identitySource": {
			description: "What must be in the request, else the client gets 401: route.request.header.NAME, " +
				"route.request.querystring.NAME, stageVariables.NAME, context.NAME. JWT: where the token may be.",
			examples: []any{[]any{"route.request.querystring.token"}},
		},
		"AuthorizerSettings.jwtConfiguration": {description: "Which tokens a JWT authorizer takes."},
		"AuthorizerSettings.integration": {
			description: "What answers a REQUEST authorizer: LAMBDA, HTTP_PROXY, or NATS, which leaves it to whoever " +
				"subscribes to the authorizer's subject.",
		},
		"JWTConfiguration.issuer": {
			description: "The iss of tokens, and where the issuer's discovery document is.", examples: []any{"https://id.example.com"},
			minLength: 1,
		},
		"JWTConfiguration.audience": {
			description: "Values of which a token's aud or client_id must have one.", examples: []any{[]any{"chat"}},
		},
		"APIKey.name":     {description: "Names the key in events and logs.", minLength: 1, examples: []any{"partner"}},
		"APIKey.value":    {description: "What clients send.", minLength: 1, examples: []any{"a long random text"}},
		"APIKey.throttle": {description: "Bounds the connections made with the key."},
	}
}

// stageAnnotations are about what a stage adds.
func stageAnnotations() map[string]annotation {
	return map[string]annotation{
		"Stage.throttle":      {description: "Bounds all events of the stage together."},
		"Stage.routeSettings": {description: "What the stage says of single routes, by route key."},
		"Stage.accessLog":     {description: "Writes a line for each event of the stage."},
		"Stage.domains": {
			description: "Custom domains under which the stage is served too. Their names have to lead here by DNS or a proxy.",
		},
		"DomainMapping.domainName": {
			description: "The host name in lower case; *.example.com stands for any one label.",
			examples:    []any{"api.example.com"}, pattern: gateway.DomainNamePattern,
		},
		"DomainMapping.apiMappingKey": {
			description: "The path below which the stage is served. Default: every path that no other key of the domain takes.",
			examples:    []any{"orders"}, pattern: gateway.APIMappingKeyPattern,
		},
		"RouteSettings.throttle": {description: "Bounds the events of the route on this stage."},
		"Throttle.rateLimit":     {description: "Events a second.", examples: []any{100}},
		"Throttle.burstLimit":    {description: "Events at once.", examples: []any{200}, min: bound(1)},
		"AccessLogSettings.format": {
			description: "json, clf, or a text with $context variables.", standard: "json",
			examples: []any{"$context.requestId $context.routeKey $context.status"},
		},
		"AccessLogSettings.destination": {
			description: "stdout, stderr or the path of a file, to which lines are appended.", standard: "stdout",
			examples: []any{"access.log"},
		},
	}
}
