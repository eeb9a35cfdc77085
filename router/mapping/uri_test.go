package mapping

import (
	"net/url"
	pathpkg "path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport/sallyport/gateway"
)

func TestExpandURI(t *testing.T) {
	vars := map[string]string{"backend": "127.0.0.1:3000", "base": "http://b.example/v1", "empty": ""}
	values := map[string]string{"id": "a b/c", "proxy": "x y/z/", "rest": "1/2", "host": "eu-1", "dots": "..", "up": "a/../b", "dot": "."}
	tests := []struct {
		name, uri, want string
		code            gateway.Code
	}{
		{"nothing to fill", "http://b.example/a?b=c", "http://b.example/a?b=c", ""},
		{"stage variable as host", "http://${stageVariables.backend}/send", "http://127.0.0.1:3000/send", ""},
		{"stage variable as all", "${stageVariables.base}/{id}", "http://b.example/v1/a%20b%2Fc", ""},
		{"empty stage variable", "http://b/${stageVariables.empty}x", "http://b/x", ""},
		{"one segment", "http://b/pets/{id}/x", "http://b/pets/a%20b%2Fc/x", ""},
		{"greedy", "http://b/{rest+}", "http://b/1/2", ""},
		{"greedy name written without plus", "http://b/{rest}", "http://b/1%2F2", ""},
		{"proxy", "http://b/{proxy}", "http://b/x%20y/z/", ""},
		{"proxy with plus", "http://b/{proxy+}", "http://b/x%20y/z/", ""},
		{"in the query", "http://b/?id={id}&p={proxy}", "http://b/?id=a+b%2Fc&p=x+y%2Fz%2F", ""},
		{"in the host", "http://{host}.b/{id}", "http://eu-1.b/a%20b%2Fc", ""},
		{"not a host", "http://{id}.b/", "", gateway.CodeBadRequest},
		{"dot segment", "http://b/x/{dots}/y", "", gateway.CodeBadRequest},
		{"dot segment from two parts", "http://b/x/.{dot}/y", "", gateway.CodeBadRequest},
		{"dot segment in a greedy one", "http://b/{up+}", "", gateway.CodeBadRequest},
		{"dots inside one segment", "http://b/{up}", "http://b/a%2F..%2Fb", ""},
		{"dots in the query", "http://b/?x={dots}", "http://b/?x=..", ""},
		{"missing variable", "http://${stageVariables.nope}/", "", gateway.CodeIntegration},
		{"missing parameter", "http://b/{nope}", "", gateway.CodeIntegration},
		{"broken", "http://b/{id", "", gateway.CodeIntegration},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ExpandURI(test.uri, vars, values)
			if got != test.want || gateway.ErrorCode(err) != test.code {
				t.Errorf("got %q, %v; want %q, code %q", got, err, test.want, test.code)
			}
		})
	}
}

func TestParseURIErrors(t *testing.T) {
	for uri, want := range map[string]string{
		"http://b/{id":             "column 10: the brace is not closed (write {name} or ${stageVariables.name})",
		"http://b/{}":              "column 10: the placeholder has no name (write {name})",
		"http://${backend}/":       "column 8: unknown variable ${backend} (write ${stageVariables.name})",
		"http://${stageVariables.": "column 8: the brace is not closed (write {name} or ${stageVariables.name})",
	} {
		if _, err := ParseURI(uri); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", uri, err, want)
		}
	}
}

func TestURINames(t *testing.T) {
	u, err := ParseURI("http://${stageVariables.b}/{x}/{y+}?q={x}&v=${stageVariables.a}")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, u.StageVariables()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x", "y"}, u.PathParameters()); diff != "" {
		t.Error(diff)
	}
	if got, want := u.MarkGreedy("x"), "http://${stageVariables.b}/{x+}/{y+}?q={x+}&v=${stageVariables.a}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzExpandURI: whatever a client chooses, the request stays on the host and below the path that the definition gives.
func FuzzExpandURI(f *testing.F) {
	for _, value := range []string{"a", "..", "../x", "a/../../b", "//evil", "?x", "#", "@evil:80", `\..\`, "%2e%2e", "\x00", "ä"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, uri := range []string{"http://b.example/base/{v}", "http://b.example/base/{v+}/end", "http://b.example/base/?q={v}", "http://{v}.b.example/base/"} {
			got, err := ExpandURI(uri, nil, map[string]string{"v": value})
			if err != nil {
				continue
			}
			u, err := url.Parse(got)
			if err != nil {
				t.Fatalf("%s with %q gave %q: %v", uri, value, got, err)
			}
			if u.Host != "b.example" && !strings.HasSuffix(u.Host, ".b.example") || u.User != nil || u.Fragment != "" {
				t.Fatalf("%s with %q went to %q", uri, value, got)
			}
			if clean := pathpkg.Clean(u.EscapedPath()); clean != "/base" && !strings.HasPrefix(clean, "/base/") {
				t.Fatalf("%s with %q left its path: %q", uri, value, got)
			}
		}
	})
}
