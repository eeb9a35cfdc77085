package mock_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/integrationstest"
	"github.com/sallyport/sallyport/integrations/mock"
)

// The clock of the regular expressions ends by itself, some time after the last match.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

// fixed is the backend of the contract: there is none, so it can only succeed.
type fixed struct{}

func (fixed) Behave(integrationstest.Behaviour) {}
func (fixed) Taken() <-chan struct{}            { return nil }

func TestContract(t *testing.T) {
	const none = "a mock has no backend"
	integrationstest.Run(t, integrationstest.Kit{
		Open: func(t *testing.T) (gateway.Invoker, integrationstest.Backend) {
			return open(t, answering(`{"statusCode":200}`, map[string]*gateway.IntegrationResponse{
				"default": {ResponseTemplates: map[string]string{"application/json": "unknown action"}},
			})), fixed{}
		},
		Event: func(body string) *gateway.Event {
			return &gateway.Event{Kind: gateway.EventMessage, Body: []byte(body)}
		},
		Answer: func(string) string { return "unknown action" },
		Lacks: map[integrationstest.Behaviour]string{
			integrationstest.Refuses: "its one answer is fixed when the route is opened",
			integrationstest.Hangs:   none, integrationstest.Gone: none, integrationstest.Babbles: none,
			integrationstest.Floods: "its answer is the definition's own, which is bounded",
		},
	})
}

func answering(template string, responses map[string]*gateway.IntegrationResponse) *gateway.Integration {
	return &gateway.Integration{
		Type:             gateway.IntegrationMock,
		RequestTemplates: map[string]string{"application/json": template},
		Responses:        responses,
	}
}

func open(t testing.TB, in *gateway.Integration) gateway.Invoker {
	t.Helper()
	if faults := mock.New().Check(in, gateway.ProtocolWebSocket); len(faults) > 0 {
		t.Fatalf("Check: %v", faults)
	}
	invoker, err := mock.New().Open(in, integrations.Route{Key: "$default", TwoWay: true})
	if err != nil {
		t.Fatal(err)
	}
	return invoker
}

func text(contentType, body string) *gateway.IntegrationResponse {
	return &gateway.IntegrationResponse{ResponseTemplates: map[string]string{contentType: body}}
}

func TestAnswers(t *testing.T) {
	json := func(body string) *gateway.IntegrationResponse { return text("application/json", body) }
	tests := map[string]struct {
		in   *gateway.Integration
		kind gateway.EventKind
		want gateway.Reply
	}{
		"default response": {
			answering(` {"statusCode": 200} `, map[string]*gateway.IntegrationResponse{"default": json("a")}),
			gateway.EventMessage, gateway.Reply{Status: 200, Body: []byte("a")},
		},
		"$default response": {
			answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"$default": json("a")}),
			gateway.EventMessage, gateway.Reply{Status: 200, Body: []byte("a")},
		},
		"exact code before pattern": {
			answering(`{"statusCode": 404}`, map[string]*gateway.IntegrationResponse{
				"/4\\d\\d/": json("pattern"), "404": json("exact"), "default": json("default"),
			}),
			gateway.EventMessage, gateway.Reply{Status: 404, Body: []byte("exact")},
		},
		"pattern with slashes": {
			answering(`{"statusCode": 404}`, map[string]*gateway.IntegrationResponse{
				"/2\\d\\d/": json("no"), "/4\\d\\d/": json("pattern"), "default": json("default"),
			}),
			gateway.EventMessage, gateway.Reply{Status: 404, Body: []byte("pattern")},
		},
		"pattern takes the whole code": {
			answering(`{"statusCode": 404}`, map[string]*gateway.IntegrationResponse{"4": json("no"), "4.?": json("no"), "default": json("default")}),
			gateway.EventMessage, gateway.Reply{Status: 404, Body: []byte("default")},
		},
		"status of the response": {
			answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": {StatusCode: 403}}),
			gateway.EventConnect, gateway.Reply{Status: 403},
		},
		"no responses": {
			answering(`{"statusCode": 204}`, nil),
			gateway.EventConnect, gateway.Reply{Status: 204},
		},
		"content type from the key": {
			answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": text("text/html", "<p style='color:#fff'>$5</p>")}),
			gateway.EventRequest, gateway.Reply{
				Status: 200, Header: gateway.Header{"Content-Type": {"text/html"}}, Body: []byte("<p style='color:#fff'>$5</p>"),
			},
		},
		"content type of $default": {
			answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": text("$default", "{}")}),
			gateway.EventConnect, gateway.Reply{
				Status: 200, Header: gateway.Header{"Content-Type": {"application/json"}}, Body: []byte("{}"),
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := open(t, test.in).Invoke(t.Context(), &gateway.Event{Kind: test.kind})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
}

const eventContext = `{"stage":"prod","routeKey":"GET /pets/{id}","identity":{"sourceIp":"192.0.2.1"},"pathParameters":{"id":"7"},` +
	`"multiValueQueryStringParameters":{"q":["a","b"]},"queryStringParameters":{"q":"a,b"},"stageVariables":{"table":"pets"}}`

// Templates see the event, overrides pass from the request template to the response, and a template that fails is a
// failed integration.
func TestTemplates(t *testing.T) {
	json := func(body string) map[string]*gateway.IntegrationResponse {
		return map[string]*gateway.IntegrationResponse{"404": {StatusCode: 410, ResponseTemplates: map[string]string{"application/json": "gone"}}, "default": text("application/json", body)}
	}
	content := func(more ...string) gateway.Header {
		h := gateway.Header{"Content-Type": {"application/json"}}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = []string{more[i+1]}
		}
		return h
	}
	tests := map[string]struct {
		request, response string
		kind              gateway.EventKind
		body              string
		want              *gateway.Reply // nil: CodeIntegration
	}{
		"the event": {
			`{"statusCode": 200}`, `$context.stage $context.identity.sourceIp $input.params('id') $input.params('q') $input.params('X-H') $stageVariables.table [$input.body]`,
			gateway.EventRequest, "ignored", &gateway.Reply{Status: 200, Header: content(), Body: []byte("prod 192.0.2.1 7 b last pets [{}]")},
		},
		"the body chooses the status": {
			`{"statusCode": #if($input.path('$.missing') == true)404#{else}200#end}`, "found", gateway.EventRequest, `{"missing":true}`,
			&gateway.Reply{Status: 410, Header: content(), Body: []byte("gone")},
		},
		"a message gets no headers": {
			`{"statusCode": 200}`, "$context.stage", gateway.EventMessage, "", &gateway.Reply{Status: 200, Body: []byte("prod")},
		},
		"overrides": {
			`#set($context.responseOverride.header.foo = 'bar')#set($context.responseOverride.custom = 'kept'){"statusCode": 200}`,
			`#set($context.responseOverride.status = 444)$context.responseOverride.custom`, gateway.EventRequest, "",
			&gateway.Reply{Status: 444, Header: content("foo", "bar"), Body: []byte("kept")},
		},
		"an override of 1xx":      {`{"statusCode": 200}`, `#set($context.responseOverride.status = 100)x`, gateway.EventRequest, "", nil},
		"no JSON":                 {`{"statusCode": $context.nope}`, "x", gateway.EventRequest, "", nil},
		"request template fails":  {`{"statusCode": 200}#set($l = [])$l[3]`, "x", gateway.EventRequest, "", nil},
		"response template fails": {`{"statusCode": 200}`, "#set($l = [])$l[3]", gateway.EventRequest, "", nil},
		"too long":                {`{"statusCode": 200}`, `#foreach($i in [1..500])0123456789#end`, gateway.EventRequest, "", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := answering(test.request, json(test.response))
			if faults := mock.New().Check(in, gateway.ProtocolHTTP); len(faults) > 0 {
				t.Fatalf("Check: %v", faults)
			}
			invoker, err := mock.New().Open(in, integrations.Route{Key: "GET /pets/{id}", MaxReplyBytes: 4096})
			if err != nil {
				t.Fatal(err)
			}
			got, err := invoker.Invoke(t.Context(), &gateway.Event{
				Kind: test.kind, Context: []byte(eventContext), Header: gateway.Header{"X-H": {"first", "last"}}, Body: []byte(test.body),
			})
			if test.want == nil {
				if gateway.ErrorCode(err) != gateway.CodeIntegration {
					t.Errorf("reply %v, error %v, want %s", got, err, gateway.CodeIntegration)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v, reply (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	ok := map[string]*gateway.IntegrationResponse{"default": text("application/json", "x")}
	tests := map[string]struct {
		in   *gateway.Integration
		want []string // "path: beginning of the problem"
	}{
		"no template":       {&gateway.Integration{Type: "MOCK", Responses: ok}, []string{"requestTemplates: a MOCK needs"}},
		"no JSON":           {answering(`{statusCode: 200}`, ok), []string{"requestTemplates.application/json: the template is no JSON object"}},
		"no object":         {answering(`200`, ok), []string{"requestTemplates.application/json: the template is no JSON object"}},
		"empty":             {answering(` `, ok), []string{"requestTemplates.application/json: the template is no JSON object"}},
		"no status code":    {answering(`{}`, ok), []string{"requestTemplates.application/json: the template has no statusCode"}},
		"text status code":  {answering(`{"statusCode":"200"}`, ok), []string{"requestTemplates.application/json: statusCode is no whole number"}},
		"float status code": {answering(`{"statusCode":200.5}`, ok), []string{"requestTemplates.application/json: statusCode is no whole number"}},
		"null status code":  {answering(`{"statusCode":null}`, ok), []string{"requestTemplates.application/json: statusCode is no whole number"}},
		"small status code": {answering(`{"statusCode":99}`, ok), []string{"requestTemplates.application/json: statusCode is no whole number"}},
		"1xx answer":        {answering(`{"statusCode":101}`, nil), []string{"requestTemplates.application/json: an answer can't have status 101"}},
		"request template":  {answering(`{"statusCode": #if($a-$b)1#end}`, ok), []string{"requestTemplates.application/json: line 1, column 23 of the template: "}},
		"nothing chosen":    {answering(`{"statusCode": 500}`, map[string]*gateway.IntegrationResponse{"200": text("application/json", "x")}), []string{"responses: no response takes status code 500"}},
		"empty response":    {answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": nil}), []string{"responses.default: the response is empty"}},
		"bad pattern":       {answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"(": text("application/json", "x")}), []string{"responses.(: the key is no pattern"}},
		"long pattern":      {answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{strings.Repeat(".", 600): text("application/json", "x")}), []string{"responses." + strings.Repeat(".", 600) + ": the pattern is longer than 512"}},
		"two defaults":      {answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": {}, "$default": {}}), []string{`responses.default: "default" and "$default" are the same`}},
		"bad response code": {answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": {StatusCode: 700}}), []string{"responses.default.statusCode: an answer can't have status 700"}},
		"response template": {answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": text("application/json", "a\n  #set($x = )")}), []string{"responses.default.responseTemplates.application/json: line 2, column 13 of the template: no value begins with ')'"}},
		"bad template key":  {answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{"default": text("json", "x")}), []string{"responses.default.responseTemplates.json: the key is no media type"}},
		"which template": {
			answering(`{"statusCode": 200}`, map[string]*gateway.IntegrationResponse{
				"default": {ResponseTemplates: map[string]string{"text/html": "a", "text/plain": "b"}},
			}), []string{"responses.default.responseTemplates: it is open which"},
		},
		"unreachable":    {&gateway.Integration{Type: "MOCK", RequestTemplates: map[string]string{"text/plain": `{"statusCode":200}`}, Responses: ok}, []string{"requestTemplates: no event finds one of these templates"}},
		"bad expression": {&gateway.Integration{Type: "MOCK", RequestTemplates: map[string]string{"$default": `{"statusCode":200}`}, TemplateSelectionExpression: "$x", Responses: ok}, []string{"templateSelectionExpression: column 1: unknown variable $x"}},
		"foreign members": {
			&gateway.Integration{
				Type: "MOCK", URI: "http://x", HTTPMethod: "GET", Subject: "a", PayloadFormatVersion: "1.0",
				RequestParameters: map[string]string{"a": "b"}, RequestTemplates: map[string]string{"application/json": `{"statusCode":200}`},
			}, []string{
				"uri: uri is not used by MOCK", "httpMethod: httpMethod is not used", "subject: subject is not used",
				"payloadFormatVersion: payloadFormatVersion is not used", "requestParameters: requestParameters is not used",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			faults := mock.New().Check(test.in, gateway.ProtocolHTTP)
			if len(faults) != len(test.want) {
				t.Fatalf("faults %v, want %v", faults, test.want)
			}
			for i, f := range faults {
				if got := f.At() + ": " + f.Problem; !strings.HasPrefix(got, test.want[i]) {
					t.Errorf("fault %q, want %q", got, test.want[i])
				}
				if f.Hint == "" {
					t.Errorf("fault %v has no hint", f)
				}
			}
			if _, err := mock.New().Open(test.in, integrations.Route{}); name != "foreign members" && !isFault(err) {
				t.Errorf("Open = %v, want a FaultError", err)
			}
		})
	}
}

func isFault(err error) bool {
	var f *integrations.FaultError
	return errors.As(err, &f)
}

// FuzzCheck: whatever a document says, Check and Open agree and neither panics.
func FuzzCheck(f *testing.F) {
	f.Add(`{"statusCode":200}`, "default", "hello", 0)
	f.Add(`{"statusCode": 404}`, "/4\\d\\d/", "#set($x=1)", 404)
	f.Add("#", "(", "$", -1)
	f.Add(`{"statusCode":1e2}`, "4(", "${", 99)
	f.Add(`{"statusCode":#if($context.x)200#{else}404#end}`, "4..", "$context.x $input.body #foreach($i in [1..9])$i#end", 0)
	f.Fuzz(func(t *testing.T, template, key, body string, status int) {
		in := answering(template, map[string]*gateway.IntegrationResponse{
			key: {StatusCode: status, ResponseTemplates: map[string]string{"application/json": body}},
		})
		faults := mock.New().Check(in, gateway.ProtocolHTTP)
		invoker, err := mock.New().Open(in, integrations.Route{})
		if (err == nil) != (len(faults) == 0) {
			t.Fatalf("Check says %v, Open says %v", faults, err)
		}
		if err != nil {
			return
		}
		reply, err := invoker.Invoke(t.Context(), &gateway.Event{Kind: gateway.EventRequest})
		if err == nil && (reply.Status < 200 || reply.Status > 599) || err != nil && gateway.ErrorCode(err) != gateway.CodeIntegration {
			t.Fatalf("reply %v, error %v", reply, err)
		}
	})
}

func BenchmarkInvoke(b *testing.B) {
	invoker, ev := benchmarked(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := invoker.Invoke(b.Context(), ev); err != nil {
			b.Fatal(err)
		}
	}
}

// TestInvokeAllocations: a message costs the Reply alone.
func TestInvokeAllocations(t *testing.T) {
	invoker, ev := benchmarked(t)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = invoker.Invoke(ctx, ev) }); n > 1 {
		t.Errorf("%v allocations, want at most 1", n)
	}
}

func benchmarked(t testing.TB) (gateway.Invoker, *gateway.Event) {
	return open(t, answering(`{"statusCode":200}`, map[string]*gateway.IntegrationResponse{
		"default": text("application/json", "unknown action"),
	})), &gateway.Event{Kind: gateway.EventMessage, Body: []byte("x")}
}
