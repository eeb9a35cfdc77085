package transform

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

func TestParseFaults(t *testing.T) {
	response := func(key string, r gateway.IntegrationResponse) map[string]*gateway.IntegrationResponse {
		return map[string]*gateway.IntegrationResponse{key: &r}
	}
	ok := response("default", gateway.IntegrationResponse{})
	tests := map[string]struct {
		in   gateway.Integration
		want string // path: beginning of the problem
	}{
		"no response":       {gateway.Integration{}, "responses: HTTP needs an integration response"},
		"empty response":    {gateway.Integration{Responses: map[string]*gateway.IntegrationResponse{"200": nil}}, "responses.200: the response is empty"},
		"two defaults":      {gateway.Integration{Responses: map[string]*gateway.IntegrationResponse{"default": {}, "$default": {}}}, `responses.default: "default" and "$default" are`},
		"empty pattern":     {gateway.Integration{Responses: response("//", gateway.IntegrationResponse{})}, "responses.//: the pattern is empty"},
		"half a pattern":    {gateway.Integration{Responses: response("/4..", gateway.IntegrationResponse{})}, "responses./4..: the pattern has a slash on one side"},
		"one slash":         {gateway.Integration{Responses: response("/", gateway.IntegrationResponse{})}, "responses./: the pattern is empty"},
		"no pattern":        {gateway.Integration{Responses: response("/(/", gateway.IntegrationResponse{})}, "responses./(/: the key is no pattern"},
		"status":            {gateway.Integration{Responses: response("200", gateway.IntegrationResponse{StatusCode: 100})}, "responses.200.statusCode: an answer can't have status 100"},
		"request template":  {gateway.Integration{Responses: ok, RequestTemplates: map[string]string{"$default": "a\n #set($x = )"}}, "requestTemplates.$default: line 2, column 12 of the template: "},
		"response template": {gateway.Integration{Responses: response("200", gateway.IntegrationResponse{ResponseTemplates: map[string]string{"$default": "#if("}})}, "responses.200.responseTemplates.$default: line 1, "},
		"request key":       {gateway.Integration{Responses: ok, RequestTemplates: map[string]string{"join": "x"}}, "requestTemplates.join: the key is no media type"},
		"response key":      {gateway.Integration{Responses: response("200", gateway.IntegrationResponse{ResponseTemplates: map[string]string{"join": "x"}})}, "responses.200.responseTemplates.join: the key is no media type"},
		"which template":    {gateway.Integration{Responses: response("200", gateway.IntegrationResponse{ResponseTemplates: map[string]string{"a/b": "x", "c/d": "y"}})}, "responses.200.responseTemplates: it is open which"},
		"expression":        {gateway.Integration{Responses: ok, TemplateSelectionExpression: "$integration.response.statuscode"}, "templateSelectionExpression: column 1: unknown variable"},
		"of a response":     {gateway.Integration{Responses: response("200", gateway.IntegrationResponse{TemplateSelectionExpression: "$context.x"})}, "responses.200.templateSelectionExpression: column 1: unknown variable"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.in.Type = gateway.IntegrationHTTP
			_, faults := Parse(&test.in)
			if len(faults) != 1 {
				t.Fatalf("faults %v, want one: %s", faults, test.want)
			}
			if got := faults[0].At() + ": " + faults[0].Problem; !strings.HasPrefix(got, test.want) || faults[0].Hint == "" {
				t.Errorf("fault %v, want %s and a hint", faults[0], test.want)
			}
		})
	}
}

// TestKeysOfExpressions: with an expression a template's key is free text.
func TestKeysOfExpressions(t *testing.T) {
	mustParse(t, gateway.Integration{
		TemplateSelectionExpression: "$request.body.a", RequestTemplates: map[string]string{"join": "x", "a b": "y"},
		Responses: map[string]*gateway.IntegrationResponse{"200": {TemplateSelectionExpression: "$request.body.a", ResponseTemplates: map[string]string{"join": "x", "leave": "y"}}},
	})
}

// TestLongPatternsAreNotCompiled: the bound comes before the work.
func TestLongPatternsAreNotCompiled(t *testing.T) {
	if _, err := parseKey("/" + strings.Repeat("x", maxPattern) + "/"); err != nil {
		t.Errorf("the longest pattern: %v", err)
	}
	for _, key := range []string{strings.Repeat("x", maxPattern+1), "/" + strings.Repeat("(", maxPattern+1) + "/"} {
		if _, err := parseKey(key); err != errLongKey {
			t.Errorf("%d characters: %v, want %v", len(key), err, errLongKey)
		}
	}
}

// FuzzKey: nothing panics, a status code stands for itself alone, and no match takes long.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"404", "/4\\d\\d/", "/", "//", "///", "4..", "/(x+x+)+y/", "/.*(?=a)/", "/[a&&[^b]]/", "/\\Qa\\E/", "$default", "/4", "４０４"} {
		f.Add(key, "404")
		f.Add(key, strings.Repeat("x", 40))
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		k, err := parseKey(key)
		if err != nil {
			if strings.Contains(err.Error(), value) && len(value) > 40 {
				t.Fatal("the error repeats the value")
			}
			return
		}
		start := time.Now()
		took := k.takes(value)
		if d := time.Since(start); d > 10*time.Second {
			t.Fatalf("%q over %q took %v", key, value, d)
		}
		if k.pattern == nil && took != (key == value) {
			t.Fatalf("code %q takes %q: %v", key, value, took)
		}
		if took && len(value) > maxValue {
			t.Fatalf("a value of %d bytes was matched", len(value))
		}
	})
}
