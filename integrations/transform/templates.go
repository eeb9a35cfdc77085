package transform

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

const (
	// TypeJSON is the key that templates are looked for under without an expression, and the type of what they render.
	TypeJSON = "application/json"
	// typeBinary is that of bytes which pass without a template.
	typeBinary = "application/octet-stream"

	keyDefault = "$default"

	memberTemplateSelection = "templateSelectionExpression"
)

// templates are the parsed templates of one member.
type templates struct {
	byKey map[string]*vtl.Template
	// standing is the key in force where no expression picks one; "" is none.
	standing string
}

// parseTemplates reads templates that stand at path. Without an expression only media types and $default can be keys:
// nothing would ever pick another one. With one they are free text.
func parseTemplates(all map[string]string, picked bool, path ...string) (templates, []gateway.Fault) {
	parsed := templates{byKey: make(map[string]*vtl.Template, len(all))}
	var faults []gateway.Fault
	for _, key := range slices.Sorted(maps.Keys(all)) {
		own := append(slices.Clone(path), key)
		if !picked && key != keyDefault && !mediaType(key) {
			faults = append(faults, gateway.Fault{
				Path: own, Problem: "the key is no media type, so nothing ever picks it",
				Hint: `application/json or "$default", or say what picks it with ` + memberTemplateSelection,
			})
		}
		template, err := vtl.Parse(key, all[key], vtl.Options{})
		if err != nil {
			faults = append(faults, faulty(err, own))
			continue
		}
		parsed.byKey[key] = template
	}
	for _, key := range []string{TypeJSON, keyDefault} {
		if _, ok := all[key]; ok {
			parsed.standing = key
			break
		}
	}
	return parsed, faults
}

// mediaType reports whether a key is a media type: type/subtype, with parameters or without.
func mediaType(key string) bool {
	full, _, err := mime.ParseMediaType(key)
	return err == nil && strings.Contains(full, "/")
}

// find returns the template for a key that an expression picked, else that of $default; nil when neither is there.
func (t templates) find(key string) (string, *vtl.Template) {
	if template := t.byKey[key]; template != nil {
		return key, template
	}
	return keyDefault, t.byKey[keyDefault]
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

// unreadable makes a fault of a selection expression that can't be parsed.
func unreadable(err error, hint string, path ...string) gateway.Fault {
	return gateway.Fault{Path: append(path, memberTemplateSelection), Problem: err.Error(), Hint: hint}
}
