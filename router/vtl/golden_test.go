package vtl_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/router/vtl"
)

// bodyB is body B of the contract's golden cases.
const bodyB = `{"name":"Ann","age":30,"ok":true,"nil":null,"pi":1.5,"tags":["a","b/c"],"o":{"k":"v","n":[1,{"z":2}]},"q":"say \"hi\"","u":"http://x/y","s":""}`

// golden is one case of contract/mapping-templates.md §9.
type golden struct {
	ID       string  `json:"id"`
	Template string  `json:"t"`
	Body     string  `json:"b"`
	Out      *string `json:"out"`
	Err      string  `json:"err"`
	Params   struct {
		Path        json.RawMessage `json:"path"`
		Querystring json.RawMessage `json:"querystring"`
		Header      json.RawMessage `json:"header"`
	} `json:"p"`
}

// input is the context of the golden cases with the case's body and parameters.
func (g *golden) input() vtl.Input {
	body := g.Body
	if body == "@B" {
		body = bodyB
	}
	return vtl.Input{
		Body: []byte(body),
		Params: vtl.Params{
			Path: vtl.JSON(g.Params.Path), Querystring: vtl.JSON(g.Params.Querystring), Header: vtl.JSON(g.Params.Header),
		},
		Context:        vtl.JSON([]byte(`{"stage":"prod","identity":{"sourceIp":"192.0.2.1"},"requestTimeEpoch":1583349317135}`)),
		StageVariables: vtl.Strings(map[string]string{"env": "dev"}),
	}
}

// load reads a file of cases, one JSON object a line.
func load(t testing.TB, name string) []golden {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []golden
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		cases = append(cases, g)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// outcome renders and returns the output, or "parse" or "runtime".
func outcome(text string, in vtl.Input, options vtl.Options) (out, failed string, err error) {
	template, err := vtl.Parse("template", text, options)
	if err != nil {
		return "", "parse", err
	}
	result, err := template.Render(nil, in)
	if err != nil {
		return "", "runtime", err
	}
	return string(result.Output), "", nil
}

func TestGolden(t *testing.T) {
	for _, file := range []struct {
		name string
		size int
	}{{"testdata/golden.jsonl", 171}} {
		cases := load(t, file.name)
		if len(cases) != file.size {
			t.Errorf("%s has %d cases, want %d", file.name, len(cases), file.size)
		}
		for _, g := range cases {
			t.Run(g.ID, func(t *testing.T) {
				out, failed, err := outcome(g.Template, g.input(), vtl.Options{})
				if failed != g.Err || g.Out != nil && out != *g.Out {
					t.Errorf("%s\n got %q %s (%v)\nwant %v %s", g.Template, out, failed, err, show(g.Out), g.Err)
				}
			})
		}
	}
}

func show(s *string) string {
	if s == nil {
		return "an error:"
	}
	return `"` + *s + `"`
}
