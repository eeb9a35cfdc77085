package mock

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/vtl"
)

// pick chooses the template in force (contract/websocket-api.md §8.2): application/json, else $default, else the only
// one.
func pick(templates map[string]string) (key string, found bool) {
	for _, key := range []string{typeJSON, templateDefault} {
		if _, ok := templates[key]; ok {
			return key, true
		}
	}
	for key := range templates {
		return key, len(templates) == 1
	}
	return "", false
}

// parseTemplates parses every template and returns the one in force with its key; nil if there is none.
func parseTemplates(templates map[string]string, path ...string) (inForce *vtl.Template, key string, faults []gateway.Fault) {
	fault := func(problem, hint string, key ...string) {
		faults = append(faults, gateway.Fault{Path: append(slices.Clone(path), key...), Problem: problem, Hint: hint})
	}
	chosen, found := pick(templates)
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		if _, _, err := mime.ParseMediaType(key); key != templateDefault && (err != nil || !strings.Contains(key, "/")) {
			fault("the key is no media type", `application/json or "$default"`, key)
		}
		template, err := vtl.Parse(key, templates[key], vtl.Options{})
		if err != nil {
			faults = append(faults, faulty(err, append(slices.Clone(path), key)))
			continue
		}
		if found && key == chosen {
			inForce = template
		}
	}
	if len(templates) > 0 && !found {
		fault("it is open which of the templates is meant", `add one for application/json or "$default"`)
	}
	return inForce, chosen, faults
}

// faulty makes a fault of a template that can't be parsed. The document's own line is only that of the key, so the
// place within the template is in the problem.
func faulty(err error, path []string) gateway.Fault {
	f := gateway.Fault{Path: path, Problem: err.Error(), Hint: "templates are Velocity, as API Gateway runs it"}
	var at *vtl.Error
	if errors.As(err, &at) {
		f.Problem = fmt.Sprintf("line %d, column %d of the template: %s", at.Line, at.Column, at.Problem)
		f.Excerpt = at.Excerpt()
		if at.Rule != "" {
			f.Hint = at.Rule
		}
	}
	return f
}
