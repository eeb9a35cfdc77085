package test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// What is not there at all is not ignored: a definition that asks for it has a fault, which names it. These are the rows
// of docs/compatibility.md, and what contract/websocket-api.md knows and nobody has built.
func TestAbsentFeaturesAreRefused(t *testing.T) {
	t.Parallel()
	const integration = `{type: HTTP_PROXY, uri: "http://127.0.0.1/"`
	with := func(member string) string {
		return socketAPI("chat", "", "x: {integration: "+integration+", "+member+"}}")
	}
	web := func(head, route string) string {
		return "name: web\nprotocolType: HTTP\n" + head + "routes:\n  GET /x: {" + route + "integration: " + integration + "}}\nstages: {dev: {}}\n"
	}
	for row, c := range map[string]struct{ text, fault string }{
		"REST APIs":                                    {strings.Replace(web("", ""), "HTTP\n", "REST\n", 1), "protocolType"},
		"CORS of HTTP APIs":                            {web("corsConfiguration: {allowOrigins: ['*']}\n", ""), "corsConfiguration"},
		"authorizers of HTTP APIs":                     {web("authorizers: {users: {type: REQUEST, integration: {type: NATS}}}\n", ""), "authorizers"},
		"IAM of HTTP APIs":                             {web("", "authorizer: IAM, "), "authorizer"},
		"API keys of HTTP APIs":                        {web("apiKeys: [{name: a, value: secret-of-a}]\n", ""), "apiKeys"},
		"usage plans":                                  {socketAPI("chat", "usagePlans: {}\n", whoRoute), "usagePlans"},
		"quotas":                                       {socketAPI("chat", "apiKeys: [{name: a, value: secret-of-a, quota: {limit: 1}}]\n", whoRoute), "quota"},
		"throttles of HTTP APIs":                       {web("", "throttle: {rateLimit: 1, burstLimit: 1}, "), "throttle"},
		"access logs of HTTP APIs":                     {strings.Replace(web("", ""), "dev: {}", "dev: {accessLog: {format: json}}", 1), "accessLog"},
		"resource policies (§10.2)":                    {socketAPI("chat", "policy: {}\n", whoRoute), "policy"},
		"custom gateway responses (§5)":                {socketAPI("chat", "gatewayResponses: {}\n", whoRoute), "gatewayResponses"},
		"VPC links (§7.1)":                             {with("connectionType: VPC_LINK"), "connectionType"},
		"roles of integrations":                        {with("credentialsArn: 'arn:aws:iam::1:role/x'"), "credentialsArn"},
		"response parameters":                          {with("responses: {default: {responseParameters: {}}}"), "responseParameters"},
		"an ARN as a LAMBDA":                           {socketAPI("chat", "", `x: {integration: {type: LAMBDA, uri: "arn:aws:lambda:us-east-1:1:function:f"}}`), "uri"},
		"client certificates of stages (§13)":          {socketAPI("chat", "", whoRoute) + "stages: {dev: {clientCertificateId: x}}\n", "clientCertificateId"},
		"execution logs (§12)":                         {socketAPI("chat", "", whoRoute) + "stages: {dev: {routeSettings: {who: {loggingLevel: INFO}}}}\n", "loggingLevel"},
		"a cache of authorizers (§10.1)":               {socketAPI("chat", "authorizers: {users: {type: REQUEST, authorizerResultTtlInSeconds: 300, integration: {type: NATS}}}\n", whoRoute), "authorizerResultTtlInSeconds"},
		"simple responses of authorizers (§10.1)":      {socketAPI("chat", "authorizers: {users: {type: REQUEST, enableSimpleResponses: true, integration: {type: NATS}}}\n", whoRoute), "enableSimpleResponses"},
		"models of route responses, as on Amazon (§3)": {socketAPI("chat", "", "x: {routeResponse: {responseModels: {}}, integration: {type: NATS}}"), "routeResponse"},
	} {
		t.Run(row, func(t *testing.T) {
			if said := faultsOf(t, c.text); !strings.Contains(said, c.fault) {
				t.Errorf("validate says %q, want something about %s", said, c.fault)
			}
		})
	}
}

// A file names its stages; none named means dev under dev and $default under serve (docs/compatibility.md, stages).
func TestStagesOfAFile(t *testing.T) {
	t.Parallel()
	none := socketAPI("chat", "", whoRoute)
	files := map[string]string{"chat.yaml": none, "named.yaml": socketAPI("named", "", whoRoute) + "stages: {prod: {}, test: {}}\n"}
	for mode, statuses := range map[string]map[string]int{
		"dev":   {"/chat/dev": 101, "/chat": 403, "/named/prod": 101, "/named/test": 101, "/named/dev": 403},
		"serve": {"/chat": 101, "/chat/dev": 403, "/named/prod": 101, "/named/test": 101, "/named/dev": 403, "/named": 403},
	} {
		t.Run(mode, func(t *testing.T) {
			start := asServe
			if mode == "dev" {
				start = nil
			}
			g := startGateway(t, files, start)
			for path, want := range statuses {
				if _, got := knock(t, g, path, nil); got != want {
					t.Errorf("%s: the client got %d, want %d", path, got, want)
				}
			}
		})
	}
}

// HTTP APIs: a call that may have reached its backend is not made again (contract/http-api.md §7.11), and MOCK is there
// too, which Amazon's have not.
func TestHTTPAPIsRetryNothingAndMock(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler) // cuts the connection instead of an answer
	}))
	t.Cleanup(server.Close)
	g := startGateway(t, map[string]string{"web.yaml": `
name: web
protocolType: HTTP
routes:
  ANY /cut: {integration: {type: HTTP_PROXY, uri: "` + server.URL + `/"}}
  GET /mock: {integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode":201}'}, responses: {default: {responseTemplates: {text/plain: 'hello'}}}}}
`}, nil)
	for i, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		if got := call(t, method, "http://"+g.Data+"/web/dev/cut", ""); !strings.HasPrefix(got, "500 ") || int(calls.Load()) != i+1 {
			t.Errorf("%s: %s, and %d calls so far, want %d", method, got, calls.Load(), i+1)
		}
	}
	if got := call(t, "GET", "http://"+g.Data+"/web/dev/mock", ""); got != "201 hello" {
		t.Errorf("MOCK: %s", got)
	}
}
