// Package transform is what the non-proxy integrations share: it turns an event into a backend's request body by request
// templates, and a backend's answer into the result by integration responses (contract/websocket-api.md §7.4 to §7.8,
// §8.2). Kinds call Parse once in Check and Open, then Request and Response for each event; router/vtl renders.
package transform

import (
	"encoding/base64"
	"errors"
	"maps"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
	"github.com/sallyport/sallyport/router/vtl"
)

const (
	// TypeJSON is the key that templates are looked for under without an expression, and the type of what they render.
	TypeJSON = "application/json"

	keyDefault = "$default"
)

// templates are the parsed templates of one member with the expression that picks one.
type templates struct {
	byKey map[string]*vtl.Template
	pick  *mapping.Expression // nil: TypeJSON, then $default
}

func parseTemplates(all map[string]string, expression string, path ...string) (templates, []gateway.Fault) {
	parsed := templates{byKey: make(map[string]*vtl.Template, len(all))}
	var faults []gateway.Fault
	for _, key := range slices.Sorted(maps.Keys(all)) {
		template, err := vtl.Parse(key, all[key], vtl.Options{})
		if err != nil {
			faults = append(faults, gateway.Fault{Path: append(slices.Clone(path), key), Problem: err.Error(), Hint: "templates are Velocity, as API Gateway runs it"})
			continue
		}
		parsed.byKey[key] = template
	}
	if expression != "" {
		var err error
		if parsed.pick, err = mapping.ParseExpression(expression); err != nil {
			faults = append(faults, gateway.Fault{
				Path:    append(slices.Clone(path[:len(path)-1]), "templateSelectionExpression"),
				Problem: err.Error(), Hint: "text and $request.body.name",
			})
		}
	}
	return parsed, faults
}

// choose returns the template for a client's message; nil when none takes it.
func (t templates) choose(message []byte) *vtl.Template {
	key := TypeJSON
	if t.pick != nil {
		if !mapping.Valid(message) {
			message = nil
		}
		key = string(t.pick.Eval(nil, message))
	}
	if template := t.byKey[key]; template != nil {
		return template
	}
	return t.byKey[keyDefault]
}

// Request makes the body of the backend's request from ev, with the overrides of its template for Response. Errors are
// *gateway.Error: CodeUnsupportedMedia when no template takes the event and it may not pass without, CodeIntegration for a
// template that fails and text that is no base64.
func (t *Transform) Request(ev *gateway.Event) ([]byte, *vtl.Overrides, error) {
	body, err := convert(ev.Body, t.handling)
	if err != nil {
		return nil, nil, err
	}
	template := t.request.choose(ev.Body)
	if template == nil {
		if t.passthrough == gateway.PassthroughNever ||
			t.passthrough == gateway.PassthroughNoTemplates && len(t.request.byKey) > 0 {
			return nil, nil, gateway.Errorf(gateway.CodeUnsupportedMedia, "Unsupported Media Type")
		}
		return body, nil, nil
	}
	in := input(ev)
	in.Body = body
	out, err := template.Render(nil, in)
	if err != nil {
		return nil, nil, gateway.Errorf(gateway.CodeIntegration, "the request template failed").Because(err)
	}
	return out.Output, out.Overrides, nil
}

var errBase64 = errors.New("the text is no base64")

func convert(body []byte, how gateway.ContentHandling) ([]byte, error) {
	switch how {
	case gateway.ConvertToBinary:
		out, err := base64.StdEncoding.AppendDecode(nil, body)
		if err != nil { // without the cause: it would quote nothing but an offset
			return nil, gateway.Errorf(gateway.CodeIntegration, "the conversion to binary failed").Because(errBase64)
		}
		return out, nil
	case gateway.ConvertToText:
		return base64.StdEncoding.AppendEncode(nil, body), nil
	}
	return body, nil
}

// input is what templates see of an event: its context, parameters and stage variables.
func input(ev *gateway.Event) vtl.Input {
	member := func(name string) vtl.Object { return vtl.JSON([]byte(gjson.GetBytes(ev.Context, name).Raw)) }
	headers := make([]vtl.Member, 0, len(ev.Header))
	for _, name := range slices.Sorted(maps.Keys(ev.Header)) {
		if values := ev.Header[name]; len(values) > 0 {
			headers = append(headers, vtl.Member{Name: name, Value: values[len(values)-1]})
		}
	}
	return vtl.Input{
		Params: vtl.Params{
			Path: member("pathParameters"), Querystring: member("multiValueQueryStringParameters"), Header: vtl.Members(headers),
		},
		Context:        vtl.JSON(ev.Context),
		StageVariables: member("stageVariables"),
	}
}
