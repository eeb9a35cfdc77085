// Package transform is what the non-proxy integrations (HTTP, AWS, MOCK) share: it turns an event into a backend's request
// body by request templates, and a backend's answer into the result by integration responses (contract/websocket-api.md
// §7.4 to §7.8, §8.2). router/vtl renders, router/mapping evaluates selection expressions; it calls nobody.
//
// One path through it: a kind calls Parse in Check and in Open; for each event Request picks and renders a request
// template, the kind makes the call, and Response picks the integration response by the Answer's Value, then its
// template, and renders that.
package transform
