package accesslog

import "strings"

// known reports whether a line can ever have the variable of path, so that a misspelt one is told to its author instead of being
// '-' for ever. It takes what Amazon's WebSocket APIs know (contract/websocket-api.md §12), also where it is always missing here,
// and the other members of an event's context (schemas/event).
func known(path string) bool {
	head, member, deep := strings.Cut(path, ".")
	switch head {
	case "authorizer", "stageVariables", "queryStringParameters", "multiValueQueryStringParameters":
		return true // their members have names of the API's own
	case "authenticate", "authorize", "waf":
		return member == "status" || member == "latency" || member == "error"
	case "error":
		switch member {
		case "message", "messageString", "responseType", "validationErrorString":
			return true
		}
	case "integration":
		switch member {
		case "error", "integrationStatus", "latency", "requestId", "status":
			return true
		}
	case "identity":
		switch member {
		case "sourceIp", "userAgent", "accountId", "accessKey", "caller", "user", "userArn", "apiKey", "apiKeyId",
			"cognitoAuthenticationProvider", "cognitoAuthenticationType", "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId":
			return true
		}
	case "apiId", "stage", "deploymentId", "domainName", "domainPrefix", "accountId", "connectionId", "connectedAt", "routeKey",
		"eventType", "requestId", "extendedRequestId", "messageId", "messageDirection", "requestTime", "requestTimeEpoch", "status",
		"integrationLatency", "integrationStatus", "integrationErrorMessage", "disconnectStatusCode", "disconnectReason",
		"rawQueryString":
		return !deep
	}
	return false
}
