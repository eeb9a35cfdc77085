package transform

import (
	"testing"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

// message of the benchmarks: what a chat sends, kept in a table and answered by its id.
func benchmarked(t testing.TB) (*Transform, *Target, *gateway.Event) {
	parsed := mustParse(t, gateway.Integration{
		RequestTemplates: map[string]string{"$default": `{"Item":{"id":{"S":"$context.connectionId"},"text":{"S":"$util.escapeJavaScript($input.path('$.text'))"}}}`},
		Responses: map[string]*gateway.IntegrationResponse{
			`/4\d\d/`: {StatusCode: 400}, "default": {ResponseTemplates: map[string]string{"application/json": "$input.path('$.n')"}},
		},
	})
	uri, err := mapping.ParseURI("http://127.0.0.1:8000/tables/{table}")
	if err != nil {
		t.Fatal(err)
	}
	parameters, faults := mapping.ParseParameters(map[string]string{
		"integration.request.path.table": "stageVariables.table", "integration.request.header.connectionId": "context.connectionId",
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return parsed, &Target{Method: "POST", URI: uri, Parameters: parameters}, message(`{"action":"send","text":"hello"}`)
}

// exchange is all of an integration but the call itself.
func exchange(t testing.TB, parsed *Transform, target *Target, ev *gateway.Event) {
	made, err := parsed.Request(ev)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = target.Fill(ev, made); err != nil {
		t.Fatal(err)
	}
	if _, err = parsed.Response(ev, Answer{Value: "200", Status: 200, Body: []byte(`{"n":7}`)}, made.Overrides, limit); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkExchange(b *testing.B) {
	parsed, target, ev := benchmarked(b)
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, parsed, target, ev)
	}
}

// maxAllocations is what an exchange costs today and a tenth: two renders, their documents, a request and its headers.
const maxAllocations = 92

func TestExchangeAllocations(t *testing.T) {
	parsed, target, ev := benchmarked(t)
	if n := testing.AllocsPerRun(100, func() { exchange(t, parsed, target, ev) }); n > maxAllocations {
		t.Errorf("%v allocations, want at most %d", n, maxAllocations)
	}
}
