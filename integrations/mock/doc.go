// Package mock answers events by itself: the MOCK integration (contract/websocket-api.md §7.5, §7.6).
//
// Its request template names a status code, the status code chooses a response, and the response's template is the
// body. Templates are fixed texts here: what uses a variable or a directive is a fault, so that no document changes its
// meaning when templates are rendered. So everything is decided in Open, and Invoke only hands out the same answer.
package mock
