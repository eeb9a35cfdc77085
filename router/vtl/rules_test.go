package vtl_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/router/vtl"
)

// Each rule of contract/mapping-templates.md beside the golden cases has a test of its own here; the numbers are the
// contract's. want "parse" or "runtime" with a leading ! is a failure.
func TestRules(t *testing.T) {
	tests := []struct{ rule, template, want string }{
		{"3.1 names", "#set($a_b-1='v')$a_b-1 ${a_b-1} $5 $! a", "v v $5 $ a"},
		{"3.1 true is no name", "$true", "!parse"},
		{"3.1 hash at the end", "a #", "!parse"},
		{"3.2 quiet or not", "[$a][$!a][${a}][$!{a}]", "[][][][]"},
		{"3.3 missing is a string", "#set($x = $nope)#set($l=[$nope])[$x]$l$l.get(0).length()", "[][]0"},
		{"3.3 the chain ends", "[$nope.length()]", "[]"},
		{"3.5 key before method", "#set($m={'size':'key'})$m.size $m.size()", "key 1"},
		{"3.6 from the end", "#set($l=[1,2,3])$l[-1]$l[-3]", "31"},
		{"3.6 no arithmetic", "$l[1+1]", "!parse"},
		{"3.7 escapes", `#set($x=1)\$x \\$x \${x} \$nope \#if \\#if(true)a#end`, `$x \1 ${x} $nope #if \a`},
		{"3.8 ranges", "#set($n=3)[1..$n] #foreach($i in [1..$n])$i#end #foreach($i in [$n..1])$i#end", "[1..3] 123 321"},
		{"3.8 method of a literal", "#set($x={'a':1}.size())", "!parse"},
		{"3.9 quotes", `#set($a=1)#set($s="$a ""q"" \n")#set($t='$a ''q''')$s $t`, `1 "q" \n $a 'q'`},
		{"3.9 code units", `#set($s="\u00e9\uD83D\uDE00")$s`, "é😀"},
		{"3.10 widening", "#set($x=2147483647 + 1)#set($y=9223372036854775807 + 1)#set($z=$y * $y)$x $y $z", "2147483648 9223372036854775808 85070591730234615865843651857942052864"},
		{"3.10 precedence", "#set($x=2 + 3 * 4 - 10 / 5)$x", "12"},
		{"3.11 words", "#if(1 lt 2 and 2 le 2 and not (3 ne 3) or false)T#end", "T"},
		{"3.11 other classes", "#set($l=[1])#if($l == '[1]')T#end#if(1 == '1.0')F#end", "T"},
		{"3.12 restored", "#set($i='v')#foreach($i in [1])$i#end$i$foreach.index", "1v"},
		{"3.12 break of the outer", "#foreach($i in [1,2])#foreach($j in [1,2])$i$j#break($foreach.parent)#end#end.", "11."},
		{"3.12 scope", "#foreach($i in [1,2])#set($foreach.x=$i)#foreach($j in [1])$foreach.x$foreach.topmost.count#end#end", "1122"},
		{"3.12 changed list", "#set($l=[1])#foreach($i in $l)$l.add(1)#end", "!runtime"},
		{"3.13 by name", "#macro(m $p)$p$p#end#set($n=[1,2])#m($n.remove(0))", "12"},
		{"3.13 define anew", "#define($d)$i#end#foreach($i in [1,2])$d#end", "12"},
		{"3.13 define within itself", "#define($d)a$d#end$d", "aa$d"},
		{"3.13 evaluate", `#set($t='#set($y=2)$x')#set($x=1)#evaluate($t)$y`, "12"},
		{"3.13 nothing to load", "#include('x')", "!runtime"},
		{"3.13 block macro", "#macro(b)<$bodyContent>#end#@b()x#end", "<x>"},
		{"3.14 comments", "a## b\nc#* d *#e#** f *#g", "aceg"},
		{"3.14 unparsed", "#[[ $x #set( ]]#", " $x #set( "},
		{"3.15 line ends", "#if(true)  \n x\n#end\t\n.", " x\n."},
		{"3.16 numbers", "#set($a=100000.0)#set($b=1.0 * 10000000)#set($c=0.0001 * 1)$a $b $c", "100000.0 1.0E7 1.0E-4"},
		{"3b.1 blanks before set", "a  #set($x=1)b$x  #set($x=2)c", "a  b1c"},
		{"3b.2 null leaves", "#set($x='old')#set($x=1/0)$x", "old"},
		{"3b.3 plus", "#set($x='a' + [1])#set($y=1 + true)$x/[$y]", "a[1]/[]"},
		{"3b.4 letter after dot", "#set($m={'_a':1})$m._a$m['_a']", "{_a=1}._a1"},
		{"3b.5 macro before its place", "#m('x')#macro(m $a $b)$a$b#end#set($b='o')#m('y')", "xyo"},
		{"3b.7 comment in a string", `#set($s="a ## b")[$s]`, "[a ]"},
		{"3b.8 unknown keeps", `\#nope`, `\#nope`},
		{"3b.9 bare literals", "#if({})T#end#if([1..2])T#end#if(1 + 1)T#end.", "."},
		{"3b.10 braces set nothing", "#set(${x}=1)[$x]", "[]"},
		{"3b.10 blank in a list", "#set($x=[ ])", "!parse"},
		{"4.1 a property of the body", "[$input.body.a]", "[]"},
		{"4.2 missing is a real string", "$input.params('x').length()", "0"},
		{"4.2 last value", "$input.params('q')", "b"},
		{"4.3 null", "[$input.path('$.nil')]", "[]"},
		{"4.5 escapes", "$input.json('$.odd')", `"\u20AC / < \u007F \n"`},
		{"4.6 without dollar", "$input.path('o.k')$input.json('tags[1]')", `v"b/c"`},
		{"4.6 no list", "$input.path('$.o[0]')", "!runtime"},
		{"4.6 blank", "$input.path('$.a b')", "!runtime"},
		{"5.1 not a string", "$util.escapeJavaScript($input.path('$.tags'))", `[\"a\",\"b\\\/c\"]`},
		{"5.2 no JSON", "$util.parseJson('{')", "!runtime"},
		{"5.5 nothing else", "[$util.toJson('x')]", "[]"},
		{"6.3 objects of the context", "[$context.identity][$context.identity.keySet()][$context.requestOverride]", "[][[sourceIp]][]"},
		{"6.7 stage variables", "$stageVariables.env${stageVariables['env']}[$stageVariables.x]", "devdev[]"},
		{"7.1 notations", "#set($context.responseOverride.header['a']='b')$context.responseOverride.header.a", "b"},
		{"8 no reflection", "#set($s='')[$s.class][$s.getClass()]", "[][]"},
		{"8 arrays", "#set($s='a,b,,')$s.split(',').size()$s.split(',')[1]$s.split(',', -1).size()", "2b4"},
		{"8 look-around", `#set($s='a1b2')$s.replaceAll('(?<=[a-z])(\d)(?!$)','<$1>')$s.replaceAll('[a-z&&[^b]]+','x')`, "a<1>b2x1b2"},
		{"8 possessive", `#set($s='aaa')$s.matches('a*+a')$s.matches('\Qaaa\E')`, "falsetrue"},
		{"8 statics", "#set($n=0)$n.parseInt('42')$n.toHexString(255)", "42ff"},
		{"8 no number", "#set($n=0)$n.parseInt('x')", "!runtime"},
		{"8 format", "#set($s='')$s.format('%s|%5d|%-4s|%05.1f|%x','a',42,'b',2.25,255)", "a|   42|b   |002.3|ff"},
		{"8 not for these arguments", "#set($s='abc')[$s.substring('1')]", "[]"},
	}
	in := vtl.Input{
		Body:           []byte(strings.TrimSuffix(bodyB, "}") + `,"odd":"€ / < \u007f \n"}`),
		Params:         vtl.Params{Querystring: vtl.JSON([]byte(`{"q":["a","b"]}`))},
		Context:        vtl.JSON([]byte(`{"identity":{"sourceIp":"192.0.2.1"}}`)),
		StageVariables: vtl.Strings(map[string]string{"env": "dev"}),
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			out, failed, err := outcome(test.template, in, vtl.Options{})
			if failed != "" {
				out = "!" + failed
			}
			if out != test.want {
				t.Errorf("%s\n got %q (%v)\nwant %q", test.template, out, err, test.want)
			}
		})
	}
}

// Each switch of what is not established changes what its comment says.
func TestOptions(t *testing.T) {
	rounds := vtl.Limits{Rounds: 3}
	tests := []struct {
		name, template, body string
		by, with             string
		options              vtl.Options
	}{
		{"MissingIsFalse", "#if($nope)T#{else}F#end", "", "T", "F", vtl.Options{MissingIsFalse: true}},
		{"NoMacros", "#macro(m)x#end#m()", "", "x", "!parse", vtl.Options{NoMacros: true}},
		{"RoundsFail", "#foreach($i in [1..2000])#if($i == 1001)more#end#end.", "", ".", "!runtime", vtl.Options{RoundsFail: true}},
		{"Rounds", "#foreach($i in [1..5])$i#end", "", "12345", "123", vtl.Options{Limits: rounds}},
		{"InvalidBodyFails", "[$input.path('$.a')]", "no JSON", "[]", "!runtime", vtl.Options{InvalidBodyFails: true}},
		{"PlainSlashes", "$input.path('$.a')", `{"a":["/"]}`, `["\/"]`, `["/"]`, vtl.Options{PlainSlashes: true}},
		{"Trim", " \n a \n", "", " \n a \n", "a", vtl.Options{Trim: true}},
	}
	for _, test := range tests {
		for _, one := range []struct {
			options vtl.Options
			want    string
		}{{vtl.Options{}, test.by}, {test.options, test.with}} {
			out, failed, err := outcome(test.template, vtl.Input{Body: []byte(test.body)}, one.options)
			if failed != "" {
				out = "!" + failed
			}
			if out != one.want {
				t.Errorf("%s: %+v gave %q (%v), want %q", test.name, one.options, out, err, one.want)
			}
		}
	}
}

// What a template could do to stall or fill a worker ends with an error that says so.
func TestLimits(t *testing.T) {
	tests := map[string]string{
		"steps":        "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])#set($x=$a)#end#end#end",
		"output":       "#foreach($i in [1..1000])#foreach($j in [1..1000])0123456789abcdef#end#end",
		"doubling":     `#set($s="0123456789")#foreach($i in [1..100])#set($s="$s$s")#end`,
		"lists":        "#set($l=[1])#foreach($i in [1..100])$l.addAll($l)#end",
		"shared lists": "#set($l=[1])#foreach($i in [1..100])#set($l=[$l,$l])#end$l",
		"cycle":        "#set($m={})#set($l=[$m])$m.put('l',$l)$l",
		"macros":       "#macro(m)#m()#end#m()",
		"evaluate":     "#set($s='#evaluate($s)')#evaluate($s)",
		"backtracking": "#set($s='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')$s.matches('(a+)+b')",
		"numbers":      "#set($n=99999999999)#foreach($i in [1..100])#set($n=$n * $n)#end",
		"range":        "#set($l=[1..2000000000])",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			template, err := vtl.Parse("t", text, vtl.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if out, err := template.Render(nil, vtl.Input{}); kindOf(err) != vtl.KindLimit {
				t.Errorf("%d bytes, error %v, want a limit", len(out.Output), err)
			}
		})
	}
	for name, text := range map[string]string{
		"length":  strings.Repeat("x", vtl.MaxTemplate+1),
		"nesting": strings.Repeat("#if(true)", 1000),
	} {
		if _, err := vtl.Parse("t", text, vtl.Options{}); kindOf(err) != vtl.KindLimit {
			t.Errorf("%s: %v, want a limit", name, err)
		}
	}
}

func TestErrorsShowTheirPlace(t *testing.T) {
	tests := []struct{ text, want, excerpt string }{
		{"a\n#set($x = $a-$b)", "t:2:14: ", "#set($x = $a-$b)\n             ^"},
		{"#foreach($i in $l)\nx", "t:1:1: #foreach has no #end", "#foreach($i in $l)\n^"},
		{"é $x[", "t:1:6: ", "é $x[\n     ^"},
		{`x #set($s = "a $b[ c")`, "t:1:20: ", ""},
		{"#end", "t:1:2: #end without a beginning", ""},
	}
	for _, test := range tests {
		_, _, err := outcome(test.text, vtl.Input{}, vtl.Options{})
		text := strings.Replace(err.Error(), "template:", "t:", 1)
		if !strings.HasPrefix(text, test.want) {
			t.Errorf("%q: %s, want %s", test.text, text, test.want)
		}
		if fault, ok := err.(*vtl.Error); !ok || test.excerpt != "" && fault.Excerpt() != test.excerpt {
			t.Errorf("%q: excerpt\n%s", test.text, fault.Excerpt())
		}
	}
}

func TestOverrides(t *testing.T) {
	request, err := vtl.Parse("t", `#set($context.requestOverride.header.m = ['a','b'])#set($context.responseOverride.status = 444)#set($context.responseOverride.custom = 'c')$context.requestOverride.path.put('p', 1)`, vtl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := request.Render(nil, vtl.Input{})
	if err != nil {
		t.Fatal(err)
	}
	header, path := first.Overrides.RequestHeader(), first.Overrides.RequestPath()
	if len(header) != 1 || header[0].Name != "m" || strings.Join(header[0].Values, "+") != "a+b" || len(path) != 1 || path[0].Values[0] != "1" {
		t.Errorf("header %v, path %v", header, path)
	}
	response, err := vtl.Parse("t", `$context.responseOverride.custom$context.requestOverride.header.m`, vtl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := response.Render(nil, vtl.Input{Overrides: first.Overrides})
	if err != nil || string(second.Output) != "c[a, b]" {
		t.Errorf("%q, %v", second.Output, err)
	}
	if status, ok := second.Overrides.Status(); status != 444 || !ok {
		t.Errorf("status %d, %t", status, ok)
	}
	for _, text := range []string{"'404'", "99", "600", "4.5"} {
		template, err := vtl.Parse("t", "#set($context.responseOverride.status = "+text+")", vtl.Options{})
		if err != nil {
			t.Fatal(err)
		}
		result, err := template.Render(nil, vtl.Input{})
		if _, ok := result.Overrides.Status(); ok || err != nil {
			t.Errorf("%s counts as a status, %v", text, err)
		}
	}
	if _, ok := (*vtl.Overrides)(nil).Status(); ok {
		t.Error("no overrides have a status")
	}
}
