// Package router decides: which API and stage an address means, which route takes a message or a request, and what a
// client sees when something fails. It opens no socket and knows no NATS.
//
// Its neighbours: internal/app compiles deployments and puts a Table in force; edge asks the Table for every handshake,
// message, request and callback; integrations reads the routes that it has to run; schemas/definition turns the Faults
// of Check into lines and columns. router/mapping holds the expressions, parameters and URIs.
//
// Compile checks a deployment against every rule, reports all faults at once, and otherwise yields a Program. From then
// on nothing is parsed, changed or locked: a request reads the Table from an atomic pointer and keeps it to its end.
//
// # The way of a message
//
// The steps stand in one line, the same for all kinds of APIs (DESIGN §3.8). What differs between the kinds hides
// behind the interface in kind.go.
//
//	match       which program, which route
//	├─ Live.Load, Table.Resolve      live.go, address.go      /{api}/{stage}/…, {api}.{domain}/{stage}/…
//	│  └─ Table.Callback             callback.go              …/@connections/{id} leaves the line here
//	├─ Program.OriginAllowed         origin.go                handshakes only
//	└─ Program.Connect, Disconnect   program.go               by what happens to the connection
//	   Program.Message               kind_websocket.go        by the selection expression
//	   └─ mapping.Valid, Expression.Eval   mapping/text.go, mapping/expression.go
//	   Program.Request               kind_http.go, tree.go    by method and path
//	   └─ compareRank, pattern.values      pattern.go
//	(bus)       the edge sends an event on Route.Subject, with Route.Context in it
//	transform   mapping.Parameters.Apply, mapping.ExpandURI   mapping/parameters.go, mapping/source.go, mapping/uri.go
//	integrate   integrations runs Route.Integration for at most Route.Timeout
//	(bus)       the reply, or an error's Code, comes back
//	respond     ErrorFrame, ConnectStatus, HTTPStatus         errors.go
//
// DESIGN §3.8 has throttle, authorize, API key and quota, and validate between match and the bus, and a transform of
// the result behind integrate. Each gets a file of its own beside these and a line above.
package router
