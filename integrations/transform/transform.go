package transform

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/mapping"
)

// The statuses that an answer may have: 1xx would end no exchange.
const (
	minStatus = 200
	maxStatus = 599
)

// Transform is the parsed mapping of one integration. It is safe for concurrent use.
type Transform struct {
	request     templates
	pick        *mapping.Expression // nil: the standing template
	passthrough gateway.PassthroughBehavior
	handling    gateway.ContentHandling

	responses []*response // status codes first, then patterns by their text
	fallback  *response
}

// response is one integration response.
type response struct {
	key       responseKey
	status    int // 0: the backend's
	templates templates
	pick      *mapping.ResponseExpression // nil: the standing template
	handling  gateway.ContentHandling
}

// Parse reads in's templates and responses, or says everything that is wrong with them. At least one response is needed
// (contract/websocket-api.md §7.4). The faults' paths are relative to the integration.
func Parse(in *gateway.Integration) (*Transform, []gateway.Fault) {
	t := &Transform{passthrough: in.PassthroughBehavior, handling: in.ContentHandling}
	var faults []gateway.Fault
	expression := in.TemplateSelectionExpression
	t.request, faults = parseTemplates(in.RequestTemplates, expression != "", "requestTemplates")
	if expression != "" {
		var err error
		if t.pick, err = mapping.ParseExpression(expression); err != nil {
			faults = append(faults, unreadable(err, "text and $request.body.name"))
		}
	}
	if len(in.Responses) == 0 {
		faults = append(faults, gateway.Fault{
			Path: []string{"responses"}, Problem: string(in.Type) + " needs an integration response",
			Hint: "responses: {default: {statusCode: 200}}",
		})
	}
	return t, append(faults, t.parseResponses(in.Responses)...)
}

// parseResponses reads the responses in the order in which they are tried: status codes, then patterns by their text,
// since a document's object has no order (contract/websocket-api.md §7.6 leaves it open).
func (t *Transform) parseResponses(all map[string]*gateway.IntegrationResponse) []gateway.Fault {
	var faults []gateway.Fault
	fault := func(problem, hint string, path ...string) {
		faults = append(faults, gateway.Fault{Path: append([]string{"responses"}, path...), Problem: problem, Hint: hint})
	}
	codes := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		from := all[key]
		if from == nil {
			fault("the response is empty", "statusCode, responseTemplates, or both", key)
			continue
		}
		r, wrong := parseResponse(from, key)
		faults = append(faults, wrong...)
		if key == "default" || key == keyDefault {
			if t.fallback != nil {
				fault(`"default" and "$default" are the same response`, "keep one of them", key)
			}
			t.fallback = r
			continue
		}
		var err error
		if r.key, err = parseKey(key); err != nil {
			fault(err.Error(), `"default", "404" or "/4\d\d/"`, key)
			continue
		}
		if r.key.pattern != nil {
			t.responses = append(t.responses, r)
			continue
		}
		t.responses = slices.Insert(t.responses, codes, r)
		codes++
	}
	return faults
}

func parseResponse(from *gateway.IntegrationResponse, key string) (*response, []gateway.Fault) {
	const member = "responseTemplates"
	r := &response{status: from.StatusCode, handling: from.ContentHandling}
	expression := from.TemplateSelectionExpression
	var faults []gateway.Fault
	r.templates, faults = parseTemplates(from.ResponseTemplates, expression != "", "responses", key, member)
	if expression != "" {
		var err error
		if r.pick, err = mapping.ParseResponseExpression(expression); err != nil {
			faults = append(faults, unreadable(err, "text, $request.body.name and $integration.response.statuscode", "responses", key))
		}
	} else if r.templates.standing == "" && len(from.ResponseTemplates) > 0 {
		// A client says nothing of what it wants to get, so one template is taken whatever its type is.
		if len(from.ResponseTemplates) > 1 {
			faults = append(faults, gateway.Fault{
				Path:    []string{"responses", key, member},
				Problem: "it is open which of the templates is meant", Hint: `add one for application/json or "$default"`,
			})
		}
		for only := range from.ResponseTemplates {
			r.templates.standing = only
		}
	}
	if from.StatusCode != 0 && !validStatus(from.StatusCode) {
		faults = append(faults, gateway.Fault{
			Path:    []string{"responses", key, "statusCode"},
			Problem: fmt.Sprintf("an answer can't have status %d", from.StatusCode), Hint: "200 to 599",
		})
	}
	return r, faults
}

func validStatus(status int) bool { return status >= minStatus && status <= maxStatus }

// Takes reports whether a response is there for value.
func (t *Transform) Takes(value string) bool { return t.choose(value) != nil }

func (t *Transform) choose(value string) *response {
	for _, r := range t.responses {
		if r.key.takes(value) {
			return r
		}
	}
	return t.fallback
}
