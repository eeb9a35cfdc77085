package router

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport/sallyport/gateway"
)

type requestCase struct {
	request    string // "METHOD /path"
	want       gateway.RouteKey
	parameters map[string]string
}

func checkRequests(t *testing.T, keys []gateway.RouteKey, tests []requestCase) {
	t.Helper()
	p := mustCompile(t, httpAPI(keys...), "dev")
	for _, test := range tests {
		t.Run(test.request, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			r, parameters, err := p.Request(method, path)
			if keyOf(r) != test.want {
				t.Fatalf("got %q, want %q", keyOf(r), test.want)
			}
			if (err == nil) != (r != nil) || err != nil && gateway.ErrorCode(err) != gateway.CodeNotFound {
				t.Errorf("got error %v", err)
			}
			if diff := cmp.Diff(test.parameters, parameters); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The vectors of contract/http-api.md §3.21.
func TestRequestContractVectors(t *testing.T) {
	t.Run("R1 to R4", func(t *testing.T) {
		checkRequests(t, []gateway.RouteKey{"GET /a", "GET /a/{x}", "ANY /a/{p+}", "ANY /{p+}"}, []requestCase{
			{"GET /a", "GET /a", nil},
			{"GET /a/", "GET /a/{x}", map[string]string{"x": ""}},
			{"GET /a/b", "GET /a/{x}", map[string]string{"x": "b"}},
			{"POST /a/b", "ANY /a/{p+}", map[string]string{"p": "b"}},
			{"GET /a/b/c", "ANY /a/{p+}", map[string]string{"p": "b/c"}},
			{"POST /a", "ANY /{p+}", map[string]string{"p": "a"}},
			{"GET /", "ANY /{p+}", map[string]string{"p": ""}},
		})
	})
	t.Run("without R2", func(t *testing.T) {
		checkRequests(t, []gateway.RouteKey{"GET /a", "ANY /a/{p+}", "ANY /{p+}"}, []requestCase{
			{"GET /a/", "ANY /a/{p+}", map[string]string{"p": ""}},
		})
	})
	t.Run("without R4", func(t *testing.T) {
		checkRequests(t, []gateway.RouteKey{"GET /a", "GET /a/{x}", "ANY /a/{p+}"}, []requestCase{
			{"POST /a", "-", nil},
			{"GET /", "-", nil},
		})
	})
}

// contract/http-api.md §3.4
func TestRequestDocumentedExample(t *testing.T) {
	keys := []gateway.RouteKey{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"}
	checkRequests(t, keys, []requestCase{
		{"GET /pets/dog/1", "GET /pets/dog/1", nil},
		{"GET /pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
		{"GET /pets/cat/1", "GET /pets/{proxy+}", map[string]string{"proxy": "cat/1"}},
		{"POST /test/5", "ANY /{proxy+}", map[string]string{"proxy": "test/5"}},
	})
	checkRequests(t, []gateway.RouteKey{"GET /pets/dog/1", "$default"}, []requestCase{
		{"POST /test/5", "$default", nil},
		{"GET /", "$default", nil},
		{"DELETE ", "$default", nil},
	})
}

func TestRequestRules(t *testing.T) {
	tests := []struct {
		name  string
		keys  []gateway.RouteKey
		cases []requestCase
	}{
		{"root", []gateway.RouteKey{"GET /"}, []requestCase{
			{"GET /", "GET /", nil}, {"GET ", "GET /", nil}, {"GET //", "-", nil}, {"GET *", "-", nil}, {"GET a", "-", nil},
		}},
		{"a trailing slash counts, §3.10", []gateway.RouteKey{"GET /pets", "GET /cats/"}, []requestCase{
			{"GET /pets", "GET /pets", nil}, {"GET /pets/", "-", nil}, {"GET /cats/", "GET /cats/", nil}, {"GET /cats", "-", nil},
		}},
		{"case counts, §3.7", []gateway.RouteKey{"GET /pets"}, []requestCase{{"GET /Pets", "-", nil}, {"get /pets", "-", nil}}},
		{"a method is not implied, §3.12", []gateway.RouteKey{"GET /a"}, []requestCase{{"HEAD /a", "-", nil}, {"OPTIONS /a", "-", nil}, {"PUT /a", "-", nil}}},
		{"ANY takes all, §3.13", []gateway.RouteKey{"ANY /a"}, []requestCase{{"OPTIONS /a", "ANY /a", nil}, {"HEAD /a", "ANY /a", nil}}},
		{"greedy needs its slash, §3.8", []gateway.RouteKey{"ANY /pe/{proxy+}", "ANY /resource/{id}/{proxy+}"}, []requestCase{
			{"GET /pe/", "ANY /pe/{proxy+}", map[string]string{"proxy": ""}}, {"GET /pe", "-", nil}, {"GET /resource/123", "-", nil},
			{"GET /resource/123/", "ANY /resource/{id}/{proxy+}", map[string]string{"id": "123", "proxy": ""}},
		}},
		{"greedy keeps slashes, §3.9", []gateway.RouteKey{"ANY /{proxy+}"}, []requestCase{
			{"GET /foo/", "ANY /{proxy+}", map[string]string{"proxy": "foo/"}},
			{"GET //a//b", "ANY /{proxy+}", map[string]string{"proxy": "/a//b"}},
		}},
		{"a variable is empty only at the end, §3.11", []gateway.RouteKey{"GET /a/{x}", "GET /b/{x}/c"}, []requestCase{
			{"GET /a/", "GET /a/{x}", map[string]string{"x": ""}}, {"GET /b//c", "-", nil},
		}},
		{"literals are compared decoded", []gateway.RouteKey{"GET /pets/größe"}, []requestCase{
			{"GET /p%65ts/gr%C3%B6%C3%9Fe", "GET /pets/größe", nil},
		}},
		{"an encoded slash does not split, §3.18", []gateway.RouteKey{"GET /a/{x}", "GET /f/{p+}"}, []requestCase{
			{"GET /a/b%2Fc", "GET /a/{x}", map[string]string{"x": "b/c"}},
			{"GET /a%2Fb", "-", nil},
			{"GET /f/b%2Fc/d%20e", "GET /f/{p+}", map[string]string{"p": "b/c/d e"}},
			{"GET /a/%7Bx%7D", "GET /a/{x}", map[string]string{"x": "{x}"}},
			{"GET /a/+", "GET /a/{x}", map[string]string{"x": "+"}},
		}},
		{"literal before explicit method, §3.6", []gateway.RouteKey{"GET /a/{x}", "ANY /a/b"}, []requestCase{{"GET /a/b", "ANY /a/b", nil}}},
		{"explicit method before ANY", []gateway.RouteKey{"GET /a/{x}", "ANY /a/{y}"}, []requestCase{
			{"GET /a/b", "GET /a/{x}", map[string]string{"x": "b"}}, {"PUT /a/b", "ANY /a/{y}", map[string]string{"y": "b"}},
		}},
		{"the wrong method falls through", []gateway.RouteKey{"POST /a/b", "GET /a/{x}", "GET /{p+}"}, []requestCase{
			{"GET /a/b", "GET /a/{x}", map[string]string{"x": "b"}}, {"POST /a/c", "-", nil},
		}},
		{"most literals, wherever they stand, §3.5", []gateway.RouteKey{"GET /{a}/b/c", "GET /x/{b}/{c}"}, []requestCase{
			{"GET /x/b/c", "GET /{a}/b/c", map[string]string{"a": "x"}}, {"GET /x/b/d", "GET /x/{b}/{c}", map[string]string{"b": "b", "c": "d"}},
		}},
		{"equal literals: the leftmost", []gateway.RouteKey{"GET /{y}/b", "GET /a/{x}"}, []requestCase{{"GET /a/b", "GET /a/{x}", map[string]string{"x": "b"}}}},
		{"full match before greedy, §3.3", []gateway.RouteKey{"GET /a/{p+}", "GET /{x}/{y}"}, []requestCase{
			{"GET /a/b", "GET /{x}/{y}", map[string]string{"x": "a", "y": "b"}}, {"GET /a/b/c", "GET /a/{p+}", map[string]string{"p": "b/c"}},
		}},
		{"longer before the greedy one, §3.5", []gateway.RouteKey{"GET /{p+}", "GET /{x}/{p+}", "GET /{x}/{y}/{p+}"}, []requestCase{
			{"GET /a/b/c", "GET /{x}/{y}/{p+}", map[string]string{"x": "a", "y": "b", "p": "c"}}, {"GET /a", "GET /{p+}", map[string]string{"p": "a"}},
		}},
		{"back from a literal that leads nowhere", []gateway.RouteKey{"GET /a/b/c", "GET /{x}/b/d", "GET /{p+}"}, []requestCase{
			{"GET /a/b/d", "GET /{x}/b/d", map[string]string{"x": "a"}}, {"GET /a/b/e", "GET /{p+}", map[string]string{"p": "a/b/e"}},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkRequests(t, test.keys, test.cases)
		})
	}
}

func TestRequestRefusesBrokenEncoding(t *testing.T) {
	p := mustCompile(t, httpAPI("ANY /{p+}", "$default"), "dev")
	for _, path := range []string{"/%", "/a%2", "/%zz"} {
		if r, _, err := p.Request("GET", path); r != nil || gateway.ErrorCode(err) != gateway.CodeBadRequest {
			t.Errorf("%s: got %q, %v", path, keyOf(r), err)
		}
	}
}

func TestRequestOnWebSocketAPI(t *testing.T) {
	if _, _, err := mustCompile(t, websocketAPI("$default"), "dev").Request("GET", "/"); gateway.ErrorCode(err) != gateway.CodeNotFound {
		t.Errorf("got %v", err)
	}
}

func TestRequestAllocations(t *testing.T) {
	p := mustCompile(t, httpAPI("GET /pets", "GET /pets/{id}", "ANY /{proxy+}", "$default"), "dev")
	for path, most := range map[string]float64{"/pets": 0, "/pets/42": 2} { // the map of parameters and its entries
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := p.Request("GET", path); err != nil {
				t.Error(err)
			}
		}); n > most {
			t.Errorf("%s: %v allocations, want at most %v", path, n, most)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	p := mustCompile(b, httpAPI("GET /", "GET /pets", "POST /pets", "GET /pets/{id}", "GET /pets/{id}/owner", "ANY /{proxy+}", "$default"), "dev")
	for _, path := range []string{"/pets", "/pets/42", "/pets/42/owner", "/x/y/z"} {
		b.Run(strings.ReplaceAll(path[1:], "/", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := p.Request("GET", path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzRoutes: keys that pass the checks build a tree that finds each of them by a path made from its own key, and that
// answers any path without a panic.
func FuzzRoutes(f *testing.F) {
	f.Add("GET /a", "ANY /a/{x}", "/a/b")
	f.Add("ANY /{p+}", "GET /a/{x}/{q+}", "//%2F/")
	f.Add("$default", "POST /", "")
	f.Add("GET /a//b", "GET /{x}/{y}", "/%zz")
	f.Add("GET /{a.b:c-d}/~!$&'()*+,;=:@", "DELETE /ä", "/a/../b")
	f.Fuzz(func(t *testing.T, first, second, path string) {
		api := httpAPI(gateway.RouteKey(first), gateway.RouteKey(second))
		p, faults := Compile(&gateway.Deployment{API: api, Stage: "dev"}, Config{})
		if len(faults) > 0 {
			return
		}
		r, parameters, err := p.Request("GET", path)
		if (r == nil) != (err != nil) {
			t.Fatalf("got %q, %v", keyOf(r), err)
		}
		if r != nil && len(parameters) != len(namesOf(r.Key())) {
			t.Fatalf("%q on %q gave %v", r.Key(), path, parameters)
		}
		for _, own := range p.Routes() {
			if own.Key() == gateway.RouteDefault {
				continue
			}
			method, ownPath, _ := strings.Cut(string(own.Key()), " ")
			if found, _, err := p.Request(method, ownPath); err != nil || found.pattern.count(literalSegment) < own.pattern.count(literalSegment) && found.pattern.count(greedySegment) >= own.pattern.count(greedySegment) {
				t.Fatalf("the path of %q found %q, %v", own.Key(), keyOf(found), err)
			}
		}
	})
}

func namesOf(key gateway.RouteKey) []string {
	names, _ := httpKind{}.parameters(key)
	return names
}
