package httpcustom_test

import (
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
	"github.com/sallyport/sallyport/integrations/httpcustom"
	"github.com/sallyport/sallyport/integrations/integrationstest"
)

// regexp2 keeps a clock for its time limits, which stops by itself.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

func open(t *testing.T, client *backend.Client, in *gateway.Integration) gateway.Invoker {
	t.Helper()
	kind, err := httpcustom.New(httpcustom.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	in.Type = gateway.IntegrationHTTP
	if faults := kind.Check(in, gateway.ProtocolWebSocket); len(faults) > 0 {
		t.Fatal(faults)
	}
	invoker, err := kind.Open(in, integrations.Route{
		API: "chat", Stage: "dev", Key: "send", Protocol: gateway.ProtocolWebSocket,
		Timeout: time.Minute, TwoWay: true, MaxReplyBytes: integrationstest.MaxReplyBytes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return invoker
}

func message(body string) *gateway.Event {
	return &gateway.Event{Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "send",
		Context: []byte(`{"connectionId":"C1=","stageVariables":{"v":"1"}}`), Body: []byte(body)}
}

func TestContract(t *testing.T) {
	integrationstest.Run(t, integrationstest.Kit{
		Open: func(t *testing.T) (gateway.Invoker, integrationstest.Backend) {
			transport := backend.NewTransport()
			server := integrationstest.NewHTTPBackend(t, integrationstest.HTTPAnswers{
				Success:     func(body []byte) string { return "re: " + string(body) },
				Flood:       func() string { return strings.Repeat("x", integrationstest.MaxReplyBytes+1) },
				ContentType: "text/plain",
			}, transport)
			return open(t, backend.New(backend.Config{Transport: transport}), &gateway.Integration{
				URI: server.URL + "/m", Responses: map[string]*gateway.IntegrationResponse{"default": {}},
			}), server
		},
		Event:  message,
		Answer: func(body string) string { return "re: " + body },
	})
}

// TestMapping has a row for each rule of contract/websocket-api.md §7.4, §7.6, §7.8 and §8.2 that HTTP follows.
func TestMapping(t *testing.T) {
	responses := func(key string, r gateway.IntegrationResponse) map[string]*gateway.IntegrationResponse {
		return map[string]*gateway.IntegrationResponse{key: &r}
	}
	pass := responses("$default", gateway.IntegrationResponse{})
	templates := map[string]string{"application/json": `[$input.json('$.a')]`, "text/other": "other", "$default": "fallback"}
	tests := map[string]struct {
		in         gateway.Integration
		body       string
		sent, want string
		status     int
		code       gateway.Code
	}{
		"template":            {in: gateway.Integration{RequestTemplates: templates, Responses: pass}, body: `{"a":1}`, sent: "[1]", want: "[1]", status: 201},
		"picked":              {in: gateway.Integration{RequestTemplates: templates, TemplateSelectionExpression: "$request.body.a", Responses: pass}, body: `{"a":"text/other"}`, sent: "other", want: "other", status: 201},
		"picked default":      {in: gateway.Integration{RequestTemplates: templates, TemplateSelectionExpression: "$request.body.a", Responses: pass}, body: `no json`, sent: "fallback", want: "fallback", status: 201},
		"no match passes":     {in: gateway.Integration{RequestTemplates: map[string]string{"x/y": "x"}, Responses: pass}, body: "raw", sent: "raw", want: "raw", status: 201},
		"no templates pass":   {in: gateway.Integration{PassthroughBehavior: gateway.PassthroughNoTemplates, Responses: pass}, body: "raw", sent: "raw", want: "raw", status: 201},
		"templates, no match": {in: gateway.Integration{PassthroughBehavior: gateway.PassthroughNoTemplates, RequestTemplates: map[string]string{"x/y": "x"}, Responses: pass}, body: "raw", code: gateway.CodeUnsupportedMedia},
		"never":               {in: gateway.Integration{PassthroughBehavior: gateway.PassthroughNever, Responses: pass}, body: "raw", code: gateway.CodeUnsupportedMedia},
		"to binary":           {in: gateway.Integration{ContentHandling: gateway.ConvertToBinary, Responses: pass}, body: "aGk=", sent: "hi", want: "hi", status: 201},
		"no base64":           {in: gateway.Integration{ContentHandling: gateway.ConvertToBinary, Responses: pass}, body: "?", code: gateway.CodeIntegration},
		"to text":             {in: gateway.Integration{Responses: responses("201", gateway.IntegrationResponse{ContentHandling: gateway.ConvertToText})}, body: "hi", sent: "hi", want: "aGk=", status: 201},
		"response pattern":    {in: gateway.Integration{Responses: responses(`/2\d\d/`, gateway.IntegrationResponse{StatusCode: 200, ResponseTemplates: map[string]string{"application/json": "<$input.body>"}})}, body: "hi", sent: "hi", want: "<hi>", status: 200},
		"nothing matches":     {in: gateway.Integration{Responses: responses(`/4\d\d/`, gateway.IntegrationResponse{})}, body: "hi", sent: "hi", code: gateway.CodeIntegration},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var sent, connection, query string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent, connection, query = string(body), r.Header.Get("connectionId"), r.URL.RawQuery
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write(body)
			}))
			defer server.Close()
			client := backend.New(backend.Config{})
			defer client.Close()
			test.in.URI = server.URL + "/m?a=1"
			test.in.RequestParameters = map[string]string{
				"integration.request.header.connectionId": "context.connectionId", "integration.request.querystring.v": "stageVariables.v",
			}
			reply, err := open(t, client, &test.in).Invoke(t.Context(), message(test.body))
			if sent != test.sent {
				t.Errorf("the backend got %q, want %q", sent, test.sent)
			}
			if test.code != "" {
				if gateway.ErrorCode(err) != test.code {
					t.Errorf("error %v, want %s", err, test.code)
				}
				return
			}
			if err != nil || reply.Status != test.status || string(reply.Body) != test.want {
				t.Fatalf("reply %+v, error %v", reply, err)
			}
			if connection != "C1=" || query != "a=1&v=1" {
				t.Errorf("connectionId %q, query %q", connection, query)
			}
		})
	}
}

func TestNeedsAResponse(t *testing.T) {
	client := backend.New(backend.Config{})
	defer client.Close()
	kind, err := httpcustom.New(httpcustom.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	faults := kind.Check(&gateway.Integration{Type: gateway.IntegrationHTTP, URI: "http://127.0.0.1:1/"}, gateway.ProtocolWebSocket)
	if len(faults) != 1 || faults[0].At() != "responses" {
		t.Errorf("faults %v, want one of responses", faults)
	}
}
