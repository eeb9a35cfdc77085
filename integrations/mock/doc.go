// Package mock answers events by itself: the MOCK integration (contract/websocket-api.md §7.5, §7.6).
//
// Its request template renders a JSON object with a statusCode, the code chooses a response, and the response's template
// renders the body; integrations/transform does all of it but reading the code. Where the templates have neither variables
// nor directives, everything is decided in Open, and Invoke only hands out the same answer.
package mock
