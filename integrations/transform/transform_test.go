package transform

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/gateway"
)

// The clock of the regular expressions ends by itself, some time after the last match.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

const limit = 1 << 10

func mustParse(t testing.TB, in gateway.Integration) *Transform {
	t.Helper()
	in.Type = gateway.IntegrationHTTP
	if in.Responses == nil {
		in.Responses = map[string]*gateway.IntegrationResponse{"default": {}}
	}
	parsed, faults := Parse(&in)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return parsed
}

func message(body string) *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventMessage, Body: []byte(body),
		Context: []byte(`{"connectionId":"C1=","stageVariables":{"table":"pets"}}`),
	}
}

// TestChoose: which response takes a value (contract/websocket-api.md §7.6, contract/rest-api.md §10.2).
func TestChoose(t *testing.T) {
	tests := map[string]struct {
		keys, value string // keys are separated by blanks
		want        string // "" for none
	}{
		"code before pattern":        {`/4\d\d/ 404 default`, "404", "404"},
		"codes in any order":         {`500 404 200`, "404", "404"},
		"pattern":                    {`/2\d\d/ /4\d\d/ default`, "404", `/4\d\d/`},
		"pattern without slashes":    {`4\d\d default`, "404", `4\d\d`},
		"first by text":              {`/4.*/ /40.*/`, "404", `/4.*/`},
		"the whole value":            {`/40/ /4/ default`, "404", "default"},
		"not a part of it":           {`/four/`, "not four hundred", ""},
		"a part by pattern":          {`/.*four.*/`, "not four hundred", "/.*four.*/"},
		"$default":                   {`/5\d\d/ $default`, "404", "$default"},
		"nothing":                    {`/5\d\d/ 200`, "404", ""},
		"any message, not a success": {`/.+/ default`, "", "default"},
		"a success too":              {`/.*/ default`, "", "/.*/"},
		"alternatives":               {`/a|bc/`, "bc", "/a|bc/"},
		"a dot is no line end":       {`/.*/ default`, "a\nb", "default"},
		"Java's classes":             {`/\p{Alpha}+&&?/`, "abc&", `/\p{Alpha}+&&?/`},
		"slashes inside":             {`/a/b/`, "a/b", "/a/b/"},
		"longest value":              {`/x*/`, strings.Repeat("x", maxValue), "/x*/"},
		"too long a value":           {`/x*/ default`, strings.Repeat("x", maxValue+1), "default"},
		"no end of backtracking":     {`/(x+x+)+y/ default`, strings.Repeat("x", 64), "default"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			responses, chosen := map[string]*gateway.IntegrationResponse{}, map[int]string{}
			for key := range strings.FieldsSeq(test.keys) { // each has a status by which it is told
				status := minStatus + len(responses)
				responses[key], chosen[status] = &gateway.IntegrationResponse{StatusCode: status}, key
			}
			parsed := mustParse(t, gateway.Integration{Responses: responses})
			if got := parsed.Takes(test.value); got != (test.want != "") {
				t.Errorf("Takes = %v", got)
			}
			reply, err := parsed.Response(message(""), Answer{Value: test.value, Status: 500}, nil, limit)
			if test.want == "" {
				if gateway.ErrorCode(err) != gateway.CodeIntegration {
					t.Errorf("error %v, want one of the integration", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := chosen[reply.Status]; got != test.want {
				t.Errorf("chose %q, want %q", got, test.want)
			}
		})
	}
}

// TestRequest: which template makes a request, and what passes without one (contract/websocket-api.md §8.2, §7.8).
func TestRequest(t *testing.T) {
	json := map[string]string{"application/json": "json", "$default": "default"}
	byType := gateway.Integration{RequestTemplates: map[string]string{"a b": "one", "$default": "default"}, TemplateSelectionExpression: "${request.body.a} ${request.body.b}"}
	strict := func(p gateway.PassthroughBehavior, templates map[string]string) gateway.Integration {
		return gateway.Integration{PassthroughBehavior: p, RequestTemplates: templates}
	}
	other := map[string]string{"text/plain": "x"}
	tests := map[string]struct {
		in         gateway.Integration
		body, want string
		code       gateway.Code
		typ        string
	}{
		"application/json":            {in: gateway.Integration{RequestTemplates: json}, body: "x", want: "json", typ: TypeJSON},
		"$default":                    {in: gateway.Integration{RequestTemplates: map[string]string{"$default": "default"}}, body: "x", want: "default", typ: TypeJSON},
		"picked":                      {in: byType, body: `{"a":"a","b":"b"}`, want: "one", typ: TypeJSON},
		"picked, no such key":         {in: byType, body: `{"a":"a"}`, want: "default", typ: TypeJSON},
		"picked, no JSON":             {in: byType, body: `a b`, want: "default", typ: TypeJSON},
		"a constant":                  {in: gateway.Integration{RequestTemplates: map[string]string{"x": "const"}, TemplateSelectionExpression: "x"}, body: "x", want: "const", typ: TypeJSON},
		"an expression alone":         {in: gateway.Integration{RequestTemplates: map[string]string{"application/json": "json"}, TemplateSelectionExpression: "$request.body.a"}, body: `{"a":"b"}`, want: `{"a":"b"}`, typ: TypeJSON},
		"by default it passes":        {in: strict("", other), body: "raw", want: "raw", typ: TypeJSON},
		"WHEN_NO_MATCH":               {in: strict(gateway.PassthroughNoMatch, other), body: "raw", want: "raw", typ: TypeJSON},
		"WHEN_NO_TEMPLATES, none":     {in: strict(gateway.PassthroughNoTemplates, nil), body: "raw", want: "raw", typ: TypeJSON},
		"WHEN_NO_TEMPLATES, another":  {in: strict(gateway.PassthroughNoTemplates, other), body: "raw", code: gateway.CodeUnsupportedMedia},
		"WHEN_NO_TEMPLATES, a match":  {in: strict(gateway.PassthroughNoTemplates, json), body: "raw", want: "json", typ: TypeJSON},
		"NEVER":                       {in: strict(gateway.PassthroughNever, nil), body: "raw", code: gateway.CodeUnsupportedMedia},
		"NEVER, a match":              {in: strict(gateway.PassthroughNever, json), body: "raw", want: "json", typ: TypeJSON},
		"nothing passes as nothing":   {in: gateway.Integration{}, body: "", want: "", typ: ""},
		"bytes pass as bytes":         {in: gateway.Integration{ContentHandling: gateway.ConvertToBinary}, body: "/w==", want: "\xff", typ: "application/octet-stream"},
		"to binary before a template": {in: gateway.Integration{ContentHandling: gateway.ConvertToBinary, RequestTemplates: map[string]string{"$default": "<$input.body>"}}, body: "aGk=", want: "<hi>", typ: TypeJSON},
		"picked by what the client sent": {in: gateway.Integration{
			ContentHandling: gateway.ConvertToText, RequestTemplates: map[string]string{"b": "<$input.body>"}, TemplateSelectionExpression: "$request.body.a",
		}, body: `{"a":"b"}`, want: "<eyJhIjoiYiJ9>", typ: TypeJSON},
		"to text":        {in: gateway.Integration{ContentHandling: gateway.ConvertToText}, body: "hi", want: "aGk=", typ: TypeJSON},
		"no base64":      {in: gateway.Integration{ContentHandling: gateway.ConvertToBinary}, body: "?", code: gateway.CodeIntegration},
		"template fails": {in: gateway.Integration{RequestTemplates: map[string]string{"$default": "#set($l = [])$l[3]"}}, body: "?", code: gateway.CodeIntegration},
		"all it may see": {in: gateway.Integration{RequestTemplates: map[string]string{"$default": "$context.connectionId $stageVariables.table $input.path('$.a')"}}, body: `{"a":7}`, want: "C1= pets 7", typ: TypeJSON},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := mustParse(t, test.in).Request(message(test.body))
			if gateway.ErrorCode(err) != test.code {
				t.Fatalf("error %v, want %q", err, test.code)
			}
			if string(got.Body) != test.want || got.ContentType != test.typ {
				t.Errorf("%q of type %q, want %q of type %q", got.Body, got.ContentType, test.want, test.typ)
			}
		})
	}
}

// TestResponse: what becomes of a backend's answer (contract/websocket-api.md §3, §7.6, §7.8; contract/mapping-templates.md §7).
func TestResponse(t *testing.T) {
	only := func(r gateway.IntegrationResponse) gateway.Integration {
		return gateway.Integration{Responses: map[string]*gateway.IntegrationResponse{"default": &r}}
	}
	templates := func(expression string, all map[string]string) gateway.Integration {
		return only(gateway.IntegrationResponse{ResponseTemplates: all, TemplateSelectionExpression: expression})
	}
	picked := map[string]string{"404": "status", "b, c": "joined", "[b, c]": "list", "c": "header", "x": "body", "$default": "default"}
	answer := Answer{Value: "404", Status: 404, Header: gateway.Header{"Content-Type": {"text/html"}, "X-Kind": {"b", "c"}}, Body: []byte("raw")}
	set := "#set($context.responseOverride.status = 444)#set($context.responseOverride.header.foo = 'bar')"
	tests := map[string]struct {
		in   gateway.Integration
		kind gateway.EventKind // a message, unless it is told
		want *gateway.Reply    // nil: CodeIntegration
	}{
		"as it is":           {in: only(gateway.IntegrationResponse{}), want: &gateway.Reply{Status: 404, Body: []byte("raw")}},
		"with its type":      {in: only(gateway.IntegrationResponse{}), kind: gateway.EventConnect, want: &gateway.Reply{Status: 404, Body: []byte("raw"), Header: gateway.Header{"Content-Type": {"text/html"}}}},
		"another status":     {in: only(gateway.IntegrationResponse{StatusCode: 200}), want: &gateway.Reply{Status: 200, Body: []byte("raw")}},
		"to text":            {in: only(gateway.IntegrationResponse{ContentHandling: gateway.ConvertToText}), want: &gateway.Reply{Status: 404, Body: []byte("cmF3")}},
		"no base64":          {in: only(gateway.IntegrationResponse{ContentHandling: gateway.ConvertToBinary})},
		"template":           {in: templates("", map[string]string{"application/json": "<$input.body>"}), want: &gateway.Reply{Status: 404, Body: []byte("<raw>")}},
		"type of a template": {in: templates("", map[string]string{"text/x": "a"}), kind: gateway.EventConnect, want: &gateway.Reply{Status: 404, Body: []byte("a"), Header: gateway.Header{"Content-Type": {"text/x"}}}},
		"by status":          {in: templates("$integration.response.statuscode", picked), want: &gateway.Reply{Status: 404, Body: []byte("status")}},
		"by header":          {in: templates("$integration.response.header.x-kind", picked), want: &gateway.Reply{Status: 404, Body: []byte("header")}},
		"by multi-header":    {in: templates("$integration.response.multivalueheader.X-Kind", picked), want: &gateway.Reply{Status: 404, Body: []byte("list")}},
		"by message":         {in: templates("$request.body.a", picked), want: &gateway.Reply{Status: 404, Body: []byte("body")}},
		"by nothing":         {in: templates("$request.body.missing", picked), want: &gateway.Reply{Status: 404, Body: []byte("default")}},
		"no such template":   {in: templates("$request.body.a", map[string]string{"y": "y"}), want: &gateway.Reply{Status: 404, Body: []byte("raw")}},
		"overrides":          {in: templates("", map[string]string{"$default": set + "x"}), kind: gateway.EventConnect, want: &gateway.Reply{Status: 444, Body: []byte("x"), Header: gateway.Header{"Content-Type": {TypeJSON}, "foo": {"bar"}}}},
		"template fails":     {in: templates("", map[string]string{"$default": "#set($l = [])$l[3]"})},
		"too long":           {in: templates("", map[string]string{"$default": strings.Repeat("x", limit+1)})},
		"longest":            {in: templates("", map[string]string{"$default": strings.Repeat("x", limit)}), want: &gateway.Reply{Status: 404, Body: []byte(strings.Repeat("x", limit))}},
		"a status of 1xx":    {in: templates("", map[string]string{"$default": "#set($context.responseOverride.status = 101)x"})},
		"no text frame":      {in: templates("", map[string]string{"$default": "$util.base64Decode('/w==')"}), want: &gateway.Reply{Status: 404, Body: []byte("\ufffd")}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ev := message(`{"a":"x"}`)
			if test.kind != 0 {
				ev.Kind = test.kind
			}
			got, err := mustParse(t, test.in).Response(ev, answer, nil, limit)
			if test.want == nil {
				if gateway.ErrorCode(err) != gateway.CodeIntegration {
					t.Errorf("reply %v, error %v, want one of the integration", got, err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v, reply (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestMisconfigured: what is wrong with a mapping is a 500 at $connect, and a frame for messages.
func TestMisconfigured(t *testing.T) {
	fails := map[string]string{"$default": "#set($l = [])$l[3]"}
	parsed := mustParse(t, gateway.Integration{RequestTemplates: fails, Responses: map[string]*gateway.IntegrationResponse{"200": {ResponseTemplates: fails}}})
	strict := mustParse(t, gateway.Integration{PassthroughBehavior: gateway.PassthroughNever})
	for kind, want := range map[gateway.EventKind]gateway.Code{
		gateway.EventConnect: gateway.CodeInternal, gateway.EventMessage: gateway.CodeIntegration, gateway.EventRequest: gateway.CodeIntegration,
	} {
		ev := message("x")
		ev.Kind = kind
		if _, err := parsed.Request(ev); gateway.ErrorCode(err) != want {
			t.Errorf("%v: request template: %v, want %s", kind, err, want)
		}
		for _, value := range []string{"200", "404"} {
			if _, err := parsed.Response(ev, Answer{Value: value, Status: 200}, nil, limit); gateway.ErrorCode(err) != want {
				t.Errorf("%v: response to %s: %v, want %s", kind, value, err, want)
			}
		}
		if _, err := strict.Request(ev); gateway.ErrorCode(err) != gateway.CodeUnsupportedMedia {
			t.Errorf("%v: nothing passes: %v", kind, err)
		}
	}
}

// TestBinary: bytes that could be no text frame ask for a binary one.
func TestBinary(t *testing.T) {
	reply, err := mustParse(t, gateway.Integration{}).Response(message(""), Answer{Value: "200", Status: 200, Body: []byte("\xff")}, nil, limit)
	if err != nil || !reply.Binary {
		t.Errorf("reply %+v, error %v", reply, err)
	}
}

// TestOverridesPass from the request's template to the result, also where nothing is rendered.
func TestOverridesPass(t *testing.T) {
	parsed := mustParse(t, gateway.Integration{RequestTemplates: map[string]string{"$default": "#set($context.responseOverride.status = 444)#set($context.requestOverride.header.h = 'v')x"}})
	request, err := parsed.Request(message("x"))
	if err != nil {
		t.Fatal(err)
	}
	if h := request.Overrides.RequestHeader(); len(h) != 1 || h[0].Name != "h" {
		t.Errorf("request headers %v", h)
	}
	answer := Answer{Value: "200", Status: 200, Body: []byte("raw")}
	if reply, err := parsed.Response(message("x"), answer, request.Overrides, limit); err != nil || reply.Status != 444 || string(reply.Body) != "raw" {
		t.Errorf("reply %v, error %v", reply, err)
	}
	if reply, err := parsed.Outcome(answer, request.Overrides); err != nil || reply.Status != 444 || reply.Body != nil {
		t.Errorf("outcome %v, error %v", reply, err)
	}
}

// TestFixed: what no event changes is the same as what an event gets.
func TestFixed(t *testing.T) {
	templates := map[string]string{"$default": "fixed"}
	varies := map[string]string{"$default": "$context.x"}
	tests := map[string]struct {
		in       gateway.Integration
		request  bool
		response bool
	}{
		"both":               {gateway.Integration{RequestTemplates: templates, Responses: map[string]*gateway.IntegrationResponse{"200": {ResponseTemplates: templates}}}, true, true},
		"no templates":       {gateway.Integration{}, false, true},
		"variables":          {gateway.Integration{RequestTemplates: varies, Responses: map[string]*gateway.IntegrationResponse{"200": {ResponseTemplates: varies}}}, false, false},
		"expressions":        {gateway.Integration{RequestTemplates: templates, TemplateSelectionExpression: "x", Responses: map[string]*gateway.IntegrationResponse{"200": {ResponseTemplates: templates, TemplateSelectionExpression: "x"}}}, false, false},
		"conversions":        {gateway.Integration{RequestTemplates: templates, ContentHandling: gateway.ConvertToBinary, Responses: map[string]*gateway.IntegrationResponse{"200": {ContentHandling: gateway.ConvertToText}}}, false, false},
		"nothing takes it":   {gateway.Integration{Responses: map[string]*gateway.IntegrationResponse{"500": {}}}, false, false},
		"an invalid outcome": {gateway.Integration{Responses: map[string]*gateway.IntegrationResponse{"200": {StatusCode: 0}}}, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			parsed := mustParse(t, test.in)
			text, _, fixed := parsed.FixedRequest()
			if fixed != test.request || fixed && text != "fixed" {
				t.Errorf("request %q, %v", text, fixed)
			}
			answer := Answer{Value: "200", Status: 200}
			reply, fixed := parsed.FixedResponse(answer)
			if fixed != test.response {
				t.Fatalf("response %v, %v", reply, fixed)
			}
			if !fixed {
				return
			}
			ev := message("")
			ev.Kind = gateway.EventRequest
			want, err := parsed.Response(ev, answer, nil, limit)
			if diff := cmp.Diff(want, reply); err != nil || diff != "" {
				t.Errorf("%v, (-of an event +fixed):\n%s", err, diff)
			}
		})
	}
}
