package lambda_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/integrationstest"
	"github.com/sallyport/sallyport/integrations/lambda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const invokePath = "/2015-03-31/functions/chat/invocations"

func kind(t *testing.T, transport *http.Transport) *lambda.Kind {
	t.Helper()
	client := backend.New(backend.Config{Transport: transport})
	t.Cleanup(client.Close)
	k, err := lambda.New(lambda.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func route(protocol gateway.Protocol, twoWay bool) integrations.Route {
	return integrations.Route{
		API: "chat", Stage: "dev", Key: "send", Protocol: protocol, Timeout: time.Minute, TwoWay: twoWay,
		MaxReplyBytes: integrationstest.MaxReplyBytes, Variables: map[string]string{"function": "chat"},
	}
}

func message(body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "send", Subject: "sallyport.chat.dev.ws.send",
		Connection: "AbCdEfGhIjKlMnO=", Request: "RbCdEfGhIjKlMnO=",
		Context: []byte(`{"apiId":"chat","stage":"dev","domainName":"localhost","connectionId":"AbCdEfGhIjKlMnO=",` +
			`"connectedAt":1708326702789,"requestTime":"19/Feb/2024:07:11:42 +0000","requestTimeEpoch":1708326702790,` +
			`"identity":{"sourceIp":"192.0.2.1"},"routeKey":"send","eventType":"MESSAGE","messageDirection":"IN",` +
			`"requestId":"RbCdEfGhIjKlMnO=","extendedRequestId":"RbCdEfGhIjKlMnO=","messageId":"RbCdEfGhIjKlMnO="}`),
		Body: []byte(body),
	}
}

func request() *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventRequest, API: "shop", Stage: "dev", Route: "GET /pets", Request: "RbCdEfGhIjKlMnO=",
		Context: []byte(`{"apiId":"shop","stage":"dev","domainName":"localhost","identity":{"sourceIp":"192.0.2.1"},` +
			`"routeKey":"GET /pets","eventType":"REQUEST","method":"GET","path":"/dev/pets","protocol":"HTTP/1.1"}`),
		Header: gateway.Header{"Accept": {"*/*"}},
	}
}

func TestContract(t *testing.T) {
	result := func(body string) string {
		b, _ := json.Marshal(map[string]any{"statusCode": 200, "body": body}) // strings always encode
		return string(b)
	}
	integrationstest.Run(t, integrationstest.Kit{
		Open: func(t *testing.T) (gateway.Invoker, integrationstest.Backend) {
			transport := backend.NewTransport()
			server := integrationstest.NewHTTPBackend(t, integrationstest.HTTPAnswers{
				Success: func(event []byte) string {
					var ev struct{ Body string }
					if err := json.Unmarshal(event, &ev); err != nil {
						return err.Error()
					}
					return result("re: " + ev.Body)
				},
				Flood:       func() string { return result(strings.Repeat("x", integrationstest.MaxReplyBytes+1)) },
				ContentType: "application/json",
			}, transport)
			invoker, err := kind(t, transport).Open(&gateway.Integration{
				Type: gateway.IntegrationLambda, URI: server.URL + invokePath,
			}, route(gateway.ProtocolWebSocket, true))
			if err != nil {
				t.Fatal(err)
			}
			return invoker, server
		},
		Event:  message,
		Answer: func(body string) string { return "re: " + body },
		Lacks: map[integrationstest.Behaviour]string{
			integrationstest.Refuses: "a function's status is in its result, and the endpoint's refusals are errors",
		},
	})
}

// endpoint serves one answer for every invocation and remembers the last one.
type endpoint struct {
	status  int
	header  map[string]string
	body    string
	request *http.Request
	event   []byte
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.request = r
	e.event, _ = io.ReadAll(r.Body) // an empty event fails the test that looks
	for name, value := range e.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(e.status)
	_, _ = io.WriteString(w, e.body)
}

func (e *endpoint) invoke(t *testing.T, in gateway.Integration, r integrations.Route, ev *gateway.Event) (*gateway.Reply, error) {
	t.Helper()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	in.Type, in.URI = gateway.IntegrationLambda, server.URL+"/2015-03-31/functions/${stageVariables.function}/invocations"
	k := kind(t, backend.NewTransport())
	if faults := k.Check(&in, r.Protocol); len(faults) > 0 {
		t.Fatal(faults)
	}
	invoker, err := k.Open(&in, r)
	if err != nil {
		t.Fatal(err)
	}
	return invoker.Invoke(t.Context(), ev)
}

func TestInvocation(t *testing.T) {
	e := &endpoint{status: 200, body: `{"statusCode":200,"body":"ok"}`}
	if _, err := e.invoke(t, gateway.Integration{}, route(gateway.ProtocolWebSocket, true), message("hello")); err != nil {
		t.Fatal(err)
	}
	if e.request.Method != http.MethodPost || e.request.URL.Path != invokePath {
		t.Errorf("%s %s, want POST %s", e.request.Method, e.request.URL.Path, invokePath)
	}
	for name, want := range map[string]string{
		"X-Amz-Invocation-Type": "RequestResponse", "Content-Type": "application/json",
		"X-Amzn-Apigateway-Api-Id": "chat", "User-Agent": "AmazonAPIGateway_chat",
	} {
		if got := e.request.Header.Get(name); got != want {
			t.Errorf("header %s = %q, want %q", name, got, want)
		}
	}
	var event struct {
		Body           string
		RequestContext struct{ ConnectionID, RouteKey, EventType string }
	}
	if err := json.Unmarshal(e.event, &event); err != nil {
		t.Fatal(err)
	}
	if event.Body != "hello" || event.RequestContext.ConnectionID != "AbCdEfGhIjKlMnO=" ||
		event.RequestContext.RouteKey != "send" || event.RequestContext.EventType != "MESSAGE" {
		t.Errorf("proxy event %s", e.event)
	}
}

func TestOutcomes(t *testing.T) {
	failed := map[string]string{"X-Amz-Function-Error": "Unhandled"}
	connect := message("")
	connect.Kind = gateway.EventConnect
	disconnect := message("")
	disconnect.Kind = gateway.EventDisconnect
	twoWay, oneWay := route(gateway.ProtocolWebSocket, true), route(gateway.ProtocolWebSocket, false)
	rest := route(gateway.ProtocolHTTP, true)
	tests := map[string]struct {
		endpoint endpoint
		route    integrations.Route
		ev       *gateway.Event
		code     gateway.Code // "" for a reply
		status   int
		body     string
	}{
		"two-way result":             {endpoint{status: 200, body: `{"statusCode":200,"body":"hi"}`}, twoWay, message("x"), "", 200, "hi"},
		"two-way null":               {endpoint{status: 200, body: `null`}, twoWay, message("x"), gateway.CodeIntegration, 0, ""},
		"two-way malformed":          {endpoint{status: 200, body: `"hi"`}, twoWay, message("x"), gateway.CodeIntegration, 0, ""},
		"two-way function error":     {endpoint{status: 200, header: failed, body: `{"errorType":"Error","errorMessage":"boom"}`}, twoWay, message("x"), gateway.CodeIntegration, 0, ""},
		"one-way null":               {endpoint{status: 200, body: `null`}, oneWay, message("x"), "", 200, ""},
		"one-way malformed":          {endpoint{status: 200, body: `]`}, oneWay, message("x"), "", 200, ""},
		"one-way result is dropped":  {endpoint{status: 200, body: `{"statusCode":500,"body":"hi"}`}, oneWay, message("x"), "", 200, ""},
		"one-way flood":              {endpoint{status: 200, body: strings.Repeat("x", 1<<20)}, oneWay, message("x"), "", 200, ""},
		"one-way function error":     {endpoint{status: 200, header: failed, body: `{}`}, oneWay, message("x"), gateway.CodeIntegration, 0, ""},
		"disconnect null":            {endpoint{status: 200, body: `null`}, oneWay, disconnect, "", 200, ""},
		"connect refused by result":  {endpoint{status: 200, body: `{"statusCode":401}`}, oneWay, connect, "", 401, ""},
		"connect null":               {endpoint{status: 200, body: `null`}, oneWay, connect, gateway.CodeIntegration, 0, ""},
		"connect function error":     {endpoint{status: 200, header: failed}, oneWay, connect, gateway.CodeIntegration, 0, ""},
		"connect throttled":          {endpoint{status: 429}, oneWay, connect, gateway.CodeInternal, 0, ""},
		"message throttled":          {endpoint{status: 429}, oneWay, message("x"), gateway.CodeUnavailable, 0, ""},
		"message not found":          {endpoint{status: 404}, twoWay, message("x"), gateway.CodeIntegration, 0, ""},
		"message too large":          {endpoint{status: 413}, twoWay, message("x"), gateway.CodeTooLarge, 0, ""},
		"endpoint down":              {endpoint{status: 503}, twoWay, message("x"), gateway.CodeUnavailable, 0, ""},
		"endpoint broken":            {endpoint{status: 500}, twoWay, message("x"), gateway.CodeIntegration, 0, ""},
		"endpoint redirects":         {endpoint{status: 307, header: map[string]string{"Location": "/"}}, twoWay, message("x"), gateway.CodeIntegration, 0, ""},
		"request structured":         {endpoint{status: 200, body: `{"statusCode":201,"body":"made"}`}, rest, request(), "", 201, "made"},
		"request inferred":           {endpoint{status: 200, body: `{"a":1}`}, rest, request(), "", 200, `{"a":1}`},
		"request function throttled": {endpoint{status: 429}, rest, request(), gateway.CodeUnavailable, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reply, err := test.endpoint.invoke(t, gateway.Integration{}, test.route, test.ev)
			if got := gateway.ErrorCode(err); got != test.code {
				t.Fatalf("error %v, want code %q", err, test.code)
			}
			if err == nil && (reply.Status != test.status || string(reply.Body) != test.body) {
				t.Errorf("reply %d %q, want %d %q", reply.Status, reply.Body, test.status, test.body)
			}
		})
	}
}

func TestFormat1(t *testing.T) {
	e := &endpoint{status: 200, body: `{"a":1}`}
	_, err := e.invoke(t, gateway.Integration{PayloadFormatVersion: "1.0"}, route(gateway.ProtocolHTTP, true), request())
	if gateway.ErrorCode(err) != gateway.CodeIntegration { // 1.0 infers nothing
		t.Errorf("error %v, want integration_failed", err)
	}
	if !strings.Contains(string(e.event), `"version":"1.0"`) {
		t.Errorf("event %s", e.event)
	}
}

// TestFunctionErrorIsPrivate: the function's own words are for the log alone.
func TestFunctionErrorIsPrivate(t *testing.T) {
	e := &endpoint{
		status: 200, header: map[string]string{"X-Amz-Function-Error": "Unhandled"},
		body: `{"errorType":"TypeError","errorMessage":"` + strings.Repeat("secret ", 1000) + `"}`,
	}
	_, err := e.invoke(t, gateway.Integration{}, route(gateway.ProtocolWebSocket, false), message("x"))
	known, ok := err.(*gateway.Error)
	if !ok || strings.Contains(known.Message, "secret") {
		t.Fatalf("public message of %v", err)
	}
	if text := err.Error(); !strings.Contains(text, "TypeError: secret") || len(text) > 1024 {
		t.Errorf("log text %q", text)
	}
}

func TestCheck(t *testing.T) {
	k := kind(t, backend.NewTransport())
	tests := map[string]struct {
		in   gateway.Integration
		want string
	}{
		"fine":           {gateway.Integration{URI: "http://h/2015-03-31/functions/f/invocations", HTTPMethod: "POST", PayloadFormatVersion: "2.0"}, ""},
		"missing":        {gateway.Integration{}, "uri: uri is missing"},
		"ARN":            {gateway.Integration{URI: "arn:aws:lambda:eu-west-1:123456789012:function:f"}, "uri: an ARN can't be called"},
		"other scheme":   {gateway.Integration{URI: "ftp://h/f"}, "uri: uri does not begin with http"},
		"path parameter": {gateway.Integration{URI: "http://h/{f}"}, "uri: a function's endpoint can't depend on path parameters"},
		"method":         {gateway.Integration{URI: "http://h/f", HTTPMethod: "GET"}, "httpMethod: functions are invoked with POST"},
		"version":        {gateway.Integration{URI: "http://h/f", PayloadFormatVersion: "3.0"}, `payloadFormatVersion: unknown payload format version "3.0"`},
		"templates":      {gateway.Integration{URI: "http://h/f", RequestTemplates: map[string]string{"a": "b"}}, "requestTemplates: requestTemplates is not used by LAMBDA"},
		"parameters":     {gateway.Integration{URI: "http://h/f", RequestParameters: map[string]string{"a": "b"}}, "requestParameters: requestParameters is not used by LAMBDA"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.in.Type = gateway.IntegrationLambda
			faults := k.Check(&test.in, gateway.ProtocolWebSocket)
			switch {
			case test.want == "" && len(faults) > 0:
				t.Errorf("faults %v", faults)
			case test.want != "" && (len(faults) != 1 || !strings.HasPrefix(faults[0].String(), test.want) || faults[0].Hint == ""):
				t.Errorf("faults %v, want %q and a hint", faults, test.want)
			}
		})
	}
}

func TestOpenNeedsTheStage(t *testing.T) {
	k := kind(t, backend.NewTransport())
	for _, uri := range []string{"${stageVariables.function}/invocations", "http://${stageVariables.absent}/x"} {
		_, err := k.Open(&gateway.Integration{Type: gateway.IntegrationLambda, URI: uri}, route(gateway.ProtocolWebSocket, false))
		if _, ok := err.(*integrations.FaultError); !ok {
			t.Errorf("Open of %s = %v, want a FaultError", uri, err)
		}
	}
}
