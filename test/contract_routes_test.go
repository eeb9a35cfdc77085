package test

import (
	"fmt"
	"strings"
	"testing"
)

// Which route a message takes: the language of §3, its examples, and its steps. The rest of the matrix is
// TestConformance04Routes.
func TestContract3RouteSelection(t *testing.T) {
	t.Parallel()
	const example = `{"service":"chat","action":"join","data":{"room":"room1234"}}`
	rows := []struct{ row, expression, message, key string }{
		{"text behind a variable", "${request.body.version}-beta", `{"version":"2"}`, "2-beta"},
		{"text before a variable", "v-${request.body.version}", `{"version":"2"}`, "v-2"},
		{"several variables", "${request.body.a}${request.body.b}", `{"a":"x","b":"y"}`, "xy"},
		{"one pass, never recursive", "$request.body.action", `{"action":"a${request.body.other}","other":"x"}`, "a${request.body.other}"},
		{"a literal dollar", `\$default`, example, "$default"},
		{"a literal dollar within text", `a\$b`, example, "a$b"},
		{"a constant", "action", example, "action"},
		{"example: $request.body.action", "$request.body.action", example, "join"},
		{"example: ${request.body.action}", "${request.body.action}", example, "join"},
		{"example: two variables and a slash", "${request.body.service}/${request.body.action}", example, "chat/join"},
		{"unwrapped, up to a slash", "$request.body.service/$request.body.action", example, "chat/join"},
		{"a nested path", "$request.body.data.room", example, "room1234"},
		{"an index", "$request.body.list[1]", `{"list":["a","b"]}`, "b"},
		{"a hyphen in an unwrapped name", "$request.body.detail-type", `{"detail-type":"x"}`, "x"},
		{"a missing path is empty, the rest stays", "${request.body.action}-${request.body.missing}", example, "join-"},
		{"an array of two", "$request.body.list", `{"list":["item1","item2"]}`, "[item1, item2]"},
		{"a number is its JSON text", "$request.body.n", `{"n":1.50}`, "1.50"},
		{"a boolean is its JSON text", "$request.body.b", `{"b":true}`, "true"},
		{"null is missing", "a${request.body.x}b", `{"x":null}`, "ab"},
		{"an object is compact JSON", "$request.body.o", `{"o": {"a": 1, "b": [2, 3]}}`, `{"a":1,"b":[2,3]}`},
		{"upper and lower case differ", "$request.body.action", `{"action":"Join"}`, "$default"},
		{"a name's case differs", "$request.body.Action", `{"action":"join"}`, "$default"},
		{"no equal key", "$request.body.action", `{"action":"leave"}`, "$default"},
		{"no JSON", "$request.body.action", `join`, "$default"},
		{"half of JSON", "$request.body.action", `{"action":"join"`, "$default"},
		{"no JSON, and a constant expression", "action", `hello`, "$default"},
		{"JSON that is no object", "$request.body.action", `["join"]`, "$default"},
		{"an empty message", "$request.body.action", ``, "$default"},
		{"a body that names $connect", "$request.body.action", `{"action":"$connect"}`, "$default"},
		{"a body that names $disconnect", "$request.body.action", `{"action":"$disconnect"}`, "$default"},
		{"a body that names $default", "$request.body.action", `{"action":"$default"}`, "$default"},
	}
	files := map[string]string{}
	for i, c := range rows {
		routes := []string{
			mockRoute("$default", "$context.routeKey"), mockRoute("join", "$context.routeKey"), "$connect: {}",
			`$disconnect: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":200}'}}}`,
		}
		if c.key != "$default" && c.key != "join" {
			routes = append(routes, strings.Replace(mockRoute("KEY", "$context.routeKey"), `"KEY"`, "'"+c.key+"'", 1))
		}
		name := fmt.Sprint("row", i)
		files[name+".yaml"] = socketAPI(name, fmt.Sprintf("routeSelectionExpression: '%s'\n", c.expression), routes...)
	}
	g := startGateway(t, files, nil)
	for i, c := range rows {
		t.Run(c.row, func(t *testing.T) {
			conn := mustDial(t, g, fmt.Sprintf("/row%d/dev", i))
			conn.send(c.message)
			if got := conn.recv(); got != c.key {
				t.Errorf("%s sends %s to %q, want %q", c.expression, c.message, got, c.key)
			}
		})
	}
}

// The table "which expression supports what": what is not supported is a fault of the definition.
func TestContract3ExpressionsSupport(t *testing.T) {
	t.Parallel()
	route := mockRoute("x", "x")
	withModel := "models: {M: {schema: {type: object}}}\n"
	for _, c := range []struct {
		row, text string
		fault     string // part of what validate says; "" for none
	}{
		{"routes: body paths", socketAPI("chat", "routeSelectionExpression: $request.body.a.b\n", route), ""},
		{"routes: no headers", socketAPI("chat", "routeSelectionExpression: $request.header.x\n", route), "routeSelectionExpression"},
		{"routes: no context", socketAPI("chat", "routeSelectionExpression: $context.stage\n", route), "routeSelectionExpression"},
		{"routes: the expression is mandatory", strings.Replace(socketAPI("chat", "", route), "routeSelectionExpression: $request.body.action\n", "", 1), "routeSelectionExpression"},
		{"models: body paths", socketAPI("chat", withModel, strings.Replace(route, "{routeResponse", "{modelSelectionExpression: $request.body.a, requestModels: {$default: M}, routeResponse", 1)), ""},
		{"models: no headers", socketAPI("chat", withModel, strings.Replace(route, "{routeResponse", "{modelSelectionExpression: $request.header.a, requestModels: {$default: M}, routeResponse", 1)), "modelSelectionExpression"},
		{"API keys: the header", socketAPI("chat", "apiKeySelectionExpression: $request.header.x-api-key\n", route), ""},
		{"API keys: the authorizer's", socketAPI("chat", "apiKeySelectionExpression: $context.authorizer.usageIdentifierKey\n"+
			"authorizers: {users: {type: REQUEST, integration: {type: NATS}}}\n", route, `$connect: {authorizer: users}`), ""},
		{"API keys: nothing else", socketAPI("chat", "apiKeySelectionExpression: $request.body.key\n", route), "apiKeySelectionExpression"},
		{"keys of routes do not begin with $", socketAPI("chat", "", mockRoute("$mine", "x")), "$mine"},
	} {
		t.Run(c.row, func(t *testing.T) {
			if said := faultsOf(t, c.text); (said != "") != (c.fault != "") || !strings.Contains(said, c.fault) {
				t.Errorf("validate says %q, want something about %q", said, c.fault)
			}
		})
	}
}
