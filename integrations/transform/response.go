package transform

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/vtl"
	"github.com/sallyport/sallyport/router/vtl/javaregex"
)

// The bounds of what a definition may ask for: 1xx would end no exchange, and a pattern is compiled.
const (
	minStatus  = 200
	maxStatus  = 599
	maxPattern = 256
)

// Transform is the parsed mapping of one integration. It is safe for concurrent use.
type Transform struct {
	request     templates
	passthrough gateway.PassthroughBehavior
	handling    gateway.ContentHandling
	patterns    []*response // exact keys first, then by their text
	fallback    *response
}

type response struct {
	key       string
	pattern   *javaregex.Regexp // nil: the value is the key
	status    int               // 0: the backend's
	templates templates
	handling  gateway.ContentHandling
}

// Parse reads in's templates and responses, or says everything that is wrong with them. At least one response is needed
// (contract/websocket-api.md §7.4).
func Parse(in *gateway.Integration) (*Transform, []gateway.Fault) {
	t := &Transform{passthrough: in.PassthroughBehavior, handling: in.ContentHandling}
	var faults []gateway.Fault
	t.request, faults = parseTemplates(in.RequestTemplates, in.TemplateSelectionExpression, "requestTemplates")
	fault := func(problem, hint string, key ...string) {
		faults = append(faults, gateway.Fault{Path: append([]string{"responses"}, key...), Problem: problem, Hint: hint})
	}
	if len(in.Responses) == 0 {
		fault(string(in.Type)+" needs an integration response", "responses: {default: {statusCode: 200}}")
	}
	for _, key := range slices.Sorted(maps.Keys(in.Responses)) {
		from := in.Responses[key]
		if from == nil {
			fault("the response is empty", "statusCode, responseTemplates, or both", key)
			continue
		}
		if from.StatusCode != 0 && (from.StatusCode < minStatus || from.StatusCode > maxStatus) {
			fault(fmt.Sprintf("an answer can't have status %d", from.StatusCode), "200 to 599", key, "statusCode")
		}
		r := &response{key: key, status: from.StatusCode, handling: from.ContentHandling}
		var wrong []gateway.Fault
		r.templates, wrong = parseTemplates(from.ResponseTemplates, from.TemplateSelectionExpression, "responses", key, "responseTemplates")
		faults = append(faults, wrong...)
		if key == "default" || key == keyDefault {
			if t.fallback != nil {
				fault(`"default" and "$default" are the same response`, "keep one of them", key)
			}
			t.fallback = r
			continue
		}
		if _, err := strconv.Atoi(key); err != nil {
			text := strings.TrimSuffix(strings.TrimPrefix(key, "/"), "/")
			if r.pattern, err = javaregex.Compile(text); err != nil || text == "" || len(text) > maxPattern {
				fault("the key is no pattern", `"default", "404" or "/4\d\d/"`, key)
				continue
			}
			t.patterns = append(t.patterns, r)
			continue
		}
		t.patterns = slices.Insert(t.patterns, 0, r)
	}
	return t, faults
}

// choose picks the response for a value: a status code. A pattern has to take all of it (contract/websocket-api.md §7.6).
func (t *Transform) choose(value string) *response {
	for _, r := range t.patterns {
		if r.pattern == nil {
			if r.key == value {
				return r
			}
			continue
		}
		if ok, err := r.pattern.MatchString(value); ok && err == nil {
			return r
		}
	}
	return t.fallback
}

// Answer is what a backend answered.
type Answer struct {
	Status int
	Body   []byte
}

// Response makes the result from a backend's answer of at most limit bytes, by the response that its status chooses.
// Errors are CodeIntegration: no response takes the status, or a template fails.
func (t *Transform) Response(ev *gateway.Event, a Answer, overrides *vtl.Overrides, limit int) (*gateway.Reply, error) {
	chosen := t.choose(strconv.Itoa(a.Status))
	if chosen == nil {
		return nil, gateway.Errorf(gateway.CodeIntegration, "no response takes the backend's status")
	}
	reply := &gateway.Reply{Status: a.Status}
	if chosen.status != 0 {
		reply.Status = chosen.status
	}
	body, err := convert(a.Body, chosen.handling)
	if err != nil {
		return nil, err
	}
	if template := chosen.templates.choose(ev.Body); template != nil {
		in := input(ev)
		in.Body, in.Overrides = body, overrides
		out, err := template.Render(nil, in)
		if err != nil {
			return nil, gateway.Errorf(gateway.CodeIntegration, "the response template failed").Because(err)
		}
		body, overrides = out.Output, out.Overrides
	}
	if status, ok := overrides.Status(); ok {
		reply.Status = status
	}
	if reply.Status < minStatus || reply.Status > maxStatus || len(body) > limit {
		return nil, gateway.Errorf(gateway.CodeIntegration, "the result has no valid status or is too long")
	}
	reply.Body = body
	return reply, nil
}
