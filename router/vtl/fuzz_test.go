package vtl_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/router/vtl"
)

// small are limits that a fuzzer reaches.
var small = vtl.Limits{Rounds: 50, Output: 1 << 14, Work: 1 << 18, Time: time.Second}

func seed(f *testing.F) {
	for _, g := range load(f, "testdata/golden.jsonl") {
		f.Add(g.Template, g.Body)
	}
	for _, text := range []string{
		"#macro(a $x)#a($x)$x#end#a(1)", "#define($d)$d$e#end#define($e)$d#end$e", "#set($s='#evaluate($s)')#evaluate($s)",
		"#foreach($i in [1..9999999])#foreach($j in [1..9999999])x#end#end", `#set($s="x")#foreach($i in [1..100])#set($s="$s$s")#end`,
		"#set($l=[1])#set($l[0]=$l)$l", `$input.json("$..[?(@.a =~ /(a*)*b/)]")`, "#set($s='aaaaaaaaaaaaaaaaaaaaaaaaaaaa')$s.matches('(a+)+b')",
		strings.Repeat("#if(true)", 300), "#set($x=" + strings.Repeat("(", 300), "$a" + strings.Repeat(".b", 300), `"${`, "#[[", "$!{a['",
		"#set($s='x')$s.format('%9999999999d',1)", "#set($n=999999999999)#foreach($i in [1..99])#set($n=$n*$n)#end$n",
	} {
		f.Add(text, `{"a":[1,{"b":"c"}]}`)
	}
}

// FuzzParse: whatever the text, Parse ends and its errors have a place within it.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text, _ string) {
		_, err := vtl.Parse("t", text, vtl.Options{})
		var fault *vtl.Error
		if err == nil {
			return
		}
		if !errors.As(err, &fault) || fault.Line < 1 || fault.Column < 1 || fault.Line > strings.Count(text, "\n")+1 || fault.Problem == "" {
			t.Fatalf("%#v", err)
		}
		if lines := strings.Split(fault.Excerpt(), "\n"); len(lines) != 2 {
			t.Fatalf("excerpt %q", lines)
		}
	})
}

// FuzzRender: whatever the template and the body, Render ends within its limits, twice the same way.
func FuzzRender(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text, body string) {
		watchdog := time.AfterFunc(10*small.Time, func() { panic("does not end: " + strconv.Quote(text) + " on " + strconv.Quote(body)) })
		defer watchdog.Stop()
		template, err := vtl.Parse("t", text, vtl.Options{Limits: small})
		if err != nil {
			return
		}
		in := vtl.Input{
			Body: []byte(body), Context: vtl.JSON([]byte(body)),
			StageVariables: vtl.Strings(map[string]string{"a": text}),
			Params:         vtl.Params{Header: vtl.JSON([]byte(body))},
		}
		first, err := template.Render([]byte("before"), in)
		if err != nil {
			var fault *vtl.Error
			if !errors.As(err, &fault) || fault.Kind == vtl.KindParse {
				t.Fatalf("%#v", err)
			}
			return
		}
		if len(first.Output) > small.Output+len("before") || !strings.HasPrefix(string(first.Output), "before") {
			t.Fatalf("%d bytes of output", len(first.Output))
		}
		if _, err := first.Overrides.MarshalJSON(); err != nil && len(body) < 1000 {
			t.Logf("overrides: %v", err)
		}
		second, err := template.Render([]byte("before"), in)
		if err != nil && kindOf(err) != vtl.KindLimit || err == nil && string(second.Output) != string(first.Output) {
			t.Fatalf("first %q, then %q, %v", first.Output, second.Output, err)
		}
	})
}

func kindOf(err error) vtl.Kind {
	var fault *vtl.Error
	if errors.As(err, &fault) {
		return fault.Kind
	}
	return 0
}
