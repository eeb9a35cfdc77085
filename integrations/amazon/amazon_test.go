package amazon_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/amazon"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/integrations/integrationstest"
)

// regexp2 keeps a clock for its time limits, which stops by itself.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// oneKey is who may call the service.
type oneKey struct{}

func (oneKey) Key(_ context.Context, id string) (accesskeys.Key, error) {
	if id != keyID {
		return accesskeys.Key{}, accesskeys.ErrUnknown
	}
	return accesskeys.Key{ID: keyID, Secret: secret}, nil
}

// got is a request as the service saw it.
type got struct {
	method, host, target, body string
	header                     http.Header
	refused                    error // what is wrong with the signature
}

// amazonService is a server that verifies signatures as the edge does, by code of its own and not by the SDK's.
type amazonService struct {
	*httptest.Server
	got    got
	answer func(w http.ResponseWriter)
}

func newService(t *testing.T, name, region string, answer func(w http.ResponseWriter)) *amazonService {
	t.Helper()
	verifier, err := sigv4.New(sigv4.Config{Keys: oneKey{}, Services: []string{name}, Regions: []string{region}})
	if err != nil {
		t.Fatal(err)
	}
	s := &amazonService{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		path, query, _ := strings.Cut(r.RequestURI, "?")
		_, refused := verifier.Verify(r.Context(), &sigv4.Request{
			Method: r.Method, Host: r.Host, Path: path, Query: query, Header: gateway.Header(r.Header), Body: body,
		})
		s.got = got{method: r.Method, host: r.Host, target: r.RequestURI, body: string(body), header: r.Header, refused: refused}
		s.answer(w)
	}))
	t.Cleanup(s.Close)
	return s
}

func says(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func newKind(t *testing.T, c amazon.Config) *amazon.Kind {
	t.Helper()
	if c.Client == nil {
		c.Client = backend.New(backend.Config{})
		t.Cleanup(c.Client.Close)
	}
	if c.Credentials == (amazon.Credentials{}) {
		c.Credentials = amazon.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	}
	kind, err := amazon.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return kind
}

func route() integrations.Route {
	return integrations.Route{
		API: "chat", Stage: "dev", Key: "send", Protocol: gateway.ProtocolWebSocket, Timeout: time.Minute, TwoWay: true,
		MaxReplyBytes: integrationstest.MaxReplyBytes, Variables: map[string]string{"region": "eu-central-1", "function": "chat", "alias": "live"},
	}
}

func open(t *testing.T, kind *amazon.Kind, in gateway.Integration, r integrations.Route) gateway.Invoker {
	t.Helper()
	in.Type = gateway.IntegrationAWS
	if in.Responses == nil {
		in.Responses = map[string]*gateway.IntegrationResponse{"default": {}}
	}
	if faults := kind.Check(&in, gateway.ProtocolWebSocket); len(faults) > 0 {
		t.Fatal(faults)
	}
	invoker, err := kind.Open(&in, r)
	if err != nil {
		t.Fatal(err)
	}
	return invoker
}

func message(body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, API: "chat", Stage: "dev", Route: "send",
		Context: []byte(`{"connectionId":"C1=","requestId":"R1=","stageVariables":{"table":"messages"}}`), Body: []byte(body),
	}
}

func TestContract(t *testing.T) {
	integrationstest.Run(t, integrationstest.Kit{
		Open: func(t *testing.T) (gateway.Invoker, integrationstest.Backend) {
			transport := backend.NewTransport()
			server := integrationstest.NewHTTPBackend(t, integrationstest.HTTPAnswers{
				Success:     func(body []byte) string { return "re: " + string(body) },
				Flood:       func() string { return strings.Repeat("x", integrationstest.MaxReplyBytes+1) },
				ContentType: "application/x-amz-json-1.0",
			}, transport)
			kind := newKind(t, amazon.Config{Client: backend.New(backend.Config{Transport: transport}), Endpoints: amazon.Endpoints{All: server.URL}})
			return open(t, kind, gateway.Integration{URI: "arn:aws:apigateway:eu-central-1:dynamodb:action/PutItem"}, route()), server
		},
		Event:  message,
		Answer: func(body string) string { return "re: " + body },
	})
}

// TestPutItem is the example of contract/websocket-api.md §7.5.
func TestPutItem(t *testing.T) {
	service := newService(t, "dynamodb", "eu-central-1", says(200, `{"Attributes":{"n":{"N":"7"}}}`))
	kind := newKind(t, amazon.Config{Endpoints: amazon.Endpoints{All: service.URL}})
	invoker := open(t, kind, gateway.Integration{
		URI: "arn:aws:apigateway:${stageVariables.region}:dynamodb:action/PutItem",
		RequestTemplates: map[string]string{"application/json": `{"TableName":"$stageVariables.table",` +
			`"Item":{"id":{"S":"$context.requestId"},"text":{"S":"$util.escapeJavaScript($input.path('$.text'))"}}}`},
		Responses: map[string]*gateway.IntegrationResponse{
			`/4\d\d/`: {ResponseTemplates: map[string]string{"application/json": "refused"}},
			"default": {ResponseTemplates: map[string]string{"application/json": "$input.path('$.Attributes.n.N')"}},
		},
	}, route())
	reply, err := invoker.Invoke(t.Context(), message(`{"text":"\"hi\""}`))
	if err != nil || reply.Status != 200 || string(reply.Body) != "7" {
		t.Errorf("reply %+v, error %v", reply, err)
	}
	g := service.got
	if g.refused != nil {
		t.Errorf("the signature is wrong: %v", g.refused)
	}
	if g.method != "POST" || g.target != "/" || g.body != `{"TableName":"messages","Item":{"id":{"S":"R1="},"text":{"S":"\"hi\""}}}` {
		t.Errorf("%s %s %s", g.method, g.target, g.body)
	}
	for name, want := range map[string]string{
		"X-Amz-Target": "DynamoDB_20120810.PutItem", "Content-Type": "application/x-amz-json-1.0", "Accept": "application/json",
		"User-Agent": "AmazonAPIGateway_chat", "X-Amzn-Apigateway-Api-Id": "", "X-Amz-Security-Token": "",
	} {
		if value := g.header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	service.answer = says(400, `{"__type":"ValidationException"}`)
	if reply, err = invoker.Invoke(t.Context(), message(`{}`)); err != nil || reply.Status != 400 || string(reply.Body) != "refused" {
		t.Errorf("reply %+v, error %v", reply, err)
	}
}

const invocation = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/" +
	"arn:aws:lambda:eu-central-1:000000000000:function:${stageVariables.function}:${stageVariables.alias}/invocations"

// TestFunction: the error message chooses the response, a refusal of Lambda is an error (contract/websocket-api.md §7.5,
// §7.6; contract/rest-api.md §10.1, §10.2).
func TestFunction(t *testing.T) {
	const failed = `{"errorMessage":"[400] no such room","errorType":"Error"}`
	any, one := `/.+/`, `/\[400\].*/`
	tests := map[string]struct {
		keys   string // of responses, separated by blanks
		answer func(http.ResponseWriter)
		kind   gateway.EventKind // a message, unless it is told
		twoWay bool
		want   string // key and status, or the code of the error
	}{
		"success":             {one + " " + any + " default", says(200, `{"n":7}`), 0, true, "default 200"},
		"failure":             {one + " default", says(200, failed), 0, true, one + " 200"},
		"first by text":       {any + " " + one + " default", says(200, failed), 0, true, any + " 200"},
		"other failure":       {`/\[404\].*/ default`, says(200, failed), 0, true, "default 200"},
		"failure, no default": {`/\[404\].*/`, says(200, failed), 0, true, string(gateway.CodeIntegration)},
		"not a status":        {"200 default", says(200, failed), 0, true, "default 200"},
		"a message of null":   {any + " default", says(200, `{"errorMessage":null}`), 0, true, "default 200"},
		"text in a list":      {any + " default", says(200, `["{\"errorMessage\":\"x\"}"]`), 0, true, "default 200"},
		"accepted":            {any + " default", says(202, ""), 0, true, "default 202"},
		"one-way":             {one + " default", says(200, failed), 0, false, one + " 200"},
		"no JSON":             {"default", says(400, `{"__type":"InvalidRequestContentException"}`), 0, true, string(gateway.CodeIntegration)},
		"no permission":       {"default", says(403, `{"Message":"no"}`), 0, false, string(gateway.CodeIntegration)},
		"throttled, $connect": {"default", says(429, `{}`), gateway.EventConnect, false, string(gateway.CodeInternal)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service := newService(t, "lambda", "eu-central-1", test.answer)
			kind := newKind(t, amazon.Config{Endpoints: amazon.Endpoints{Of: map[string]string{"LAMBDA": service.URL}}})
			responses := map[string]*gateway.IntegrationResponse{}
			for key := range strings.FieldsSeq(test.keys) {
				responses[key] = &gateway.IntegrationResponse{}
			}
			r := route()
			r.TwoWay = test.twoWay
			ev := message(`{"text":"hi"}`)
			if test.kind != 0 {
				ev.Kind = test.kind
			}
			in := gateway.Integration{URI: invocation, Responses: responses}
			for key, response := range responses {
				response.ResponseTemplates = map[string]string{"$default": strings.ReplaceAll(key, "$", "")}
			}
			reply, err := open(t, kind, in, r).Invoke(t.Context(), ev)
			if service.got.refused != nil {
				t.Errorf("the signature is wrong: %v", service.got.refused)
			}
			if want := "/2015-03-31/functions/arn:aws:lambda:eu-central-1:000000000000:function:chat:live/invocations"; service.got.target != want {
				t.Errorf("target %s, want %s", service.got.target, want)
			}
			if service.got.body != `{"text":"hi"}` {
				t.Errorf("payload %q, want the message", service.got.body)
			}
			if err != nil {
				if string(gateway.ErrorCode(err)) != test.want {
					t.Errorf("error %v, want %s", err, test.want)
				}
				return
			}
			key, status, _ := strings.Cut(test.want, " ")
			if !test.twoWay {
				key = ""
			}
			if string(reply.Body) != key || strconv.Itoa(reply.Status) != status {
				t.Errorf("reply %d %q, want %s", reply.Status, reply.Body, test.want)
			}
		})
	}
}
