package router

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport/sallyport/gateway"
)

func TestCompileWebSocket(t *testing.T) {
	api := websocketAPI("$connect", "$default", "join")
	api.Integrations = map[string]*gateway.Integration{
		"backend": {Type: gateway.IntegrationHTTPProxy, URI: "http://${stageVariables.backend}/send", TimeoutInMillis: 5000},
	}
	api.Routes["send"] = &gateway.Route{Integration: &gateway.IntegrationRef{Name: "backend"}, RouteResponse: true}
	api.Routes["$disconnect"] = &gateway.Route{}
	api.Stages = map[gateway.StageName]*gateway.Stage{"dev": {Variables: map[string]string{"backend": "127.0.0.1:3000"}}}
	p := mustCompile(t, api, "dev")

	if p.API() != "chat" || p.Stage() != "dev" || p.Protocol() != gateway.ProtocolWebSocket || p.Deployment() != "d1" {
		t.Errorf("wrong head: %v %v %v %v", p.API(), p.Stage(), p.Protocol(), p.Deployment())
	}
	if p.MaxInFlight() != gateway.DefaultMaxInFlight {
		t.Errorf("maxInFlight is %d", p.MaxInFlight())
	}
	if p.Limits() != gateway.Profile(gateway.ProfileDefault, gateway.ProtocolWebSocket) {
		t.Errorf("limits are %+v", p.Limits())
	}
	if got := p.Variables()["backend"]; got != "127.0.0.1:3000" {
		t.Errorf("variable backend is %q", got)
	}
	var keys []gateway.RouteKey
	for _, r := range p.Routes() {
		keys = append(keys, r.Key())
	}
	if diff := cmp.Diff([]gateway.RouteKey{"$connect", "$default", "join", "send"}, keys); diff != "" {
		t.Error(diff)
	}
	if p.Disconnect() != nil {
		t.Error("a $disconnect route without an integration is there")
	}
	if c := p.Connect(); c == nil || !c.TwoWay() || !c.Native() {
		t.Errorf("$connect is %+v", c)
	}
	if join := p.Route("join"); join.TwoWay() || !join.Native() || join.Timeout() != 29*time.Second {
		t.Errorf("join is %+v", join)
	}
	send := p.Route("send")
	if !send.TwoWay() || send.Native() || send.Timeout() != 5*time.Second || send.Subject() != "chat|dev|WEBSOCKET|send" {
		t.Errorf("send is %+v", send)
	}
	var context map[string]any
	if err := json.Unmarshal([]byte("{"+strings.TrimPrefix(string(send.Context()), ",")+"}"), &context); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"routeKey": "send", "deploymentId": "d1", "stageVariables": map[string]any{"backend": "127.0.0.1:3000"}}
	if diff := cmp.Diff(want, context); diff != "" {
		t.Error(diff)
	}
}

func TestCompileHTTP(t *testing.T) {
	api := httpAPI("GET /pets/{id}", "$default")
	api.Routes["ANY /v1/{rest+}"] = &gateway.Route{Integration: &gateway.IntegrationRef{Inline: &gateway.Integration{
		Type: gateway.IntegrationHTTPProxy, URI: "http://b.example/{rest}",
	}}}
	p := mustCompile(t, api, "$default")
	r := p.Route("ANY /v1/{rest+}")
	if got := r.Integration().URI; got != "http://b.example/{rest+}" {
		t.Errorf("the greedy parameter is not marked: %s", got)
	}
	if got := api.Routes["ANY /v1/{rest+}"].Integration.Inline.URI; got != "http://b.example/{rest}" {
		t.Errorf("the definition was changed: %s", got)
	}
	if !r.TwoWay() || r.Timeout() != 30*time.Second || r.Native() {
		t.Errorf("route is %+v", r)
	}
	if _, err := p.Message([]byte("{}")); gateway.ErrorCode(err) != gateway.CodeForbidden {
		t.Errorf("a message found a route: %v", err)
	}
	if p.Connect() != nil || p.Disconnect() != nil {
		t.Error("an HTTP API has lifecycle routes")
	}
}

func TestCompileReportsEveryFault(t *testing.T) {
	integration := func(i gateway.Integration) *gateway.Route {
		return &gateway.Route{Integration: &gateway.IntegrationRef{Inline: &i}}
	}
	tests := []struct {
		name   string
		change func(*gateway.API)
		want   []string
	}{
		{"nothing", func(*gateway.API) {}, nil},
		{"head", func(a *gateway.API) { a.APIID, a.Name, a.Protocol, a.MaxInFlight = "Chat", "", "REST", 2000 }, []string{
			`apiId: "Chat" can't be an API id (1 to 64 of a-z, 0-9 and '-')`,
			`name: the API has no name`,
			`protocolType: unknown protocol "REST" (WEBSOCKET or HTTP)`,
			`maxInFlight: 2000 is out of range (1 to 1024; 1 keeps strict order)`,
		}},
		{"management path", func(a *gateway.API) { a.APIID = "restapis" }, []string{
			`apiId: "restapis" is the path of a management call (choose another id)`,
		}},
		{"no routes", func(a *gateway.API) { a.Routes = nil }, []string{`routes: the API has no routes`}},
		{"no expression", func(a *gateway.API) { a.RouteSelectionExpression = "" }, []string{
			`routeSelectionExpression: a WebSocket API needs a route selection expression (for instance $request.body.action)`,
		}},
		{"broken expression", func(a *gateway.API) { a.RouteSelectionExpression = "x-${request.body.a" }, []string{
			`routeSelectionExpression: column 3: the brace is not closed (write ${request.body.name})`,
		}},
		{"route keys", func(a *gateway.API) {
			a.Routes = routesOf("", "$conect", "$other", gateway.RouteKey(strings.Repeat("x", 1025)))
		}, []string{
			`routes.: a route key is empty`,
			`routes.$conect: "$conect" can't be a route key: only predefined ones begin with $ (did you mean "$connect"?)`,
			`routes.$other: "$other" can't be a route key: only predefined ones begin with $ (there are $connect, $default, $disconnect, $refresh)`,
			`routes.` + strings.Repeat("x", 1025) + `: the route key is too long (at most 1024 bytes)`,
		}},
		{"lifecycle routes can't answer", func(a *gateway.API) {
			a.Routes["$connect"] = &gateway.Route{RouteResponse: true}
			a.Routes["$disconnect"] = &gateway.Route{RouteResponse: true}
		}, []string{
			`routes.$connect.routeResponse: $connect can't answer with a frame (remove it)`,
			`routes.$disconnect.routeResponse: $disconnect can't answer with a frame (remove it)`,
		}},
		{"references", func(a *gateway.API) {
			a.Integrations = map[string]*gateway.Integration{"backend": {Type: gateway.IntegrationNATS}, "store": {Type: gateway.IntegrationNATS}, "none": nil}
			a.Routes["a"] = &gateway.Route{Integration: &gateway.IntegrationRef{Name: "bakend"}}
			a.Routes["b"] = &gateway.Route{Integration: &gateway.IntegrationRef{Name: "zzz"}}
			a.Routes["c"] = &gateway.Route{Integration: &gateway.IntegrationRef{}}
			a.Routes["d"] = &gateway.Route{}
			a.Routes["e"] = nil
			a.Routes["f"] = &gateway.Route{Integration: &gateway.IntegrationRef{Name: "store", Inline: &gateway.Integration{}}}
		}, []string{
			`integrations.none: the integration is empty (give it a type)`,
			`routes.a.integration: no integration is named "bakend" (did you mean "backend"?)`,
			`routes.b.integration: no integration is named "zzz" (there are backend, none, store)`,
			`routes.c.integration: the integration is empty (name one or describe it in place)`,
			`routes.d: the route has no integration (name one or describe it in place)`,
			`routes.e: the route has no integration (name one or describe it in place)`,
			`routes.f.integration: the integration is both named and described (keep one of them)`,
		}},
		{"no shared integrations", func(a *gateway.API) {
			a.Routes["a"] = &gateway.Route{Integration: &gateway.IntegrationRef{Name: "x"}}
		}, []string{`routes.a.integration: no integration is named "x" (there are none)`}},
		{"integrations", func(a *gateway.API) {
			a.Integrations = map[string]*gateway.Integration{
				"a": {Type: "FTP", TimeoutInMillis: 49},
				"b": {Type: gateway.IntegrationNATS, TimeoutInMillis: 900_001, RequestParameters: map[string]string{"header.x": "'y'"}},
				"c": {Type: gateway.IntegrationHTTPProxy, URI: "http://b/{x", TimeoutInMillis: 900_000},
			}
		}, []string{
			`integrations.a.type: unknown integration type "FTP" (HTTP_PROXY, HTTP, LAMBDA, AWS, NATS or MOCK)`,
			`integrations.a.timeoutInMillis: 49 is out of range (50 to 900000)`,
			`integrations.b.timeoutInMillis: 900001 is out of range (50 to 900000)`,
			`integrations.b.requestParameters.header.x: not a target of a request parameter (write integration.request.{header|querystring|path}.NAME; NAME has letters, digits and . _ $ -)`,
			`integrations.c.uri: column 10: the brace is not closed (write {name} or ${stageVariables.name})`,
		}},
		{"amazon's timeout", func(a *gateway.API) {
			a.Limits = &gateway.LimitSettings{Profile: gateway.ProfileAWS, IntegrationTimeoutMillis: pointer(29_001)}
			a.Routes["a"] = integration(gateway.Integration{Type: gateway.IntegrationNATS, TimeoutInMillis: 29_000})
			a.Routes["b"] = integration(gateway.Integration{Type: gateway.IntegrationNATS, TimeoutInMillis: 29_001})
		}, []string{
			`limits.integrationTimeoutMillis: 29001 is out of range (50 to 29000)`,
			`routes.b.integration.timeoutInMillis: 29001 is out of range (50 to 29000)`,
		}},
		{"uris", func(a *gateway.API) {
			a.Stages = map[gateway.StageName]*gateway.Stage{"dev": {Variables: map[string]string{"have": "x"}}}
			a.Integrations = map[string]*gateway.Integration{"shared": {Type: gateway.IntegrationHTTPProxy, URI: "http://b/{room}"}}
			a.Routes["a"] = integration(gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://${stageVariables.have}/${stageVariables.want}"})
			a.Routes["b"] = &gateway.Route{Integration: &gateway.IntegrationRef{Name: "shared"}}
			a.Routes["c"] = integration(gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://b/{room}",
				RequestParameters: map[string]string{"integration.request.path.room": "route.request.body.room"}})
		}, []string{
			`routes.a.integration.uri: the uri needs the variable "want", which stage "dev" does not have (add it under stages.dev.variables)`,
			`routes.b.integration: the uri needs {room}, which the route does not give (map it with integration.request.path.room)`,
		}},
		{"no stage for a variable", func(a *gateway.API) {
			a.Routes["a"] = integration(gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://${stageVariables.b}/"})
		}, []string{
			`routes.a.integration.uri: the uri needs the variable "b", but the API names no stage (add it under stages.NAME.variables)`,
		}},
		{"stages", func(a *gateway.API) {
			a.Stages = map[gateway.StageName]*gateway.Stage{
				"dev": nil, "$default": nil, "$other": nil,
				"a b": {Variables: map[string]string{"x-y": "1", "ok_1": "2", "long": strings.Repeat("x", 2049)}},
			}
		}, []string{
			`stages.$other: "$other" can't be a stage name (letters, digits, '-' and '_', at most 128, or $default)`,
			`stages.a b: "a b" can't be a stage name (letters, digits, '-' and '_', at most 128, or $default)`,
			`stages.a b.variables.long: the value is too long (at most 2048 bytes)`,
			`stages.a b.variables.x-y: "x-y" can't be a stage variable (letters, digits and '_', at most 64)`,
		}},
		{"origins", func(a *gateway.API) {
			a.AllowOrigins = []string{"*", "null", "https://a.example", "a.example", "https://a.example/", "https://a.example:8443", "https://"}
		}, []string{
			`allowOrigins.3: "a.example" is not an origin (scheme://host or scheme://host:port without a path, or *)`,
			`allowOrigins.4: "https://a.example/" is not an origin (scheme://host or scheme://host:port without a path, or *)`,
			`allowOrigins.6: "https://" is not an origin (scheme://host or scheme://host:port without a path, or *)`,
		}},
		{"limits", func(a *gateway.API) {
			a.Limits = &gateway.LimitSettings{
				Profile: "amazon", Binary: "maybe",
				MaxMessageBytes: pointer(8<<20 + 1), MaxFrameBytes: pointer(0), IdleTimeoutSeconds: pointer(-1),
				MaxConnectionSeconds: pointer(0), PingIntervalSeconds: pointer(86_401), PongTimeoutSeconds: pointer(3601),
				SendQueueBytes: pointer(1023), SlowClientSeconds: pointer(0), IntegrationTimeoutMillis: pointer(49),
				MaxBodyBytes: pointer(10<<20 + 1),
			}
		}, []string{
			`limits.profile: unknown profile "amazon" (default or aws)`,
			`limits.binary: unknown policy "maybe" (accept or refuse)`,
			`limits.maxMessageBytes: 8388609 is out of range (1 to 8388608)`,
			`limits.maxFrameBytes: 0 is out of range (1 to 8388608)`,
			`limits.idleTimeoutSeconds: -1 is out of range (1 to 31536000, or 0 for no limit)`,
			`limits.pingIntervalSeconds: 86401 is out of range (1 to 86400, or 0 for no limit)`,
			`limits.pongTimeoutSeconds: 3601 is out of range (1 to 3600, or 0 for no limit)`,
			`limits.sendQueueBytes: 1023 is out of range (1024 to 67108864)`,
			`limits.slowClientSeconds: 0 is out of range (1 to 3600)`,
			`limits.integrationTimeoutMillis: 49 is out of range (50 to 900000)`,
			`limits.maxBodyBytes: 10485761 is out of range (1 to 10485760)`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			api := websocketAPI("$default")
			test.change(api)
			if diff := cmp.Diff(test.want, faultLines(Check(api, Config{}))); diff != "" {
				t.Errorf("Check:\n%s", diff)
			}
			p, faults := Compile(&gateway.Deployment{API: api, Stage: "dev"}, Config{})
			if (p == nil) != (len(test.want) > 0) || len(faults) > len(test.want) {
				t.Errorf("Compile gave %v and %v", p, faults)
			}
		})
	}
}

func TestCompileHTTPFaults(t *testing.T) {
	api := httpAPI("GET /a/{x}", "GET /a/{y}", "ANY /a/{y}", "get /a", "FETCH /a", "GET a", "/a", "$connect", "GET ", "GET /a/{p+}/b",
		"GET /{x}/{x}", "GET /pre{x}", "GET /{}", "GET /{a b}", "GET /a%20b", "GET /a?b", "GET /x/@connections/{id}", "GET /../a", "GET  /a", "GET /ok/", "GET /a//b")
	api.RouteSelectionExpression = "$request.body.action"
	api.MaxInFlight = 3
	api.AllowOrigins = []string{"https://a.example"}
	api.Routes["GET /ok"] = &gateway.Route{Integration: nativeRef(), RouteResponse: true}
	api.Routes["GET /id/{id}"] = &gateway.Route{Integration: &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://b/{id}/{name}"}}}
	want := []string{
		`routeSelectionExpression: HTTP APIs always select by method and path (leave it out, or write ${request.method} ${request.path})`,
		`maxInFlight: only WebSocket APIs have it (leave it out)`,
		`allowOrigins: only WebSocket handshakes are checked for it (leave it out)`,
		`routes.$connect: "$connect" is not a route key of an HTTP API (METHOD /path with {name} and {name+}, or $default)`,
		`routes./a: "/a" is not a route key of an HTTP API (METHOD /path with {name} and {name+}, or $default)`,
		`routes.FETCH /a: unknown method "FETCH" (one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, ANY)`,
		`routes.GET : the path "" does not begin with a slash (METHOD /path with {name} and {name+}, or $default)`,
		`routes.GET  /a: the path " /a" does not begin with a slash (METHOD /path with {name} and {name+}, or $default)`,
		`routes.GET /../a: clients resolve . and .. before they send a path (write the path without them)`,
		`routes.GET /a%20b: "a%20b" has a character that no path segment of a route key can have (write the decoded text, without ? and #)`,
		`routes.GET /a/{p+}/b: {p+} takes the rest of the path, so nothing can follow it (move it to the end)`,
		`routes.GET /a/{y}: matches the same requests as "GET /a/{x}" (keep one of them)`,
		`routes.GET /a?b: "a?b" has a character that no path segment of a route key can have (write the decoded text, without ? and #)`,
		`routes.GET /ok.routeResponse: only WebSocket routes have it: HTTP routes always answer (leave it out)`,
		`routes.GET /pre{x}: a parameter fills a whole segment, unlike in "pre{x}" (/{name}/ between two slashes)`,
		`routes.GET /x/@connections/{id}: @connections belongs to the callback API (choose another name)`,
		`routes.GET /{a b}: "{a b}" is not a path parameter ({name} or {name+}; name of letters, digits and _ . : -)`,
		`routes.GET /{x}/{x}: the parameter "x" stands twice (give each its own name)`,
		`routes.GET /{}: "{}" is not a path parameter ({name} or {name+}; name of letters, digits and _ . : -)`,
		`routes.GET a: the path "a" does not begin with a slash (METHOD /path with {name} and {name+}, or $default)`,
		`routes.get /a: unknown method "get" (write GET)`,
		`routes.GET /id/{id}.integration.uri: the uri needs {name}, which the route does not give (map it with integration.request.path.name)`,
	}
	if diff := cmp.Diff(want, faultLines(Check(api, Config{}))); diff != "" {
		t.Error(diff)
	}
	fine := httpAPI("GET /a")
	fine.RouteSelectionExpression = "${request.method} ${request.path}"
	if faults := Check(fine, Config{}); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestCompileChecksTheDeployedStage(t *testing.T) {
	api := websocketAPI("$default")
	api.Stages = map[gateway.StageName]*gateway.Stage{"dev": {Variables: map[string]string{"b": "x"}}, "prod": {}}
	api.Routes["a"] = &gateway.Route{Integration: &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationHTTPProxy, URI: "http://${stageVariables.b}/"}}}
	mustCompile(t, api, "dev")
	if faults := Check(api, Config{}); len(faults) != 1 || !strings.Contains(faults[0].Problem, `stage "prod"`) {
		t.Errorf("Check gave %v", faults)
	}
	for _, stage := range []gateway.StageName{"prod", "other", "no stage"} {
		if p, faults := Compile(&gateway.Deployment{API: api, Stage: stage}, Config{}); p != nil || len(faults) == 0 {
			t.Errorf("stage %q compiled", stage)
		}
	}
	if p, faults := Compile(&gateway.Deployment{Stage: "dev"}, Config{}); p != nil || len(faults) != 1 {
		t.Errorf("a deployment without an API gave %v, %v", p, faults)
	}
}

func TestIntegrationKindsAreAsked(t *testing.T) {
	api := websocketAPI("$default")
	api.Integrations = map[string]*gateway.Integration{"x": {Type: gateway.IntegrationMock, URI: "{"}}
	var protocol gateway.Protocol
	config := Config{Checks: map[gateway.IntegrationType]IntegrationCheck{
		gateway.IntegrationMock: func(_ *gateway.Integration, p gateway.Protocol) []gateway.Fault {
			protocol = p
			return []gateway.Fault{
				{Path: []string{"responses", "default"}, Problem: "is wrong", Hint: "put it right"},
				{Path: []string{"uri"}, Problem: "column 1: the brace is not closed (write {name} or ${stageVariables.name})"},
			}
		},
	}}
	want := []string{
		"integrations.x.uri: column 1: the brace is not closed (write {name} or ${stageVariables.name})",
		"integrations.x.responses.default: is wrong (put it right)",
	}
	if diff := cmp.Diff(want, faultLines(Check(api, config))); diff != "" {
		t.Error(diff)
	}
	if protocol != gateway.ProtocolWebSocket {
		t.Errorf("the check was asked about %q", protocol)
	}
}

func TestPayloadCap(t *testing.T) {
	const most = 960 << 10 // a server with max_payload 1 MiB
	config := Config{PayloadCap: most}
	tests := []struct {
		name        string
		limits      *gateway.LimitSettings
		integration gateway.Integration
		faults      int
		message     int
	}{
		{"profile is lowered", nil, gateway.Integration{Type: gateway.IntegrationNATS}, 0, most},
		{"aws fits", &gateway.LimitSettings{Profile: gateway.ProfileAWS}, gateway.Integration{Type: gateway.IntegrationNATS}, 0, 128 << 10},
		{"named figure fits", &gateway.LimitSettings{MaxMessageBytes: pointer(most)}, gateway.Integration{Type: gateway.IntegrationNATS}, 0, most},
		{"named figures do not fit", &gateway.LimitSettings{MaxMessageBytes: pointer(most + 1), MaxBodyBytes: pointer(most + 1)}, gateway.Integration{Type: gateway.IntegrationNATS}, 2, 0},
		{"base64 grows", nil, gateway.Integration{Type: gateway.IntegrationNATS, PayloadFormatVersion: "2.0"}, 0, most / 4 * 3},
		{"base64 does not fit", &gateway.LimitSettings{MaxMessageBytes: pointer(most)}, gateway.Integration{Type: gateway.IntegrationNATS, PayloadFormatVersion: "1.0"}, 1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			api := websocketAPI("$default")
			api.Limits = test.limits
			api.Routes["x"] = &gateway.Route{Integration: &gateway.IntegrationRef{Inline: &test.integration}}
			p, faults := Compile(&gateway.Deployment{API: api, Stage: "dev"}, config)
			if len(faults) != test.faults {
				t.Fatalf("got %v, want %d faults", faults, test.faults)
			}
			if p != nil && p.Limits().MaxMessageBytes != test.message {
				t.Errorf("messages of %d bytes, want %d", p.Limits().MaxMessageBytes, test.message)
			}
		})
	}
}

// A queue need not hold the largest message: it counts what waits behind that.
func TestSendQueueMayBeSmallerThanAMessage(t *testing.T) {
	api := websocketAPI("$default")
	api.Limits = &gateway.LimitSettings{MaxMessageBytes: pointer(4 << 20)}
	if got := mustCompile(t, api, "dev").Limits().SendQueueBytes; got != 64<<10 {
		t.Errorf("the queue has %d bytes", got)
	}
}

func TestOriginAllowed(t *testing.T) {
	tests := []struct {
		list   []string
		origin string
		want   bool
	}{
		{nil, "https://evil.example", true},
		{[]string{"https://a.example", "*"}, "https://evil.example", true},
		{[]string{"https://a.example"}, "", true},
		{[]string{"https://a.example"}, "https://A.Example", true},
		{[]string{"https://A.example"}, "https://a.example", true},
		{[]string{"https://a.example"}, "https://a.example:443", true},
		{[]string{"http://a.example:80"}, "http://a.example", true},
		{[]string{"https://a.example"}, "https://a.example:8443", false},
		{[]string{"https://a.example:8443"}, "https://a.example:8443", true},
		{[]string{"https://a.example"}, "http://a.example", false},
		{[]string{"https://a.example"}, "https://b.a.example", false},
		{[]string{"https://a.example"}, "https://a.example.evil", false},
		{[]string{"https://a.example"}, "https://a.example@evil.example", false},
		{[]string{"https://a.example"}, "https://a.example/x", false},
		{[]string{"https://a.example"}, "null", false},
		{[]string{"null"}, "null", true},
		{[]string{"http://[::1]:3000"}, "http://[::1]:3000", true},
		{[]string{"https://a.example"}, "%", false},
	}
	for _, test := range tests {
		api := websocketAPI("$default")
		api.AllowOrigins = test.list
		if got := mustCompile(t, api, "dev").OriginAllowed(test.origin); got != test.want {
			t.Errorf("%v, origin %q: got %v, want %v", test.list, test.origin, got, test.want)
		}
	}
}
