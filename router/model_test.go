package router

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport/sallyport/gateway"
)

// modelRoute is a route whose messages one schema takes.
func modelRoute(t testing.TB, schema string) *Route {
	t.Helper()
	p, faults := Compile(&gateway.Deployment{ID: "d1", Stage: "dev", API: &gateway.API{
		APIID: "chat", Name: "Chat", Protocol: gateway.ProtocolWebSocket, RouteSelectionExpression: "$request.body.action",
		Models: map[string]*gateway.Model{"M": {Schema: json.RawMessage(schema)}},
		Routes: map[gateway.RouteKey]*gateway.Route{"send": {
			Integration:   &gateway.IntegrationRef{Inline: &gateway.Integration{Type: gateway.IntegrationNATS}},
			RequestModels: map[string]string{"$default": "M"},
		}},
	}}, Config{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p.Route("send")
}

// Numbers for which math/big takes seconds, or which it refuses: the validator would take the process with it.
func TestModelsRefuseNumbersOutOfRange(t *testing.T) {
	for _, schema := range []string{
		`{"properties":{"n":{"minimum":0}}}`, `{"properties":{"n":{"maximum":0}}}`, `{"properties":{"n":{"type":"integer"}}}`,
		`{"properties":{"n":{"multipleOf":3}}}`, `{"properties":{"list":{"uniqueItems":true}}}`, `{"enum":[{"n":7}]}`,
		`{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"n":{"exclusiveMinimum":0}}}`,
	} {
		route := modelRoute(t, schema)
		for _, number := range []string{
			"1e9999999", "1E+9999999", "1e-9999999", "-1e99999999999999999999", "1e401", strings.Repeat("9", 1_000_000), "0." + strings.Repeat("9", 400),
		} {
			list := strings.TrimSuffix(strings.Repeat(number+",", 25), ",")
			if len(number) > maxNumberBytes {
				list = number
			}
			err := route.Validate([]byte(`{"n":` + number + `,"list":[` + list + `]}`))
			if gateway.ErrorCode(err) != gateway.CodeBadRequest || !errors.Is(err, errNumberRange) {
				t.Errorf("%s takes %.20s: %.200v", schema, number, err)
			}
		}
	}
}

func TestModelsTakeNumbersInRange(t *testing.T) {
	route := modelRoute(t, `{"properties":{"n":{"type":"number","minimum":-2e308,"multipleOf":1e-330}}}`)
	for _, number := range []string{"0", "-1.5", "1e400", "1E+308", "5e-324", strings.Repeat("9", maxNumberBytes)} {
		if err := route.Validate([]byte(`{"n":` + number + `}`)); err != nil {
			t.Errorf("%.20s: %v", number, err)
		}
	}
}

// What is told of a message that breaks its model in every item is the first fault, and short.
func TestModelsTellTheFirstFault(t *testing.T) {
	route := modelRoute(t, `{"properties":{"list":{"items":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}}`)
	err := route.Validate([]byte(`{"list":["` + strings.Repeat(`","`, 1000) + `"]}`))
	if got, want := errors.Unwrap(err).Error(), "at '/list/0': got string, want integer"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	route = modelRoute(t, `{"additionalProperties":false}`)
	err = route.Validate([]byte(`{"` + strings.Repeat("é", 5000) + `":1}`))
	if got := errors.Unwrap(err).Error(); len(got) > maxValidationText || !strings.HasPrefix(got, "at '': additional properties") {
		t.Errorf("%d bytes: %.60s", len(got), got)
	}
}

// A fault of the library is an error of that message alone.
func TestModelsSurviveTheirLibrary(t *testing.T) {
	err := apply(&jsonschema.Schema{Pattern: brokenPattern{}}, "text")
	if gateway.ErrorCode(err) != gateway.CodeInternal || !strings.Contains(err.Error(), "panic in a model: broken") {
		t.Errorf("got %v", err)
	}
}

type brokenPattern struct{ jsonschema.Regexp }

func (brokenPattern) MatchString(string) bool { panic("broken") }

func TestModelsHaveNumbersInRange(t *testing.T) {
	api := accessAPI(func(a *gateway.API) { a.Models["Loud"].Schema = json.RawMessage(`{"minimum":1e9999999}`) })
	faults := Check(api, Config{})
	if len(faults) != 1 || !strings.Contains(faults[0].String(), "models.Loud.schema: no valid JSON Schema: a number is out of range") {
		t.Errorf("got %v", faults)
	}
}

// FuzzModel: no message ends the process, and every refusal has a code of its own.
func FuzzModel(f *testing.F) {
	route := modelRoute(f, `{
		"type":"object","required":["text"],"maxProperties":5,
		"properties":{"n":{"minimum":0,"maximum":9,"multipleOf":0.5},"list":{"uniqueItems":true},"text":{"pattern":"^a+$","maxLength":4}},
		"not":{"properties":{"n":{"enum":[7]}},"required":["n"]}
	}`)
	for _, seed := range []string{
		`{"text":"a"}`, `{"text":"a","n":1e9999999}`, `{"text":"b","list":[1,1.0,1e0]}`, `{"n":7,"text":"aa"}`, `[`, `{"text":"a","n":-0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := route.Validate(body)
		if err != nil && gateway.ErrorCode(err) != gateway.CodeBadRequest {
			t.Errorf("%q: %v", body, err)
		}
	})
}
