package transform

import (
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router/mapping"
	"github.com/sallyport/sallyport/router/vtl"
)

// Request is what goes to the backend beside mapped parameters.
type Request struct {
	Body []byte
	// ContentType is that of Body; "" when there is none.
	ContentType string
	// Overrides are what the template set; they replace mapped parameters (contract/mapping-templates.md §7), and go on to
	// Response.
	Overrides *vtl.Overrides
}

// Request makes the backend's request from ev. Errors are *gateway.Error: CodeUnsupportedMedia when no template takes
// the event and it may not pass without, integrations.Misconfigured for a template that fails and text that is no
// base64.
func (t *Transform) Request(ev *gateway.Event) (Request, error) {
	made, err := t.render(ev)
	return made, integrations.Misconfigured(ev.Kind, err)
}

func (t *Transform) render(ev *gateway.Event) (Request, error) {
	body, err := Convert(ev.Body, t.handling)
	if err != nil {
		return Request{}, err
	}
	template := t.template(ev.Body)
	if template == nil {
		if t.passthrough == gateway.PassthroughNever ||
			t.passthrough == gateway.PassthroughNoTemplates && len(t.request.byKey) > 0 {
			return Request{}, gateway.Errorf(gateway.CodeUnsupportedMedia, "Unsupported Media Type")
		}
		return Request{Body: body, ContentType: passedType(body)}, nil
	}
	in := input(ev)
	in.Body = body
	out, err := template.Render(nil, in)
	if err != nil {
		return Request{}, gateway.Errorf(gateway.CodeIntegration, "the request template failed").Because(err)
	}
	made := Request{Body: out.Output, Overrides: out.Overrides}
	if len(made.Body) > 0 {
		made.ContentType = TypeJSON
	}
	return made, nil
}

// template returns the request template for a client's message; nil when none takes it.
func (t *Transform) template(message []byte) *vtl.Template {
	if t.pick == nil {
		return t.request.byKey[t.request.standing]
	}
	if !mapping.Valid(message) {
		message = nil
	}
	_, template := t.request.find(string(t.pick.Eval(nil, message)))
	return template
}

// passedType is the type of a message that passes without a template: JSON as everywhere (contract/websocket-api.md
// §7.3 leaves it open), unless it could be no text.
func passedType(body []byte) string {
	switch {
	case len(body) == 0:
		return ""
	case !utf8.Valid(body):
		return typeBinary
	}
	return TypeJSON
}

// FixedRequest returns what the request template renders where that is the same for every event, and its key.
func (t *Transform) FixedRequest() (text, key string, fixed bool) {
	template := t.request.byKey[t.request.standing]
	if t.pick != nil || t.handling != "" || template == nil {
		return "", "", false
	}
	text, fixed = template.Static()
	return text, t.request.standing, fixed
}

var errBase64 = errors.New("the text is no base64")

// Convert applies a contentHandling to a body (contract/websocket-api.md §7.8). Text that is no base64 is CodeIntegration.
func Convert(body []byte, how gateway.ContentHandling) ([]byte, error) {
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
	return vtl.Input{
		Params: vtl.Params{
			Path: member("pathParameters"), Querystring: member("multiValueQueryStringParameters"), Header: lastValues(ev.Header),
		},
		Context:        vtl.JSON(ev.Context),
		StageVariables: member("stageVariables"),
	}
}

// lastValues are the headers, with the last value of each (contract/mapping-templates.md §4.2).
func lastValues(h gateway.Header) vtl.Object {
	if len(h) == 0 {
		return vtl.Object{}
	}
	members := make([]vtl.Member, 0, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if values := h[name]; len(values) > 0 {
			members = append(members, vtl.Member{Name: name, Value: values[len(values)-1]})
		}
	}
	return vtl.Members(members)
}
