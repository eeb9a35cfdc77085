package mapping

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/tidwall/gjson"
)

// maxSourceLength is the longest source text (contract/websocket-api.md §8.1).
const maxSourceLength = 512

// The members of an event's context (schemas/event) that sources read.
const (
	contextQuery     = "multiValueQueryStringParameters"
	contextPath      = "pathParameters"
	contextVariables = "stageVariables"
)

type sourceKind uint8

const (
	sourceConstant sourceKind = iota + 1
	sourceHeader
	sourceMultiHeader
	sourceQuery
	sourceMultiQuery
	sourcePath
	sourceBody    // the whole body
	sourceInBody  // a value inside a JSON body
	sourceContext // a value of the event's context
)

// source is where a parameter's value comes from.
type source struct {
	kind sourceKind
	// name is the constant's text, or the name of a header, a query parameter or a path parameter.
	name string
	// path leads into the context; body into the message.
	path path
	body lookup
}

// sourceHint lists what parseSource takes.
const sourceHint = "take route.request.{header|querystring|multivalueheader|multivaluequerystring|path}.NAME, " +
	"route.request.body.JSONPATH, stageVariables.NAME, context.NAME or 'text'"

// parseSource reads one source of contract/websocket-api.md §8.1. The older spellings method.request and request mean
// route.request.
func parseSource(s string) (source, *SyntaxError) {
	if s == "" {
		return source{}, syntaxError(s, 0, "the source is empty", sourceHint)
	}
	if len(s) > maxSourceLength {
		return source{}, syntaxError(s, 0, "the source is longer than 512 characters", "")
	}
	if s[0] == '\'' {
		if len(s) < 2 || s[len(s)-1] != '\'' {
			return source{}, syntaxError(s, len(s), "the quote is not closed", "write 'text'")
		}
		return source{kind: sourceConstant, name: s[1 : len(s)-1]}, nil
	}
	if name, ok := strings.CutPrefix(s, "stageVariables."); ok {
		return named(s, name, source{kind: sourceContext, path: path{memberStep(contextVariables), memberStep(name)}})
	}
	if strings.HasPrefix(s, "context.") {
		p, err := parsePath(s, len("context"), len(s))
		return source{kind: sourceContext, path: p}, err
	}
	return parseRequestSource(s)
}

func parseRequestSource(s string) (source, *SyntaxError) {
	rest := s
	for _, prefix := range []string{"route.request.", "method.request.", "request."} {
		if cut, ok := strings.CutPrefix(s, prefix); ok {
			rest = cut
			break
		}
	}
	if rest == s {
		return source{}, syntaxError(s, 0, "unknown source "+s, sourceHint)
	}
	section, name, _ := strings.Cut(rest, ".")
	switch section {
	case "header":
		return named(s, name, source{kind: sourceHeader, name: name})
	case "multivalueheader":
		return named(s, name, source{kind: sourceMultiHeader, name: name})
	case "querystring":
		return named(s, name, source{kind: sourceQuery, name: name, path: path{memberStep(contextQuery), memberStep(name)}})
	case "multivaluequerystring":
		return named(s, name, source{kind: sourceMultiQuery, name: name, path: path{memberStep(contextQuery), memberStep(name)}})
	case "path":
		return named(s, name, source{kind: sourcePath, name: name, path: path{memberStep(contextPath), memberStep(name)}})
	}
	start := len(s) - len(rest)
	if rest == "body" {
		return source{kind: sourceBody}, nil
	}
	if strings.HasPrefix(rest, "body.") || strings.HasPrefix(rest, "body[") {
		l, err := parseLookup(s, start+len("body"), len(s))
		return source{kind: sourceInBody, body: l}, err
	}
	return source{}, syntaxError(s, start, "unknown part of the request "+section, sourceHint)
}

// named checks the NAME at the end of a source.
func named(s, name string, found source) (source, *SyntaxError) {
	if !parameterName().MatchString(name) {
		return source{}, syntaxError(s, len(s)-len(name), "not a parameter name", "letters, digits and . _ $ -")
	}
	return found, nil
}

// reading is an event with what several sources need of it, worked out once.
type reading struct {
	event   *gateway.Event
	context string
	body    document // empty unless it is valid JSON and a source looks into it
}

// values returns what s finds; no values means that it is missing.
func (s *source) values(r *reading) []string {
	switch s.kind {
	case sourceConstant:
		return []string{s.name}
	case sourceHeader:
		return last(headerValues(r.event.Header, s.name))
	case sourceMultiHeader:
		return headerValues(r.event.Header, s.name)
	case sourceQuery:
		return last(listValues(s.path.find(r.context)))
	case sourceMultiQuery:
		return listValues(s.path.find(r.context))
	case sourceBody:
		if len(r.event.Body) == 0 {
			return nil
		}
		return []string{string(r.event.Body)}
	case sourceInBody:
		if text, ok := r.body.find(nil, &s.body); ok {
			return []string{string(text)}
		}
	case sourcePath, sourceContext:
		return textValue(s.path.find(r.context))
	}
	return nil
}

// last keeps the value that counts where only one can: the last, as in Amazon's single-value maps
// (contract/websocket-api.md §6.1).
func last(values []string) []string {
	if len(values) <= 1 {
		return values
	}
	return values[len(values)-1:]
}

// headerValues collects name in every case in which it was sent, in a stable order.
func headerValues(h gateway.Header, name string) []string {
	var spellings []string
	for key := range h {
		if strings.EqualFold(key, name) {
			spellings = append(spellings, key)
		}
	}
	slices.Sort(spellings)
	var values []string
	for _, key := range spellings {
		values = append(values, h[key]...)
	}
	return values
}

func listValues(v gjson.Result) []string {
	var values []string
	for _, item := range v.Array() {
		values = append(values, textValue(item)...)
	}
	return values
}

func textValue(v gjson.Result) []string {
	if v.Type == gjson.Null { // also the type of what does not exist
		return nil
	}
	return []string{string(appendValue(nil, v))}
}

// Source is one parsed source by itself: where a parameter or an identity comes from. It is safe for concurrent use.
type Source struct{ source source }

// ParseSource reads a source as in requestParameters. HTTP APIs write it with a dollar, $request.header.NAME, which is taken
// as well (contract/websocket-api.md §10.1). An error is a *SyntaxError.
func ParseSource(text string) (*Source, error) {
	found, err := parseSource(strings.TrimPrefix(text, "$"))
	if err != nil {
		return nil, err
	}
	return &Source{source: found}, nil
}

// Part is the part of an event that a source reads.
type Part uint8

// The parts.
const (
	PartConstant Part = iota + 1 // none: it is a text
	PartHeader
	PartQuery
	PartPath
	PartBody
	PartContext // stage variables too
)

// Part returns the part of an event that the source reads.
func (s *Source) Part() Part {
	switch s.source.kind {
	case sourceConstant:
		return PartConstant
	case sourceHeader, sourceMultiHeader:
		return PartHeader
	case sourceQuery, sourceMultiQuery:
		return PartQuery
	case sourcePath:
		return PartPath
	case sourceBody, sourceInBody:
		return PartBody
	}
	return PartContext
}

// Name returns the name of the header or of the parameter that the source reads, or the text of a constant.
func (s *Source) Name() string { return s.source.name }

// Value returns what the source finds in an event; of several values the last, and "" for none.
func (s *Source) Value(ev *gateway.Event) string {
	r := reading{event: ev, context: textOf(ev.Context)}
	if s.source.kind == sourceInBody && Valid(ev.Body) {
		r.body.json = textOf(ev.Body)
	}
	if values := last(s.source.values(&r)); len(values) > 0 {
		return values[0]
	}
	return ""
}
