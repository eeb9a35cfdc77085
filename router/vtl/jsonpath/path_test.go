package jsonpath_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/router/vtl/jsonpath"
	"github.com/sallyport/sallyport/router/vtl/value"
)

const document = `{"name":"Ann","nil":null,"a b":1,"tags":["x","y","z"],"o":{"k":"v","n":[1,{"z":2}]},
"i":[{"p":1,"t":"abc"},{"p":2,"t":"b"},{"q":null},{"p":3,"t":"a"}],"w":2}`

// The expected values are those of JsonPath 2.0; "-" is nothing found, "!" an error.
func TestEval(t *testing.T) {
	tests := map[string]string{
		"$": "", "$.name": `"Ann"`, "name": `"Ann"`, "$['a b']": "1", `$["name"]`: `"Ann"`, "$.nil": "null", "$.nope": "-", "$.nil.x": "-",
		"$.name.x": "-", "$.name[0]": "!", "$.o[0]": "!", "$.tags[1]": `"y"`, "$.tags[9]": "-", "$.tags[-1]": "-", "$.tags[0,2]": `["x","z"]`,
		"$.tags[0,9]": "-", "$.tags[1:]": `["y","z"]`, "$.tags[:2]": `["x","y"]`, "$.tags[-2:]": `["y","z"]`, "$.tags[:-1]": `["x","y"]`,
		"$.tags[0:9]": `["x","y","z"]`, "$.tags[(@.length-1)]": `"z"`, "$.tags.*": `["x","y","z"]`, "$.tags[*]": `["x","y","z"]`,
		"$['name','w','nope']": `{"name":"Ann","w":2}`, "$..z": "[2]", "$..k": `["v"]`, "$.i[*].p": "[1,2,3]", "$.o.*": `["v",[1,{"z":2}]]`,
		"$.i[?(@.p > 1)].p": "[2,3]", "$.i[?(@.p > 1 && @.p < 3)].p": "[2]", "$.i[?(@.p == 1 || @.p == 3)].p": "[1,3]",
		"$.i[?(@.p == $.w)].p": "[2]", "$[?(@.i[?(@.p == $.w)])].w": "[2]", "$[?(@.o.n[?(@.z == $.w)])].w": "[2]", "$.i[?(@.p)].p": "[1,2,3]", "$.i[?(!@.p)]": `[{"q":null}]`, "$.i[?(@.q == null)]": `[{"q":null}]`,
		"$.i[?(@.p != 1)].p": "[2,3]", "$.i[?(@.p == '1')].p": "[1]", "$.i[?(@.t =~ /A.*/i)].p": "[1,3]", "$.i[?(@.t =~ /a/)].p": "[3]",
		"$.i[?(@.p in [1,3])].p": "[1,3]", "$.i[?(@.p nin [1,3])].p": "[2]", "$.i[?(@.t size 3)].p": "[1]", "$.tags[?(@ empty false)]": `["x","y","z"]`,
		"$.i[?(!(@.p == 1))].p": "-", "$..[?(@.k == 'v')].k": `["v"]`,
		"": "!", "$.": "!", "$..": "!", "$.a b": "!", "$x": "!", "$[": "!", "$['a": "!", "$[?(": "!", "$[?(@.a ==)]": "!", "$[a]": "!", "$.tags[?(@.a =~ /(/)]": "!",
	}
	meter := value.NewMeter(1<<20, time.Time{})
	parsed, err := value.Decode([]byte(document), value.StyleLight, meter)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range tests {
		got := ""
		path, err := jsonpath.Compile(text)
		if err == nil {
			var v any
			var ok bool
			if v, ok, err = path.Eval(parsed, value.StyleLight, meter); ok {
				b, _ := value.AppendJSON(nil, v, meter)
				got = string(b)
			} else if err == nil {
				got = "-"
			}
		}
		if err != nil {
			got = "!"
			if !errors.Is(err, jsonpath.ErrPath) {
				t.Errorf("%s: %v is no ErrPath", text, err)
			}
		}
		if got != want && text != "$" {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for text, want := range map[string]jsonpath.SyntaxError{
		"":                              {Offset: 0, Problem: "it is empty"},
		"$.":                            {Offset: 2, Problem: "a name is missing"},
		"$...a":                         {Offset: 3, Problem: "a third dot"},
		"$.a b":                         {Offset: 3, Problem: "a blank; use ['name with blank']"},
		"$.a[?(@.b ==)]":                {Offset: 12, Problem: "neither a path nor a literal"},
		"$.a[?(@.b[?(@.c = 1)])]":       {Offset: 16, Problem: "a ) is missing"},
		"$['a'":                         {Offset: 5, Problem: "a ] is missing"},
		"$." + strings.Repeat("x", 1e4): {Offset: 0, Problem: "it is too long"},
	} {
		_, err := jsonpath.Compile(text)
		var got *jsonpath.SyntaxError
		if !errors.As(err, &got) || !errors.Is(err, jsonpath.ErrPath) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.Offset != want.Offset || got.Problem != want.Problem {
			t.Errorf("%s: %d %q, want %d %q", text, got.Offset, got.Problem, want.Offset, want.Problem)
		}
	}
	_, err := jsonpath.Compile("$[")
	if want := `invalid JSON path: a ] is missing at character 3 of "$["`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestDefinite(t *testing.T) {
	for text, want := range map[string]bool{
		"$": true, "$.a['b'][0]": true, "$[(@.length-1)]": true, "$.a[0,1]": false, "$..a": false, "$.*": false, "$[1:]": false, "$[?(@.a)]": false,
	} {
		p, err := jsonpath.Compile(text)
		if err != nil || p.Definite() != want {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

// What a filter does for each item costs work in proportion to what it looks at, so that a message can't buy more time
// than it has bytes.
func TestWorkIsBounded(t *testing.T) {
	const size, perByte = 1 << 16, 16
	long := strings.Repeat("7", size/2)
	many := strings.Repeat("1,", size/4) + "1"
	tests := []struct{ name, path, body string }{
		{"scan within scan", "$..[?(@..x)]", strings.Repeat(`{"a":`, 500) + "[" + strings.Repeat(`{},`, size/3) + "1]" + strings.Repeat("}", 500)},
		{"scans in a row", "$..*..*..*", strings.Repeat("[", 60) + many + strings.Repeat("]", 60)},
		{"a list for each item", "$.i[?(0 in $.i)]", `{"i":[` + many + `]}`},
		{"two long strings", "$.i[?($.a == $.b)]", `{"a":"` + long + `","b":"` + long + `","i":[` + many + `]}`},
		{"a long number in a string", "$.i[?($.a == 1)]", `{"a":"` + long + `","i":[` + many + `]}`},
		{"the length of a long string", "$.i[?($.a size 1)]", `{"a":"` + long + `","i":[` + many + `]}`},
		{"a list of long literals", "$.i[?($.a in ['x','y','z'])]", `{"a":"` + long + `","i":[` + many + `]}`},
		{"big numbers", "$.i[?($.a != 1)]", `{"a":` + strings.Repeat("7", 4000) + `,"i":[` + many + `]}`},
		{"many names for each item", "$..[" + strings.Repeat("'a',", 800) + "'b']", "[" + strings.Repeat("{},", size/3) + "1]"},
		{"a pattern over a long string", "$.i[?($.a =~ /7*/)]", `{"a":"` + long + `","i":[` + many + `]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			meter := value.NewMeter(perByte*len(test.body), time.Time{})
			parsed, err := value.Decode([]byte(test.body), value.StyleLight, meter)
			if err != nil {
				t.Fatal(err)
			}
			path, err := jsonpath.Compile(test.path)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := path.Eval(parsed, value.StyleLight, meter); !errors.Is(err, value.ErrWork) {
				t.Errorf("got %v, want %v", err, value.ErrWork)
			}
		})
	}
}

// A pattern that backtracks ends with the meter's deadline, however many items it is tried on.
func TestPatternsEndWithTheDeadline(t *testing.T) {
	meter := value.NewMeter(1<<20, time.Now().Add(-time.Second))
	items := &value.List{Items: []any{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"}}
	path, err := jsonpath.Compile("$[?(@ =~ /(a+)+b/)]")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := path.Eval(items, value.StyleLight, meter); !errors.Is(err, value.ErrTime) {
		t.Errorf("got %v, want %v", err, value.ErrTime)
	}
}

// FuzzEval: whatever the path, compiling and walking end.
func FuzzEval(f *testing.F) {
	for _, text := range []string{"$..*", "$[?(@.a =~ /(a+)+b/)]", "$..[?(@..x[?(@.y)] == 1)]", "['a\\'b',\"c\"]", "$[1:2:3]", "$[(@.length-1)]"} {
		f.Add(text, document)
	}
	f.Fuzz(func(t *testing.T, text, body string) {
		meter := value.NewMeter(1<<16, time.Now().Add(time.Second))
		parsed, err := value.Decode([]byte(body), value.StyleWeb, meter)
		if err != nil {
			return
		}
		path, err := jsonpath.Compile(text)
		if err != nil {
			if !errors.Is(err, jsonpath.ErrPath) {
				t.Fatal(err)
			}
			return
		}
		if v, ok, err := path.Eval(parsed, value.StyleWeb, meter); (err != nil || !ok) && v != nil {
			t.Fatalf("%v with %v", v, err)
		}
	})
}
