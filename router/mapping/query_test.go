package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

const shopBody = `{"a":[{"b":"c","d":"one","n":1},{"b":"x/y","d":"two","n":2},{"b":"$ }","d":"three","n":3.5},{"b":"]","d":"four"}],` +
	`"name with space":{"z":"space"},"it's":"quote","o":{"k":"v","list":["p","q"],"deep":{"k":"w"}},"0":"zero","e":[],"nil":null,` +
	`"mixed":[1,true,null,"s",{"x":["y","€/"]},["i","j"],1e3,123456789012345678901234567890],"want":"c","twice":"x","twice":"y"}`

func TestQueries(t *testing.T) {
	tests := []struct{ name, expression, want string }{
		// contract/websocket-api.md §3: any JSON path, Goessner's dialect as Jayway has it.
		{"filter", `$request.body.a[?(@.b=='c')].d`, "[one]"},
		{"filter, several", `$request.body.a[?(@.n > 1)].d`, "[two, three]"},
		{"filter, and", `$request.body.a[?(@.n > 1 && @.b == 'x/y')].d`, "[two]"},
		{"filter, or", `${request.body.a[?(@.n == 1 || @.b == ']')].d}`, "[one, four]"},
		{"filter, not", `$request.body.a[?(!@.n)].d`, "[four]"},
		{"filter, exists", `$request.body.a[?(@.n)].n`, "[1, 2, 3.5]"},
		{"filter, against the document", `$request.body.a[?(@.b == $.want)].d`, "[one]"},
		{"filter, pattern", `$request.body.a[?(@.d =~ /t.*/)].d`, "[two, three]"},
		{"filter, pattern with a bracket and a quote", `$request.body.a[?(@.b =~ /[']?\]/)].d`, "[four]"},
		{"filter, in", `$request.body.a[?(@.d in ['one', 'four'])].d`, "[one, four]"},
		{"scan", `$request.body..k`, "[v, w]"},
		{"scan for quoted names", `$request.body..['k']`, "[v, w]"},
		{"scan for an index", `$request.body.o..[0]`, "[p]"},
		{"wildcard", `$request.body.a.*.d`, "[one, two, three, four]"},
		{"wildcard in brackets", `$request.body.o.list[*]`, "[p, q]"},
		{"several indexes", `$request.body.a[0,2].d`, "[one, three]"},
		{"slice", `$request.body.a[1:3].d`, "[two, three]"},
		{"slice from the end", `$request.body.a[-1:].d`, "[four]"},
		{"the last", `$request.body.a[(@.length-1)].d`, "four"},
		{"at the root", `$request.body[?(@.want == 'c')].want`, "[c]"},
		{"several names", `$request.body.o['k','nope']`, `{"k":"v"}`},
		// quoted names
		{"name with a space", `$request.body['name with space'].z`, "space"},
		{"name in double quotes", `${request.body["name with space"].z}`, "space"},
		{"name with a quote", `$request.body["it's"]`, "quote"},
		{"name with an escaped quote", `$request.body['it\'s']`, "quote"},
		{"a quoted number is a name", `$request.body['0']`, "zero"},
		{"a quoted number is no index", `x$request.body.o.list['0']`, "x"},
		{"blanks in brackets", `$request.body[ 'want' ]`, "c"},
		{"bracket behind a dot", `$request.body.['want']`, "c"},
		// where a variable ends
		{"slash in a filter", `$request.body.a[?(@.b == 'x/y')].d/rest`, "[two]/rest"},
		{"dollar and brace in a filter", `${request.body.a[?(@.b == '$ }')].d}-rest`, "[three]-rest"},
		{"dollar and brace without braces", `$request.body.a[?(@.b == '$ }')].d rest`, "[three] rest"},
		{"bracket in quotes", `$request.body.a[?(@.b == ']')].d`, "[four]"},
		{"two queries", `$request.body.a[0:1].d/${request.body..k}-$request.body.want`, "[one]/[v, w]-c"},
		{"text behind a query", `${request.body.a[0:1].d}[0]`, "[one][0]"},
		// nothing found is the empty text of its variable
		{"filter, nothing", `x-$request.body.a[?(@.b == 'nope')].d`, "x-"},
		{"scan, nothing", `x-$request.body..nope`, "x-"},
		{"an empty list that is there", `$request.body['e']`, "[]"},
		{"an empty list that the engine finds", `$request.body.e[*]`, ""},
		{"null", `x-$request.body.mixed[(@.length-6)]`, "x-"},
		{"negative index", `x-$request.body.a[-1]`, "x-"},
		{"index into an object, and what follows", `${request.body.o[1:]}-${request.body..z}`, "-[space]"},
		{"index into a text, then another query", `${request.body.want[1:]}-${request.body..z}`, "-[space]"},
		// values as text
		{"last of two members", `${request.body.twice}-${request.body['twice']}-${request.body..twice}`, "y-y-[y]"},
		{"all sorts", `$request.body.mixed[*]`, `[1, true, null, s, {"x":["y","\u20AC/"]}, [i, j], 1000.0, 123456789012345678901234567890]`},
		{"a list found by a definite path", `$request.body.a[(@.length-4)]`, `{"b":"c","d":"one","n":1}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, err := ParseExpression(test.expression)
			if err != nil {
				t.Fatal(err)
			}
			if !Valid([]byte(shopBody)) {
				t.Fatal("the body of this test is not JSON")
			}
			if got := string(e.Eval([]byte("key="), []byte(shopBody))); got != "key="+test.want {
				t.Errorf("got %q, want %q behind key=", got, test.want)
			}
		})
	}
}

// A message of a megabyte that makes a path expensive costs what its length allows, and then is as one in which the path
// finds nothing. Plain paths of the same expression are not touched by that.
func TestQueriesAreBounded(t *testing.T) {
	const size, megabyte = 1 << 16, 1 << 20
	deep := strings.Repeat(`{"a":`, 400) + "[" + strings.Repeat("{},", megabyte/3) + "1]" + strings.Repeat("}", 400)
	flat := `{"long":"` + strings.Repeat("7", size/2) + `","list":[` + strings.Repeat("1,", size/4) + `1]}`
	nested := strings.Repeat("[", 300) + strings.Repeat("1,", size/2) + "1" + strings.Repeat("]", 300)
	tests := []struct{ name, path, body string }{
		{"a scan in a scan", "..[?(@..x)]", deep},
		{"all values of all levels, as text", "..*", nested},
		{"all values many times over", "..*..*..*", nested},
		{"long texts compared again and again", ".list[?($.long == 1)]", flat},
		{"nested beyond the engine's limit", "..x", strings.Repeat("[", 600) + strings.Repeat("]", 600)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := mustExpression(t, "<${request.body"+test.path+"}>${request.body..never}|")
			body := []byte(test.body)
			if !Valid(body) {
				t.Fatal("the body of this test is not JSON")
			}
			if got := e.Eval(nil, body); string(got) != "<>|" {
				t.Errorf("got %d bytes", len(got))
			}
		})
	}

	// What does not multiply fits the bounds, whatever the length.
	wide := []byte(`{"action":"join","list":[` + strings.Repeat(`{"k":"a","v":1},`, size/16) + `{"k":"b","v":2}]}`)
	if got := string(mustExpression(t, `${request.body.action}-$request.body.list[?(@.k == 'b')].v`).Eval(nil, wide)); got != "join-[2]" {
		t.Errorf("a filter over many objects: %q, want join-[2]", got)
	}
	numbers := []byte(`{"list":[` + strings.Repeat("1,", size/2) + `2]}`)
	if got := mustExpression(t, `$request.body.list[?(@ > 0)]`).Eval(nil, numbers); len(got) != len("[2]")+size/2*len("1, ") {
		t.Errorf("a filter that takes all of many numbers: %d bytes", len(got))
	}
}

func TestQuotedNamesDoNotAllocate(t *testing.T) {
	e := mustExpression(t, `$request.body['name with space'].z-$request.body.a[0]['d']`)
	body := []byte(shopBody)
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst = e.Eval(dst[:0], body) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkEvalQuery(b *testing.B) {
	e := mustExpression(b, `$request.body.a[?(@.b == 'x/y')].d`)
	body := []byte(shopBody)
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		if Valid(body) {
			dst = e.Eval(dst[:0], body)
		}
	}
}

// BenchmarkEvalQueryWorst is the most that a megabyte of message can cost.
func BenchmarkEvalQueryWorst(b *testing.B) {
	for name, c := range map[string]struct{ path, body string }{
		"numbers": {"$request.body[?(@ > 0)]", "[" + strings.Repeat("1,", 1<<19) + "1]"},
		"work":    {"$request.body..[?(@..x)]", strings.Repeat(`{"a":`, 400) + "[" + strings.Repeat("{},", 1<<20/3) + "1]" + strings.Repeat("}", 400)},
		"memory":  {"$request.body..*", "[" + strings.Repeat("[],", 1<<20/3) + "1]"},
	} {
		b.Run(name, func(b *testing.B) {
			e := mustExpression(b, c.path)
			body := []byte(c.body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				e.Eval(nil, body)
			}
		})
	}
}

// FuzzQuery: whatever path follows the body, in braces and without, it is read in the same way, ends, and leaves the text
// around it alone.
func FuzzQuery(f *testing.F) {
	for _, path := range []string{
		".a[?(@.b=='c')].d", "..k", ".*", "[*]", "[1:2]", "['name with space']", "[(@.length-1)]", "[?(@.b =~ /(a+)+]/)]", "..[?(@..x[?(@.y)] == 1)]",
		"[?(@.a in ['}','$'])]", ".a[0][?($.b == @)]", "['a\\'b',\"c\"]", ".a..", "[", "[']']",
	} {
		f.Add(path, []byte(shopBody))
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		braced, err := ParseExpression("<${request.body" + path + "}>")
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Column < 1 || syntax.Column > utf8.RuneCountInString(path)+len("<${request.body}>")+1 {
				t.Fatalf("bad error %#v", err)
			}
			return
		}
		if !Valid(body) || len(braced.parts) != 3 {
			return
		}
		before := bytes.Clone(body)
		got := braced.Eval(nil, body)
		if !bytes.HasPrefix(got, []byte("<")) || !bytes.HasSuffix(got, []byte(">")) {
			t.Fatalf("the text around is gone: %q", got)
		}
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
		if bare, err := ParseExpression("<$request.body" + path); err == nil && len(bare.parts) == 2 {
			if again := bare.Eval(nil, body); string(again)+">" != string(got) {
				t.Fatalf("without braces %q, with braces %q", again, got)
			}
		}
	})
}

// FuzzQuotedName: a quoted name finds exactly the member of that name.
func FuzzQuotedName(f *testing.F) {
	for _, name := range []string{"action", "a b", "@this", "]", "}", "$", "/", "0", "..", "*", "a|b", "größe"} {
		f.Add(name, "value", "other")
	}
	f.Fuzz(func(t *testing.T, name, value, other string) {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) || !utf8.ValidString(other) || strings.ContainsAny(name, `'\`) || other == name || len(name) > maxExpression/2 {
			return
		}
		body, err := json.Marshal(map[string]any{"outer": map[string]string{other: "wrong", name: value}})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"$request.body.outer['" + name + "']", "${request.body.outer['" + name + "']}"} {
			e, err := ParseExpression(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(e.Eval(nil, body)); got != value {
				t.Fatalf("%s over %s gave %q, want %q", text, body, got, value)
			}
		}
	})
}
