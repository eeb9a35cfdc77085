package definition

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
)

const small = "name: Chat\nprotocolType: HTTP\nroutes:\n"

// mustLoad loads a document that has no problem.
func mustLoad(t *testing.T, text string) *Document {
	t.Helper()
	document, problems := Load("a.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems[0].Error())
	}
	return document
}

func TestNormalised(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want gateway.API
	}{
		"slug": {
			"name: '  Déjà Vu -- Nº 2! '\nprotocolType: HTTP\nroutes: {}\n",
			gateway.API{APIID: "d-j-vu-n-2", Name: "  Déjà Vu -- Nº 2! "},
		},
		"long slug": {
			"name: " + strings.Repeat("word ", 20) + "\nprotocolType: HTTP\nroutes: {}\n",
			gateway.API{APIID: gateway.APIID(strings.Repeat("word-", 12) + "word"), Name: strings.TrimSpace(strings.Repeat("word ", 20))},
		},
		"limits by name": {
			"name: a\nprotocolType: HTTP\nroutes: {}\nlimits: aws\n",
			gateway.API{APIID: "a", Name: "a", Limits: &gateway.LimitSettings{Profile: gateway.ProfileAWS}},
		},
		"limits without a profile": {
			"name: a\nprotocolType: HTTP\nroutes: {}\nlimits: {binary: refuse}\n",
			gateway.API{APIID: "a", Name: "a", Limits: &gateway.LimitSettings{
				Profile: gateway.ProfileDefault, Binary: gateway.BinaryRefuse,
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.want.Protocol = gateway.ProtocolHTTP
			test.want.Routes = map[gateway.RouteKey]*gateway.Route{}
			if diff := cmp.Diff(&test.want, mustLoad(t, test.text).API); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIntegrationByNameInPlaceAndByAlias(t *testing.T) {
	got := mustLoad(t, small+`
  GET /a: {integration: backend}
  GET /b: {integration: &b {type: AWS_PROXY, uri: "http://127.0.0.1"}}
  GET /c: {integration: *b}
integrations: {backend: {type: NATS}}
`).API
	inline := &gateway.Integration{Type: gateway.IntegrationLambda, URI: "http://127.0.0.1"}
	want := map[gateway.RouteKey]*gateway.Route{
		"GET /a": {Integration: &gateway.IntegrationRef{Name: "backend"}},
		"GET /b": {Integration: &gateway.IntegrationRef{Inline: inline}},
		"GET /c": {Integration: &gateway.IntegrationRef{Inline: inline}},
	}
	if diff := cmp.Diff(want, got.Routes); diff != "" {
		t.Error(diff)
	}
	if got.Routes["GET /b"].Integration.Inline == got.Routes["GET /c"].Integration.Inline {
		t.Error("an alias shares its Go value with the anchor")
	}
}

func TestMapsNeverHoldNil(t *testing.T) {
	document, problems := Load("a.yaml", []byte(small+"  GET /a:\n  GET /b: 5\nstages: {dev: }\nintegrations: {x: [], y: {type: MOCK, responses: {default: }}}\n"))
	if len(problems) != 5 {
		t.Errorf("%d problems, want 5: %v", len(problems), problems)
	}
	api := document.API
	if api.Routes["GET /a"] == nil || api.Routes["GET /b"] == nil || api.Stages["dev"] == nil ||
		api.Integrations["x"] == nil || api.Integrations["y"].Responses["default"] == nil {
		t.Errorf("a map holds nil: %+v", api)
	}
}

func TestLocate(t *testing.T) {
	document := mustLoad(t, `name: Chat
protocolType: WEBSOCKET
allowOrigins: [a, b]
routes:
  join:
    integration: nowhere
  send:
    integration:
      type: HTTP_PROXY
      requestParameters: {integration.request.header.a: x}
`)
	for _, test := range []struct {
		path string
		want Position
	}{
		{"", Position{1, 1}},
		{"name", Position{1, 1}},
		{"protocolType", Position{2, 1}},
		{"allowOrigins/1", Position{3, 19}},
		{"allowOrigins/7", Position{3, 1}},
		{"routeSelectionExpression", Position{1, 1}},
		{"routes/join", Position{5, 3}},
		{"routes/join/integration", Position{6, 5}},
		{"routes/join/integration/uri", Position{6, 5}},
		{"routes/send/integration/type", Position{9, 7}},
		{"routes/send/integration/uri", Position{8, 5}},
		{"routes/send/integration/requestParameters/integration.request.header.a", Position{10, 27}},
		{"routes/gone/integration", Position{4, 1}},
	} {
		var path []string
		if test.path != "" {
			path = strings.Split(test.path, "/")
		}
		got := document.Locate(gateway.Fault{Path: path, Problem: "is bad", Hint: "do good"})
		if got.Position != test.want || got.Hint != "do good" || !strings.HasSuffix(got.Message, "is bad") {
			t.Errorf("%s: %+v, want %v", test.path, got, test.want)
		}
	}
	fault := gateway.Fault{Path: []string{"routes", "join", "integration"}, Problem: "no integration has the name nowhere"}
	want := "a.yaml:6:5: routes.join.integration: no integration has the name nowhere"
	if got := document.Locate(fault).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestExplainLeavesOutWhatLoadSaid(t *testing.T) {
	document, _ := Load("a.yaml", []byte("nam: Chat\nprotocolType: SOCKET\nroutes:\n  a: {integration: {type: NATS, uri: 5}}\n  b: {}\n"))
	var got []string
	for _, p := range document.Explain([]gateway.Fault{
		{Path: []string{"routes", "b"}, Problem: "has no integration"},
		{Path: []string{"name"}, Problem: "is missing"},
		{Path: []string{"protocolType"}, Problem: "is unknown"},
		{Path: []string{"routes", "a", "integration", "uri"}, Problem: "is empty"},
		{Path: []string{"routes", "a", "integration", "subject"}, Problem: "is empty"},
	}) {
		got = append(got, p.Error())
	}
	want := []string{"a.yaml:4:7: routes.a.integration.subject: is empty", "a.yaml:5:3: routes.b: has no integration"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHostileDocuments(t *testing.T) {
	bomb := small + "  GET /0: &r {integration: {type: MOCK, requestTemplates: &m {"
	for i := range 2000 {
		bomb += fmt.Sprintf("k%d: v,", i)
	}
	bomb += "}}}\n"
	for i := range 2000 {
		bomb += fmt.Sprintf("  GET /%d: *r\n", i+1)
	}
	for name, test := range map[string]struct{ text, want string }{
		"alias bomb":       {bomb, "aliases make the document too large"},
		"alias of itself":  {small + "  GET /: &a {integration: *a}\n", "routes.GET /.integration.integration: unknown key"},
		"deep flow":        {"name: " + strings.Repeat("[", 200_000), "malformed YAML: exceeded max depth"},
		"deep block":       {strings.Repeat("- ", 200_000), "malformed YAML: exceeded max depth"},
		"nested, accepted": {"name: " + strings.Repeat("[", 900) + strings.Repeat("]", 900), "name: is a list"},
		"many problems":    {small + strings.Repeat("  GET /: 5\n", 5000), "more problems"},
		"a long key":       {small + "  GET /: {" + strings.Repeat("k", 900) + ": 1}\n", "unknown key"},
		"terminal escapes": {"\"\\e[2Jx\": 1\n", `"\x1b[2Jx": unknown key`},
		"binary":           {"name: !!binary aGVsbG8=\n", `a value with the tag "!!binary"`},
		"too large":        {strings.Repeat("#", MaxDocumentBytes+1), "is larger than 4 MiB"},
		"nothing":          {"", "the document is empty"},
		"only a marker":    {"---\n", "the document is empty"},
		"null":             {"null", "the document is empty where an object is expected"},
		"text":             {"hello", "the document is the string \"hello\" where an object is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Load("a.yaml", []byte(test.text))
			if len(problems) > maxProblems+1 {
				t.Errorf("%d problems", len(problems))
			}
			for _, p := range problems {
				if len(p.Error()) > 1000 {
					t.Errorf("a message of %d bytes", len(p.Error()))
				}
				if strings.Contains(p.Message, test.want) {
					return
				}
			}
			t.Errorf("no problem says %q: %v", test.want, problems)
		})
	}
}

func TestLoadFile(t *testing.T) {
	folder := t.TempDir()
	big := filepath.Join(folder, "big.yaml")
	if err := os.WriteFile(big, make([]byte, MaxDocumentBytes+10), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "none.yaml"): "can't be read: no such file or directory (is the path right, seen from the working directory?)",
		folder:                             "can't be read: is a directory",
		big:                                "is larger than 4 MiB (is this an API definition?)",
	} {
		document, problems := LoadFile(path)
		if document != nil || len(problems) != 1 || problems[0].Error() != path+": "+want {
			t.Errorf("%s: %v, %v", path, document, problems)
		}
	}
}

// TestFaultsAreFitForATerminal: a fault may repeat a document's own text, which JSON lets hold any character.
func TestFaultsAreFitForATerminal(t *testing.T) {
	document, _ := Load("a.json", []byte(`{"name":"a","protocolType":"HTTP","routes":{}}`))
	fault := gateway.Fault{Path: []string{"name"}, Problem: "unknown variable $\x1b[2Jx\nA line", Hint: "not \u009b"}
	if got, want := document.Locate(fault).Error(), "a.json:1:2: name: unknown variable $\uFFFD[2Jx\uFFFDA line (not \uFFFD)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReservedIDs(t *testing.T) {
	for _, id := range []gateway.APIID{"healthz", "readyz", "v1", "v2", "restapis", "tags"} {
		if message, _ := checkAPIID(id); message != "is a path of the management API" {
			t.Errorf("%s: %q", id, message)
		}
	}
	for _, id := range []gateway.APIID{"a", "chat-2", "-", gateway.APIID(strings.Repeat("a", gateway.MaxAPIIDLength))} {
		if message, _ := checkAPIID(id); message != "" {
			t.Errorf("%s: %q", id, message)
		}
	}
	for _, id := range []gateway.APIID{"", "A", "a.b", "a_b", "é", "a\n", gateway.APIID(strings.Repeat("a", gateway.MaxAPIIDLength+1))} {
		if message, _ := checkAPIID(id); message == "" {
			t.Errorf("%q is accepted", id)
		}
	}
}

// FuzzLoad proves that Load ends without a panic and keeps its promises whatever the bytes are.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, file := range samples(f, folder) {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, text := range []string{
		"", "{}", "[]", "a: &a [*a]", "? ? :", "<<: {}", "routes: {<<: *x}", "%YAML 1.1\n---\n", "\uFEFFname: x", "'", "|\n", "- - -",
		"name: !!float 1", "limits: !!map aws", "routes: !!set {a}", `{"name":"\ud800","routes":[[[]]]}`, "maxInFlight: 0x", "a: 1\n---\n[", "\"\"\n0",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		document, problems := Load("a.yaml", data)
		if document == nil && len(problems) == 0 {
			t.Fatal("neither a document nor a problem")
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") +
			strings.Count(string(data), "\u0085") + strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 1
		for i, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Fatalf("bad problem %+v in %d lines", p, lines)
			}
			if i > 0 && problems[i-1].Line > p.Line {
				t.Fatalf("not in the order of the file: %v", problems)
			}
		}
		if document == nil {
			return
		}
		if document.API == nil {
			t.Fatal("a document without an API")
		}
		if len(problems) == 0 {
			if document.API.Name == "" || document.API.Protocol == "" || document.API.Routes == nil {
				t.Fatalf("accepted although incomplete: %+v", document.API)
			}
			if message, _ := checkAPIID(document.API.APIID); message != "" {
				t.Fatalf("apiId %q %s", document.API.APIID, message)
			}
		}
		for key, route := range document.API.Routes {
			if route == nil {
				t.Fatal("a nil route")
			}
			if p := document.Locate(gateway.Fault{Path: []string{"routes", string(key)}}); p.Line < 1 {
				t.Fatalf("no place for route %q", key)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	data, err := os.ReadFile("testdata/good/chat.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := Load("chat.yaml", data); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
