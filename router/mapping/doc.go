// Package mapping takes values out of events: selection expressions, request parameters and integration URIs.
//
// Its neighbours: router parses all three when a deployment is compiled and evaluates selection expressions for each
// message; the integrations apply Parameters and ExpandURI before they call a backend. It does no I/O and knows no
// routes. Everything is parsed once and read only afterwards, so every type here is safe for concurrent use.
//
// One path through it: ParseExpression turns `${request.body.service}/${request.body.action}` into literals and body
// paths; Valid says whether a message is JSON; Eval appends `chat/join`, the route key, to the caller's buffer.
//
// Most paths are plain: member names and array indexes. They are looked up level by level in the message's bytes
// (scan.go), which allocates nothing; no text of a definition is ever a path for gjson, whose language has modifiers and
// queries of its own. Every other JSON path is evaluated by router/vtl/jsonpath over the whole message, in bounds that
// grow with the message (document.go).
package mapping
