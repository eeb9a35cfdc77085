package mapping

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport/sallyport/gateway"
)

func connectEvent() *gateway.Event {
	return &gateway.Event{
		Kind: gateway.EventConnect,
		Context: []byte(`{"connectionId":"L0SM9cOFvHcCIhw=","connectedAt":1708326702789,"identity":{"sourceIp":"192.0.2.1"},` +
			`"authorizer":{"principalId":"user","admin":true,"roles":null},"stageVariables":{"backend":"10.0.0.1:80"},` +
			`"pathParameters":{"id":"42"},` +
			`"queryStringParameters":{"room":"b","a.b":"dot"},"multiValueQueryStringParameters":{"room":["a","b"],"a.b":["dot"]}}`),
		Header: gateway.Header{"X-Token": {"one", "two"}, "x-token": {"three"}, "Origin": {"https://a.example"}},
	}
}

func messageEvent(body string) *gateway.Event {
	return &gateway.Event{Kind: gateway.EventMessage, Context: []byte(`{"connectionId":"L0SM9cOFvHcCIhw="}`), Body: []byte(body)}
}

func TestParameterSources(t *testing.T) {
	message := messageEvent(`{"user":{"name":"eve\r\nX-Admin: 1","tags":["a","b"],"age":7},"nothing":null}`)
	tests := []struct {
		name, source string
		event        *gateway.Event
		want         string // "-" for left out
	}{
		{"constant", `'text'`, connectEvent(), "text"},
		{"empty constant", `''`, connectEvent(), ""},
		{"context", `context.connectionId`, connectEvent(), "L0SM9cOFvHcCIhw="},
		{"context, number", `context.connectedAt`, connectEvent(), "1708326702789"},
		{"context, nested", `context.identity.sourceIp`, connectEvent(), "192.0.2.1"},
		{"context, boolean", `context.authorizer.admin`, connectEvent(), "true"},
		{"context, null", `context.authorizer.roles`, connectEvent(), "-"},
		{"context, missing", `context.identity.userAgent`, connectEvent(), "-"},
		{"stage variable", `stageVariables.backend`, connectEvent(), "10.0.0.1:80"},
		{"stage variable, none", `stageVariables.backend`, message, "-"},
		{"query string, last value", `route.request.querystring.room`, connectEvent(), "b"},
		{"query string, dot in the name", `route.request.querystring.a.b`, connectEvent(), "dot"},
		{"query string on a message", `route.request.querystring.room`, message, "-"},
		{"query string, all values", `route.request.multivaluequerystring.room`, connectEvent(), "a,b"},
		{"header, any case, last value", `route.request.header.X-TOKEN`, connectEvent(), "three"},
		{"header, all values", `route.request.multivalueheader.x-token`, connectEvent(), "one,two,three"},
		{"header, missing", `route.request.header.Cookie`, connectEvent(), "-"},
		{"spelling of REST", `method.request.header.origin`, connectEvent(), "https://a.example"},
		{"short spelling", `request.header.Origin`, connectEvent(), "https://a.example"},
		{"path parameter", `method.request.path.id`, connectEvent(), "42"},
		{"body", `route.request.body.user.age`, message, "7"},
		{"body, list", `route.request.body.user.tags`, message, "[a, b]"},
		{"body, item", `route.request.body.user.tags[1]`, message, "b"},
		{"body, null", `route.request.body.nothing`, message, "-"},
		{"body, missing", `route.request.body.user.mail`, message, "-"},
		{"body, no header line of its own", `route.request.body.user.name`, message, "eve  X-Admin: 1"},
		{"body, filter", `route.request.body.user.tags[?(@ == 'b')]`, message, "[b]"},
		{"body, scan", `route.request.body..age`, message, "[7]"},
		{"body, quoted name", `route.request.body['user']['age']`, message, "7"},
		{"body, filter that finds nothing", `route.request.body.user.tags[?(@ == 'c')]`, message, "-"},
		{"body, filter, no header line of its own", `route.request.body..name`, message, "[eve  X-Admin: 1]"},
		{"body, filter, of REST", `method.request.body.user.tags[0:1]`, message, "[a]"},
		{"body, filter, over what is no JSON", `route.request.body..user`, messageEvent(`{"user":`), "-"},
		{"body that is not JSON", `route.request.body.user`, messageEvent(`{"user":`), "-"},
		{"whole body", `route.request.body`, messageEvent(`hello`), "hello"},
		{"whole body, empty", `route.request.body`, messageEvent(``), "-"},
		{"body on connect", `route.request.body.x`, connectEvent(), "-"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, faults := ParseParameters(map[string]string{"integration.request.header.X": test.source})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			got, ok := p.Apply(test.event).Header["X"]
			if !ok {
				got = "-"
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParameterTargets(t *testing.T) {
	p, faults := ParseParameters(map[string]string{
		"integration.request.header.connectionId": "context.connectionId",
		"integration.request.querystring.room":    "route.request.multivaluequerystring.room",
		"integration.request.querystring.one":     "route.request.querystring.room",
		"integration.request.path.user":           "context.authorizer.principalId",
		"integration.request.path.gone":           "context.authorizer.missing",
		"integration.request.path.empty":          "''",
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	event := connectEvent()
	want := Mapped{
		Header: map[string]string{"connectionId": "L0SM9cOFvHcCIhw="},
		Query:  url.Values{"room": {"a", "b"}, "one": {"b"}},
		Path:   map[string]string{"user": "user"},
	}
	if diff := cmp.Diff(want, p.Apply(event)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"empty", "gone", "user"}, p.PathNames()); diff != "" {
		t.Error(diff)
	}
	var none *Parameters
	if diff := cmp.Diff(Mapped{}, none.Apply(event)); diff != "" {
		t.Error(diff)
	}
}

func TestApplyDoesNotShareTheEventsHeader(t *testing.T) {
	p, _ := ParseParameters(map[string]string{"integration.request.querystring.t": "route.request.multivalueheader.Origin"})
	event := connectEvent()
	p.Apply(event).Query["t"][0] = "changed"
	if got := event.Header.Get("Origin"); got != "https://a.example" {
		t.Errorf("the event's header became %q", got)
	}
}

func TestParseParametersReportsAllFaults(t *testing.T) {
	_, faults := ParseParameters(map[string]string{
		"integration.request.header.ok":     "context.connectionId",
		"integration.request.header.long":   "'" + strings.Repeat("x", maxSourceLength) + "'",
		"integration.request.header.empty":  "",
		"integration.request.header.open":   "'text",
		"integration.request.header.what":   "connectionId",
		"integration.request.header.part":   "route.request.cookie.x",
		"integration.request.header.name":   "route.request.header.a b",
		"integration.request.header.noname": "stageVariables.",
		"integration.request.header.dots":   "context..x",
		"integration.request.header.wild":   "route.request.body.a.b*",
		"integration.request.header.a b":    "'x'",
		"integration.request.header":        "'x'",
		"integration.request.cookie.x":      "'x'",
		"header.x":                          "nothing",
	})
	var got []string
	for _, f := range faults {
		got = append(got, strings.TrimPrefix(f.Path[0], "integration.request.")+": "+f.Problem)
	}
	want := []string{
		"header.x: not a target of a request parameter",
		"header.x: column 1: unknown source nothing",
		"cookie.x: not a target of a request parameter",
		"header: not a target of a request parameter",
		"header.a b: not a target of a request parameter",
		"header.dots: column 8: only names and indexes can stand here",
		"header.empty: column 1: the source is empty",
		"header.long: column 1: the source is longer than 512 characters",
		"header.name: column 22: not a parameter name",
		"header.noname: column 16: not a parameter name",
		"header.open: column 6: the quote is not closed",
		"header.part: column 15: unknown part of the request cookie",
		"header.what: column 1: unknown source connectionId",
		"header.wild: column 23: this character can't stand in a name",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkApply(b *testing.B) {
	p, _ := ParseParameters(map[string]string{"integration.request.header.connectionId": "context.connectionId"})
	event := connectEvent()
	b.ReportAllocs()
	for b.Loop() {
		p.Apply(event)
	}
}

// FuzzParameters: nothing panics, and no header value can end its line.
func FuzzParameters(f *testing.F) {
	f.Add("integration.request.header.X", "route.request.body.a", []byte(`{"a":"b\r\nc"}`), []byte(`{}`))
	f.Add("integration.request.path.x", "context.identity.sourceIp", []byte(``), []byte(`{"identity":{"sourceIp":"::1"}}`))
	f.Add("integration.request.querystring.q", "route.request.multivaluequerystring.q", []byte(``), []byte(`{"multiValueQueryStringParameters":{"q":["1",2]}}`))
	f.Add("integration.request.header.X", "route.request.body..a[?(@.b)]", []byte(`{"a":[{"b":"\r\n"}]}`), []byte(`{}`))
	f.Add("integration.request.header.X", "'a\r\nb'", []byte(``), []byte(`{"a"`))
	f.Fuzz(func(t *testing.T, target, source string, body, context []byte) {
		p, _ := ParseParameters(map[string]string{target: source})
		if !Valid(context) {
			context = nil
		}
		mapped := p.Apply(&gateway.Event{Body: body, Context: context, Header: gateway.Header{"X": {string(body)}}})
		for _, value := range mapped.Header {
			if strings.ContainsAny(value, "\r\n\x00") {
				t.Fatalf("header value %q", value)
			}
		}
	})
}
