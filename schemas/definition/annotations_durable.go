package definition

import "github.com/sallyport/sallyport/gateway"

// durableAnnotations are about routes whose messages are stored until they are served.
func durableAnnotations() map[string]annotation {
	return map[string]annotation{
		"Route.delivery": {
			description: "atMostOnce hands a message to the backend once. atLeastOnce stores it first and tries until the backend has " +
				"taken it, or it becomes a dead letter. WebSocket messages only: not for $connect, $disconnect and $refresh.",
			standard: string(gateway.DeliverAtMostOnce),
		},
		"Route.acknowledge": {
			description: "Sends the client a frame with the messageId when its message is stored. One-way atLeastOnce routes only.",
			standard:    false,
		},
		"Route.retry": {description: "How often and when a message is tried again. atLeastOnce routes only."},
		"Retry.maxAttempts": {
			description: "How often a message is tried, the first time included, before it is a dead letter.",
			standard:    gateway.DefaultRetryAttempts, examples: []any{3}, min: bound(1), max: bound(gateway.MaxRetryAttempts),
		},
		"Retry.backoffSeconds": {
			description: "The wait before the second attempt; it doubles before each further one, up to five minutes.",
			standard:    gateway.DefaultRetryBackoffSeconds, examples: []any{5}, min: bound(1), max: bound(gateway.MaxRetryBackoffSeconds),
		},
	}
}
