package vtl_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/template"

	"github.com/sallyport/sallyport/router/vtl"
)

// The benchmarks compare with text/template doing equivalent work on the same request: the body parsed, the same output
// up to blanks. Measured together on two shared cores of a 2026 machine by
//
//	go test -run '^$' -bench . -benchtime 1s ./router/vtl
//
// The figures stand in docs/templates.md; the ratio is what to compare.

// workload is a template in both languages and a request for it.
type workload struct {
	name     string
	vtl      string
	golang   string
	body     string
	in       vtl.Input
	data     func(body any) any
	expected string // part of the output of both
}

func workloads(t testing.TB) []workload {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile("testdata/templates/" + name + ".vtl")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	context := map[string]any{
		"apiId": "a1b2c3d4e5", "httpMethod": "POST", "stage": "prod", "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
		"resourcePath": "/pets/{id}", "requestTimeEpoch": 1583349317135,
		"identity": map[string]any{"sourceIp": "192.0.2.1", "userAgent": "curl/8.5.0"},
	}
	params := map[string]map[string]string{
		"path": {"id": "7"}, "querystring": {"verbose": "true"},
		"header": {"Accept": "*/*", "Content-Type": "application/json", "Host": "api.example.com"},
	}
	variables := map[string]string{"table": "people"}
	text := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	in := vtl.Input{
		Params: vtl.Params{
			Path: vtl.JSON(text(params["path"])), Querystring: vtl.JSON(text(params["querystring"])), Header: vtl.JSON(text(params["header"])),
		},
		Context: vtl.JSON(text(context)), StageVariables: vtl.JSON(text(variables)),
	}
	data := func(body any) any {
		return map[string]any{"body": body, "context": context, "params": params, "variables": variables}
	}
	var orders strings.Builder
	orders.WriteString(`{"orders":[`)
	for i := range 100 {
		if i > 0 {
			orders.WriteByte(',')
		}
		fmt.Fprintf(&orders, `{"id":"o%d","lines":[{"sku":"a","price":3,"count":2},{"sku":"b","price":5,"count":1}]}`, i)
	}
	orders.WriteString(`]}`)
	return []workload{
		{"Envelope", read("envelope"), `{
"body-json" : {{json .body}},
"params" : { {{range $type, $params := .params}}"{{$type}}" : { {{range $name, $v := $params}}"{{$name}}" : "{{js $v}}", {{end}} }, {{end}} },
"stage-variables" : { {{range $k, $v := .variables}}"{{$k}}" : "{{js $v}}" {{end}} },
"context" : { "api-id" : "{{.context.apiId}}", "http-method" : "{{.context.httpMethod}}", "stage" : "{{.context.stage}}",
"source-ip" : "{{.context.identity.sourceIp}}", "user-agent" : "{{.context.identity.userAgent}}", "request-id" : "{{.context.requestId}}",
"resource-path" : "{{.context.resourcePath}}" } }`, `{"name":"Ann","tags":["a","b"],"pet":{"kind":"cat","age":3}}`, in, data, `"source-ip" : "192.0.2.1"`},
		{"DynamoDB", read("dynamodb"), `{ "TableName": "{{.variables.table}}", "Item": { "id": {"S": "{{.context.requestId}}"}, "name": {"S": "{{js .body.name}}"},
"age": {"N": "{{.body.age}}"}, {{if .body.email}}"email": {"S": "{{.body.email}}"},{{end}}
"tags": {"SS": [{{range $i, $t := .body.tags}}{{if $i}}, {{end}}"{{$t}}"{{end}}]}, "createdAt": {"N": "{{.context.requestTimeEpoch}}"} } }`,
			`{"name":"Ann","age":30,"email":"ann@example.com","tags":["a","b","c"]}`, in, data, `"email": {"S": "ann@example.com"}`},
		{"List", read("list"), `{"orders": [{{range $i, $o := .body.orders}}{{if $i}},{{end}}
{"id": "{{$o.id}}", "lines": [{{range $j, $l := $o.lines}}{{if $j}}, {{end}}{"sku": "{{$l.sku}}", "sum": {{mul $l.price $l.count}}}{{end}}]}{{end}}]}`,
			orders.String(), in, data, `{"id": "o99", "lines": [{"sku": "a", "sum": 6}, {"sku": "b", "sum": 5}]}`},
	}
}

func (w *workload) template(t testing.TB) *vtl.Template {
	t.Helper()
	parsed, err := vtl.Parse(w.name, w.vtl, vtl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (w *workload) golangTemplate(t testing.TB) *template.Template {
	t.Helper()
	parsed, err := template.New(w.name).Funcs(template.FuncMap{
		"json": func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"mul":  func(a, b float64) float64 { return a * b },
	}).Parse(w.golang)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (w *workload) renderGolang(parsed *template.Template, out *bytes.Buffer) error {
	var body any
	if err := json.Unmarshal([]byte(w.body), &body); err != nil {
		return err
	}
	out.Reset()
	return parsed.Execute(out, w.data(body))
}

// Both languages give what the benchmarks claim that they do.
func TestWorkloads(t *testing.T) {
	for _, w := range workloads(t) {
		w.in.Body = []byte(w.body)
		result, err := w.template(t).Render(nil, w.in)
		if err != nil || !json.Valid(result.Output) || !bytes.Contains(result.Output, []byte(w.expected)) {
			t.Errorf("%s: %v\n%s", w.name, err, result.Output)
		}
		var out bytes.Buffer
		if err := w.renderGolang(w.golangTemplate(t), &out); err != nil || !strings.Contains(out.String(), w.expected) {
			t.Errorf("%s in text/template: %v\n%s", w.name, err, out.String())
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, w := range workloads(b) {
		b.Run(w.name+"/vtl", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.template(b)
			}
		})
		b.Run(w.name+"/text-template", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.golangTemplate(b)
			}
		})
	}
}

func BenchmarkRender(b *testing.B) {
	for _, w := range workloads(b) {
		w.in.Body = []byte(w.body)
		b.Run(w.name+"/vtl", func(b *testing.B) {
			b.ReportAllocs()
			parsed, dst := w.template(b), make([]byte, 0, 64<<10)
			for b.Loop() {
				if _, err := parsed.Render(dst, w.in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(w.name+"/text-template", func(b *testing.B) {
			b.ReportAllocs()
			parsed := w.golangTemplate(b)
			var out bytes.Buffer
			for b.Loop() {
				if err := w.renderGolang(parsed, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A longer template costs no more allocations than a short one: text and variables cost none, only what is computed does.
func TestRenderAllocations(t *testing.T) {
	allocations := func(text string) float64 {
		parsed, err := vtl.Parse("t", text, vtl.Options{})
		if err != nil {
			t.Fatal(err)
		}
		in, dst := vtl.Input{Body: []byte(`{"a":"b"}`)}, make([]byte, 0, 256<<10)
		return testing.AllocsPerRun(100, func() {
			if _, err := parsed.Render(dst, in); err != nil {
				t.Fatal(err)
			}
		})
	}
	const work = "#set($x = $input.path('$.a'))$x #if($x == 'b')yes#end"
	short, long := allocations(work), allocations(strings.Repeat("text, ", 20_000)+work+strings.Repeat(" $x ${x}", 2_000))
	if long > short {
		t.Errorf("%v allocations for 150 KB of template, %v for its first lines", long, short)
	}
	const most = 15 // the run, its meter, the body and what it is parsed to
	if short > most {
		t.Errorf("%v allocations, want at most %d", short, most)
	}
}
