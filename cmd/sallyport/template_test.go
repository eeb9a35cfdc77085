package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplateRender(t *testing.T) {
	event := write(t, "event.json", `{
		"body": "{\"pet\":\"cat\",\"n\":[1,2]}",
		"params": {"path": {"id": "7"}, "querystring": {"q": ["a", "b"]}, "header": {"X-H": "h"}},
		"context": {"stage": "dev", "identity": {"sourceIp": "192.0.2.1"}},
		"stageVariables": {"table": "pets"}
	}`)
	empty := write(t, "empty.json", "{}")
	tests := []struct {
		name, template, event string
		out                   string
	}{
		{"everything", `$input.json('$.pet') $input.params('id') $input.params('q') $input.params('X-H') $context.stage $context.identity.sourceIp $stageVariables.table`, event, `"cat" 7 b h dev 192.0.2.1 pets`},
		{"no newline is added", "a\n", event, "a\n"},
		{"what is missing is empty", `[$input.body][$input.params('id')][$context.stage][$stageVariables.x]`, empty, "[{}][][][]"},
		{"the override maps exist", `$context.requestOverride.header.put('a','b')$context.requestOverride.header.get('a')`, empty, "b"},
		{"a body that is an object", `$input.json('$')`, write(t, "object.json", `{"body":{"a": 1}}`), `{"a":1}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, out, errs := call(t, "", "template", "render", write(t, "t.vtl", test.template), "--event", test.event)
			if code != exitFine || out != test.out || errs != "" {
				t.Errorf("exit %d, %q, want %q\nstderr: %s", code, out, test.out, errs)
			}
		})
	}
}

func TestTemplateFromStandardInput(t *testing.T) {
	code, out, errs := call(t, "$context.stage", "template", "render", "-", "--event", write(t, "e.json", `{"context":{"stage":"s"}}`))
	if code != exitFine || out != "s" {
		t.Errorf("exit %d, %q %q", code, out, errs)
	}
}

func TestTemplateOverrides(t *testing.T) {
	template := write(t, "t.vtl", `#set($context.responseOverride.status = 404)#set($context.requestOverride.header.m = ['a', 'b'])text`)
	code, out, errs := call(t, "", "template", "render", template, "--overrides", "--event", write(t, "e.json", "{}"))
	var got any
	if err := json.Unmarshal([]byte(out), &got); code != exitFine || err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	want := map[string]any{
		"requestOverride": map[string]any{
			"header": map[string]any{"m": []any{"a", "b"}}, "path": map[string]any{}, "querystring": map[string]any{},
		},
		"responseOverride": map[string]any{"header": map[string]any{}, "status": 404.0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("overrides (-want +got):\n%s", d)
	}
}

func TestTemplateFaults(t *testing.T) {
	event := write(t, "event.json", "{}")
	tests := []struct {
		name, template, event string
		code                  int
		err                   []string
	}{
		{"parse", "{\n  \"a\": $a,\n#set($x = $a-$b)\n}", event, exitFailed, []string{"t.vtl:3:14: ", "blanks around it", "\n#set($x = $a-$b)\n             ^\n"}},
		{"runtime", "x\n\t#set($l = [])$l[3]", event, exitFailed, []string{"t.vtl:2:15: ", "index 3", "\n #set($l = [])$l[3]\n              ^\n"}},
		{"no sample", "x", write(t, "bad.json", "[1"), exitFailed, []string{"bad.json is no sample event"}},
		{"a member of the wrong kind", "x", write(t, "kind.json", `{"context":"x"}`), exitFailed, []string{"context is no object"}},
		{"no such event", "x", "nowhere.json", exitUsage, []string{"nowhere.json: there is no such file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, out, errs := call(t, "", "template", "render", write(t, "t.vtl", test.template), "--event", test.event)
			if code != test.code || out != "" {
				t.Errorf("exit %d, want %d; stdout %q", code, test.code, out)
			}
			for _, part := range test.err {
				if !strings.Contains(errs, part) {
					t.Errorf("stderr lacks %q:\n%s", part, errs)
				}
			}
		})
	}
}

// A template within a definition is shown at its own line too.
func TestValidateShowsTemplateFaults(t *testing.T) {
	faulty := write(t, "faulty.yaml", `name: x
protocolType: HTTP
routes:
  GET /:
    integration:
      type: MOCK
      requestTemplates: {application/json: '{"statusCode":200}'}
      responses:
        default:
          responseTemplates:
            text/plain: |
              {
                #set($x = $a-$b)
              }
`)
	code, out, _ := call(t, "", "validate", faulty)
	want := "faulty.yaml:11:13: routes.GET /.integration.responses.default.responseTemplates.text/plain: line 2, column 16 of the template: "
	if code != exitFailed || !strings.Contains(out, want) || !strings.HasSuffix(out, "\n      #set($x = $a-$b)\n                   ^\n") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	code, out, _ = call(t, "", "validate", "--json", faulty)
	var fault struct{ Excerpt string }
	if err := json.Unmarshal([]byte(out), &fault); code != exitFailed || err != nil || fault.Excerpt != "  #set($x = $a-$b)\n               ^" {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
}
