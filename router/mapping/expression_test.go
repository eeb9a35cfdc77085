package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

const chatBody = `{"service":"chat","action":"join","data":{"room":"room1234"}}`

func TestExpressionEval(t *testing.T) {
	tests := []struct{ name, expression, body, want string }{
		// contract/websocket-api.md §3
		{"bare", `$request.body.action`, chatBody, "join"},
		{"braces", `${request.body.action}`, chatBody, "join"},
		{"two variables", `${request.body.service}/${request.body.action}`, chatBody, "chat/join"},
		{"two bare variables", `$request.body.service/$request.body.action`, chatBody, "chat/join"},
		{"constant", `action`, chatBody, "action"},
		{"escaped dollar", `\$default`, chatBody, "$default"},
		{"text around", `v1-${request.body.action}-beta`, chatBody, "v1-join-beta"},
		{"missing keeps the rest", `${request.body.action}-${request.body.missing}`, chatBody, "join-"},
		{"nested", `$request.body.data.room`, chatBody, "room1234"},
		{"list", `$request.body.a`, `{"a":["item1","item2"]}`, "[item1, item2]"},
		{"hyphen without braces", `$request.body.detail-type`, `{"detail-type":"order"}`, "order"},
		{"white space ends a name", `$request.body.a b`, `{"a":"x"}`, "x b"},
		{"dollar ends a name", `$request.body.a$request.body.b`, `{"a":"x","b":"y"}`, "xy"},
		{"one pass", `$request.body.a`, `{"a":"${request.body.b}","b":"y"}`, "${request.body.b}"},
		// values that are no strings
		{"integer", `$request.body.a`, `{"a":12}`, "12"},
		{"number as written", `$request.body.a`, `{"a":1.50e3}`, "1.50e3"},
		{"large number", `$request.body.a`, `{"a":123456789012345678901234567890}`, "123456789012345678901234567890"},
		{"true", `$request.body.a`, `{"a":true}`, "true"},
		{"null is missing", `x$request.body.a`, `{"a":null}`, "x"},
		{"object is compact", `$request.body.a`, "{\"a\": {\"b\" : [1, \"x y\"],\n\"c\":{} } }", `{"b":[1,"x y"],"c":{}}`},
		{"list of all sorts", `$request.body.a`, `{"a":[1, true,null,"b\"c",{"d": [1, 2]},["e","f"]]}`, `[1, true, null, b"c, {"d":[1,2]}, [e, f]]`},
		{"empty list", `$request.body.a`, `{"a":[ ]}`, "[]"},
		{"brackets inside strings", `$request.body.a`, `{"a":[{"x":"}]\\"},"]"]}`, `[{"x":"}]\\"}, ]]`},
		{"escapes in a string", `$request.body.a`, `{"a":"jo\u0069n \ud83d\ude00"}`, "join 😀"},
		{"escapes in a name", `$request.body.action`, `{"\u0061ction":"join"}`, "join"},
		// paths
		{"index in brackets", `$request.body.a[1].b`, `{"a":[0,{"b":"x"}]}`, "x"},
		{"index behind a dot", `$request.body.a.1.b`, `{"a":[0,{"b":"x"}]}`, "x"},
		{"index at the root", `$request.body[0]`, ` ["x"]`, "x"},
		{"index out of range", `$request.body.a[9]`, `{"a":[0]}`, ""},
		{"number is a member too", `$request.body.a.1`, `{"a":{"1":"x"}}`, "x"},
		{"name on a list", `$request.body.a.b`, `{"a":[{"b":"x"}]}`, ""},
		{"name on a string", `$request.body.a.b`, `{"a":"{\"b\":\"x\"}"}`, ""},
		{"root is a string with JSON in it", `$request.body.b`, `"{\"b\":\"x\"}"`, ""},
		{"root is a number", `$request.body.b`, `7`, ""},
		{"last of two members", `$request.body.a`, `{"a":"x","b":{"a":"z"},"a":"y"}`, "y"},
		{"last of two members, one escaped", `$request.body.a`, `{"a":"x","\u0061":"y"}`, "y"},
		{"last of two members, below", `$request.body.a.b`, `{"a":{"b":"x"},"a":{"c":"y"}}`, ""},
		{"null after a value", `$request.body.a`, `{"a":"x","a":null}`, ""},
		{"white space everywhere", `$request.body.a[1].b`, "\t{ \"a\" :\r\n[ 1 , { \"b\" : 7 } ] } ", "7"},
		{"quotes and brackets in keys and values", `$request.body.a`, `{"}\"":"{","[":["\\\"",{"a":"x"}],"a":"y"}`, "y"},
		// names that mean something to gjson
		{"modifier", `${request.body.@this}`, chatBody, ""},
		{"modifier as a name", `${request.body.@type}`, `{"@type":"x"}`, "x"},
		{"modifier behind a dot", `${request.body.data.@pretty}`, chatBody, ""},
		{"pipe", `${request.body.a|b}`, `{"a":{"b":"x"},"a|b":"y"}`, "y"},
		{"count", `${request.body.a.#}`, `{"a":[1,2]}`, ""},
		{"hash as a name", `${request.body.#}`, `{"#":"x"}`, "x"},
		{"literal", `${request.body.!true}`, chatBody, ""},
		{"comparison", `${request.body.a==b}`, `{"a==b":"x"}`, "x"},
		{"dollar in braces", `${request.body.$schema}`, `{"$schema":"x"}`, "x"},
		{"colon", `${request.body.xml:lang}`, `{"xml:lang":"x"}`, "x"},
		{"letters beyond ASCII", `$request.body.größe`, `{"größe":"x"}`, "x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, err := ParseExpression(test.expression)
			if err != nil {
				t.Fatal(err)
			}
			if !Valid([]byte(test.body)) {
				t.Fatal("the body of this test is not JSON")
			}
			if got := string(e.Eval([]byte("key="), []byte(test.body))); got != "key="+test.want {
				t.Errorf("got %q, want %q behind key=", got, test.want)
			}
		})
	}
}

func TestParseExpressionErrors(t *testing.T) {
	tests := []struct {
		expression string
		column     int
		problem    string
	}{
		{``, 1, "empty"},
		{`$default`, 1, "unknown variable $default"},
		{`a$`, 2, "unknown variable $"},
		{`$request.header.x`, 1, "unknown variable"},
		{`ä-$request.bodyx`, 3, "unknown variable"},
		{`$request.body`, 14, "needs the name"},
		{`${request.body.a`, 1, "brace is not closed"},
		{`${request.body.a}-${x}`, 19, "unknown variable $x"},
		{`$request.body.`, 14, "name is missing"},
		{`$request.body..`, 15, "name is missing"},
		{`$request.body...a`, 15, "name is missing"},
		{`$request.body.a..`, 17, "name is missing"},
		{`$request.body.a[x]`, 17, "neither a quoted name nor an index"},
		{`$request.body.a[1`, 16, "bracket is not closed"},
		{`$request.body.a[?(@.b == ']')`, 16, "bracket is not closed"},
		{`${request.body.a['x}`, 17, "bracket is not closed"},
		{`$request.body.a[1]b`, 19, "a dot or a bracket"},
		{`$request.body['a']b`, 19, "a dot or a bracket"},
		{`$request.body.b*`, 16, "can't stand in a name"},
		{`$request.body.a.b?`, 18, "can't stand in a name"},
		{`${request.body.a b}`, 17, "can't stand in a name"},
		{`$request.body.ö.a()`, 18, "can't stand in a name"},
		{`$request.body.a.length()`, 23, "can't stand in a name"},
		{`$request.body..a'`, 17, "can't stand in a name"},
		{`$request.body.a[]`, 17, "neither a quoted name nor an index"},
		{`$request.body.a[:]`, 17, "a slice needs a bound"},
		{`$request.body.ö[?(@.b ==)]`, 25, "neither a path nor a literal"},
		{`x-${request.body.a[?(@.b == 'c')}`, 19, "bracket is not closed"},
		{`$request.body.a[?(@.b = 'c')]`, 23, "a ) is missing"},
		{`$request.body.a[?@.b]`, 18, "a filter is [?(…)]"},
		{`$request.body.a[?(@.b =~ /(/)]`, 29, "regular expression"},
		{`$request.body.a[99999999999999999999]`, 17, "neither a quoted name nor an index"},
		{strings.Repeat("x", maxExpression+1), 1, "longer than 4096 bytes"},
		{`$request.body` + strings.Repeat(`[0:1]`, 257), 1294, "more than 256 steps"},
	}
	for _, test := range tests {
		t.Run(test.expression[:min(len(test.expression), 40)], func(t *testing.T) {
			_, err := ParseExpression(test.expression)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got error %v, want a SyntaxError", err)
			}
			if syntax.Column != test.column || !strings.Contains(syntax.Problem, test.problem) {
				t.Errorf("got column %d, %q; want column %d, %q", syntax.Column, syntax.Problem, test.column, test.problem)
			}
		})
	}
}

func TestSyntaxErrorText(t *testing.T) {
	_, err := ParseExpression(`$default`)
	want := `column 1: unknown variable $default (write $request.body.name, or \$default for that text)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestValid(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	mixed := strings.Repeat(`{"a":[`, MaxDepth/2) + strings.Repeat(`]}`, MaxDepth/2)
	tests := []struct {
		name, body string
		want       bool
	}{
		{"object", `{"a":1}`, true},
		{"scalar", ` "x" `, true},
		{"empty", ``, false},
		{"text", `hello`, false},
		{"two values", `{} {}`, false},
		{"trailing comma", `{"a":1,}`, false},
		{"deepest", deep(MaxDepth), true},
		{"too deep", deep(MaxDepth + 1), false},
		{"deepest of both", mixed, true},
		{"too deep of both", "[" + mixed + "]", false},
		{"wide", "[" + strings.Repeat("[],", MaxDepth) + "{}]", true},
		{"brackets in strings", `["` + strings.Repeat(`[{\"`, MaxDepth) + `"]`, true},
		{"only opened", strings.Repeat("[", 1<<20), false},
		{"only opened, in an open string", `"` + strings.Repeat("[", 1<<20), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Valid([]byte(test.body)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestEvalDoesNotAllocate(t *testing.T) {
	e := mustExpression(t, `${request.body.service}/${request.body.action}/$request.body.data.room`)
	body := []byte(chatBody)
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		if Valid(body) {
			dst = e.Eval(dst[:0], body)
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if string(dst) != "chat/join/room1234" {
		t.Errorf("got %q", dst)
	}
}

func BenchmarkEval(b *testing.B) {
	e := mustExpression(b, `${request.body.service}/${request.body.action}`)
	body := []byte(chatBody)
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		if Valid(body) {
			dst = e.Eval(dst[:0], body)
		}
	}
}

func BenchmarkEvalLong(b *testing.B) {
	e := mustExpression(b, `$request.body.action`)
	body := []byte(`{"action":"join","text":"` + strings.Repeat("How much wood would a woodchuck chuck? ", 12) + `","list":[` + strings.Repeat(`{"id":12,"ok":true},`, 25) + `0]}`)
	dst := make([]byte, 0, 64)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if Valid(body) {
			dst = e.Eval(dst[:0], body)
		}
	}
}

func mustExpression(tb testing.TB, s string) *Expression {
	tb.Helper()
	e, err := ParseExpression(s)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// FuzzExpression: nothing panics, and the text behind a constant prefix stays.
func FuzzExpression(f *testing.F) {
	for _, expression := range []string{`$request.body.action`, `${request.body.a[0].b}-\$`, `$request.body..a`, `$request.body.a[?(@.b == '/')]`, `${request.body.@this}`, `a$b`, `${`} {
		for _, body := range []string{chatBody, `[]`, `{"a":[{"b":null}]}`, `"{"`, `{"a":`, ``} {
			f.Add(expression, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, expression string, body []byte) {
		e, err := ParseExpression(expression)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Column < 1 || syntax.Column > utf8.RuneCountInString(expression)+1 {
				t.Fatalf("bad error %#v", err)
			}
			return
		}
		if !Valid(body) {
			return
		}
		before := bytes.Clone(body)
		if got := e.Eval([]byte("x"), body); len(got) == 0 || got[0] != 'x' {
			t.Fatalf("the prefix is gone: %q", got)
		}
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
	})
}

// FuzzMemberName: a name that parses finds exactly the member of that name, whatever it means to gjson.
func FuzzMemberName(f *testing.F) {
	for _, name := range []string{"action", "@this", "@pretty:{}", "a|b", "#", "!true", "a==b", "0", "007", "4294967297", "größe", "\x7f", "..", "~", ":1"} {
		f.Add(name, "value", "other")
	}
	f.Fuzz(func(t *testing.T, name, value, other string) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) || strings.ContainsAny(name, ".[}") || name == "*" || other == name || !utf8.ValidString(other) {
			return
		}
		e, err := ParseExpression("${request.body.outer." + name + "}")
		if err != nil {
			return
		}
		body, err := json.Marshal(map[string]any{"outer": map[string]string{other: "wrong", name: value}})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(e.Eval(nil, body)); got != value {
			t.Fatalf("name %q over %s gave %q, want %q", name, body, got, value)
		}
	})
}
