package router

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

// defaultModel is the key of the model for messages whose key has none, and the expression where a route gives none
// (contract/websocket-api.md §8.3).
const defaultModel = "$default"

// maxValidationText bounds what a model says of a message, which names members and values of it.
const maxValidationText = 1024

// A number beyond these is out of range: a float64 has at most 309 digits before the point and 324 behind it. The validator
// makes fractions of numbers, for which math/big takes seconds, or which it refuses, and that ends in a panic there.
const (
	maxNumberBytes    = 400
	maxNumberExponent = 400
)

var errNumberRange = errors.New("a number is out of range")

// validator holds the messages of one route to its models. A nil one takes every message.
type validator struct {
	expression *mapping.Expression
	models     map[string]*jsonschema.Schema
}

// backtracks reports whether choosing a model may take a second for any message.
func (v *validator) backtracks() bool { return v.expression != nil && v.expression.Backtracks() }

// validate returns an error with CodeBadRequest, whose cause says what is wrong, or one with CodeInternal, of the validator
// itself.
func (v *validator) validate(body []byte) error {
	if v == nil {
		return nil
	}
	refused := gateway.Errorf(gateway.CodeBadRequest, "Bad request body")
	key := defaultModel
	if mapping.Valid(body) {
		key = string(v.expression.Eval(nil, body))
	}
	model := v.models[key]
	if model == nil {
		model = v.models[defaultModel]
	}
	if model == nil {
		return refused.Because(fmt.Errorf("no model for %q", key))
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return refused.Because(errors.New("the message is not JSON"))
	}
	if !inRange(value) {
		return refused.Because(errNumberRange)
	}
	var broken *jsonschema.ValidationError
	err = apply(model, value)
	if errors.As(err, &broken) {
		return refused.Because(errors.New(firstFault(broken)))
	}
	return err
}

// apply holds a value to a model. A client's bytes must not end the process, so that a panic of the library is an error.
func apply(model *jsonschema.Schema, value any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gateway.Errorf(gateway.CodeInternal, "Internal server error").
				Because(fmt.Errorf("panic in a model: %v\n%s", p, debug.Stack()))
		}
	}()
	return model.Validate(value)
}

// inRange reports whether all numbers of a decoded document are such that the validator can take them.
func inRange(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if !inRange(member) {
				return false
			}
		}
	case []any:
		for _, item := range value {
			if !inRange(item) {
				return false
			}
		}
	case json.Number:
		if len(value) > maxNumberBytes {
			return false
		}
		if i := strings.IndexAny(string(value), "eE"); i >= 0 {
			n, err := strconv.Atoi(string(value[i+1:]))
			return err == nil && -maxNumberExponent <= n && n <= maxNumberExponent
		}
	}
	return true
}

// firstFault is the first thing that a model found, on one line. A message can break a model in a million places, and the
// text of all of them takes seconds.
func firstFault(err *jsonschema.ValidationError) string {
	for len(err.Causes) > 0 {
		err = err.Causes[0]
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxValidationText)], "")
}

// compileModel compiles a model's schema: draft 4 unless it names another draft. It fetches nothing.
func compileModel(name string, m *gateway.Model) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Schema))
	if err != nil {
		return nil, err
	}
	if _, ok := document.(map[string]any); !ok {
		return nil, errors.New("a schema is an object")
	}
	if !inRange(document) {
		return nil, errNumberRange
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(noLoader{})
	url := "model:" + name
	if err := c.AddResource(url, document); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

// noLoader refuses references that lead out of a schema, so that a definition can't make the gateway read files or call
// addresses.
type noLoader struct{}

// Load refuses.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s: a schema can't refer to another document", url)
}

// checkModels compiles the API's models.
func (c *check) checkModels() {
	c.models = make(map[string]*jsonschema.Schema, len(c.api.Models))
	for _, name := range slices.Sorted(maps.Keys(c.api.Models)) {
		where := at("models", name)
		m := c.api.Models[name]
		if m == nil || len(m.Schema) == 0 {
			c.fault(where, "the model has no schema", "schema: {type: object}")
			continue
		}
		schema, err := compileModel(name, m)
		if err != nil {
			c.fault(where.under("schema"), "no valid JSON Schema: "+firstLine(err), "JSON Schema draft 4, or name another one with $schema")
			continue
		}
		c.models[name] = schema
	}
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// checkRouteModels reports models that a route names and the API lacks.
func (c *check) checkRouteModels(key gateway.RouteKey, r *gateway.Route) {
	where := at("routes", string(key))
	if text := r.ModelSelectionExpression; text != "" {
		if len(r.RequestModels) == 0 {
			c.fault(where.under("modelSelectionExpression"), "there are no models to select", "add requestModels")
		}
		if _, err := mapping.ParseExpression(text); err != nil {
			c.fault(where.under("modelSelectionExpression"), err.Error(), "")
		}
	}
	if len(r.RequestModels) > 0 && mayLackIntegration(key) {
		c.fault(where.under("requestModels"), string(key)+" has no message", "remove them")
	}
	for _, k := range slices.Sorted(maps.Keys(r.RequestModels)) {
		if name := r.RequestModels[k]; c.api.Models[name] == nil {
			c.fault(where.under("requestModels", k), fmt.Sprintf("no model is named %q", name), nearest(name, maps.Keys(c.api.Models)))
		}
	}
}

// newValidator takes a route that has passed the checks.
func newValidator(r *gateway.Route, models map[string]*jsonschema.Schema) *validator {
	if len(r.RequestModels) == 0 {
		return nil
	}
	text := r.ModelSelectionExpression
	if text == "" {
		text = `\` + defaultModel
	}
	expression, err := mapping.ParseExpression(text)
	if err != nil {
		return nil // can't be: it passed the checks
	}
	v := &validator{expression: expression, models: make(map[string]*jsonschema.Schema, len(r.RequestModels))}
	for key, name := range r.RequestModels {
		v.models[key] = models[name]
	}
	return v
}
