package jsonpath_test

import (
	"errors"
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
		"$.i[?(@.p == $.w)].p": "[2]", "$.i[?(@.p)].p": "[1,2,3]", "$.i[?(!@.p)]": `[{"q":null}]`, "$.i[?(@.q == null)]": `[{"q":null}]`,
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
