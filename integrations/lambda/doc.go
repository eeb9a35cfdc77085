// Package lambda calls functions by the Invoke API of AWS Lambda: the LAMBDA (AWS_PROXY) integration
// (contract/websocket-api.md §6, §7.2; contract/http-api.md §6).
//
// The uri is an invoke endpoint (http://…/2015-03-31/functions/NAME/invocations), as the runtime interface emulator,
// SAM, LocalStack and others serve it. One path through it: an event becomes a proxy event (schemas/proxy), goes out by
// backend.Client, and the function's answer becomes a Reply by schemas/proxy again. On one-way routes the answer is
// not even parsed: only a function error counts.
package lambda
