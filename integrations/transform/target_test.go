package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

// TestTarget: defaults, mappings and overrides in their order, each request by itself (contract/mapping-templates.md §7.2,
// §7.5; contract/rest-api.md §8.2).
func TestTarget(t *testing.T) {
	parameters, faults := mapping.ParseParameters(map[string]string{
		"integration.request.header.x-a": "'mapped'", "integration.request.header.host": "'tenant.example'",
		"integration.request.querystring.q": "'mapped'", "integration.request.path.p": "'mapped'",
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	uri, err := mapping.ParseURI("http://${stageVariables.host}/{p}?v=1")
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Method: "PUT", URI: uri, Variables: map[string]string{"host": "127.0.0.1:1"}, Parameters: parameters}
	type seen struct{ URL, Host, A, Accept, Type string }
	tests := map[string]struct {
		template string
		want     seen
		code     gateway.Code
	}{
		"mapped":         {`x`, seen{"http://127.0.0.1:1/mapped?v=1&q=mapped", "tenant.example", "mapped", "application/json", "application/json"}, ""},
		"overridden":     {`#set($context.requestOverride.header.X-A = 'own')#set($context.requestOverride.header.accept = '*/*')#set($context.requestOverride.querystring.q = ['1', '2'])#set($context.requestOverride.path.p = 'a/b')x`, seen{"http://127.0.0.1:1/a%2Fb?v=1&q=1&q=2", "tenant.example", "own", "*/*", "application/json"}, ""},
		"no body":        {``, seen{"http://127.0.0.1:1/mapped?v=1&q=mapped", "tenant.example", "mapped", "application/json", ""}, ""},
		"a second line":  {`#set($context.requestOverride.header.X-A = "a$util.base64Decode('DQo=')X-B: 1")x`, seen{"http://127.0.0.1:1/mapped?v=1&q=mapped", "tenant.example", "a  X-B: 1", "application/json", "application/json"}, ""},
		"framing":        {`#set($context.requestOverride.header.Transfer-Encoding = 'chunked')x`, seen{}, gateway.CodeIntegration},
		"no header":      {`#set($context.requestOverride.header['a b'] = '1')x`, seen{}, gateway.CodeIntegration},
		"out of the way": {`#set($context.requestOverride.path.p = '..')x`, seen{}, gateway.CodeBadRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ev := message("x")
			made, err := mustParse(t, gateway.Integration{RequestTemplates: map[string]string{"$default": test.template}}).Request(ev)
			if err != nil {
				t.Fatal(err)
			}
			r, err := target.Fill(ev, made)
			if gateway.ErrorCode(err) != test.code {
				t.Fatalf("error %v, want %q", err, test.code)
			}
			if err != nil {
				return
			}
			got := seen{r.URL.String(), r.Host, r.Header.Get("X-A"), r.Header.Get("Accept"), r.Header.Get("Content-Type")}
			if diff := cmp.Diff(test.want, got); diff != "" || r.Method != "PUT" {
				t.Errorf("%s, (-want +got):\n%s", r.Method, diff)
			}
		})
	}
}
