// Package policy evaluates the policy documents that REQUEST authorizers answer with (contract/websocket-api.md §10.1), in
// the language of Amazon's IAM as far as such documents use it.
//
// It knows nothing of connections and does no I/O; authorizers/request is its user. One path through it: Allows bounds and
// parses the document, looks at each statement that covers the action and the resource, and lets an explicit Deny win over
// every Allow. What it cannot judge (conditions, principals, policy variables) is an error, never a consent.
package policy
