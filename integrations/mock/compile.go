package mock

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router/vtl/javaregex"
)

const (
	keyRequestTemplates  = "requestTemplates"
	keyResponses         = "responses"
	keyResponseTemplates = "responseTemplates"
	keyStatusCode        = "statusCode"

	templateDefault = "$default"
	responseDefault = "default"
	typeJSON        = "application/json"
)

// The statuses that an answer may have: 1xx would not end an HTTP exchange.
const (
	minStatus = 200
	maxStatus = 599
)

// maxPattern bounds a response's pattern before it is compiled; a status code has three digits.
const maxPattern = 256

// What is wrong with the output of a request template.
var (
	errNoObject = errors.New("the template is no JSON object")
	errNoStatus = errors.New("the template has no statusCode")
	errStatus   = errors.New("statusCode is no whole number from 100 to 599")
)

// compile prepares the answer of in, or says everything that is wrong with it. Where the templates have no variables the
// answer is decided here, once.
func compile(in *gateway.Integration, maxReply int) (gateway.Invoker, []gateway.Fault) {
	request, key, faults := parseTemplates(in.RequestTemplates, keyRequestTemplates)
	if len(in.RequestTemplates) == 0 {
		faults = append(faults, gateway.Fault{
			Path:    []string{keyRequestTemplates},
			Problem: "a MOCK needs a request template",
			Hint:    `application/json: '{"statusCode": 200}'`,
		})
	}
	m := &mapped{request: request, maxReply: maxReply}
	code, fixed := 0, false
	if request != nil {
		var text string
		if text, fixed = request.Static(); fixed {
			var err error
			if code, err = readStatus([]byte(text)); err != nil {
				faults = append(faults, gateway.Fault{Path: []string{keyRequestTemplates, key}, Problem: err.Error(), Hint: `{"statusCode": 200}`})
			}
		}
	}
	var wrong []gateway.Fault
	m.responses, m.answers, wrong = parseResponses(in.Responses)
	if faults = append(faults, wrong...); len(faults) > 0 {
		return nil, faults
	}
	if !fixed {
		return m, nil
	}
	return m.decide(code)
}

// decide prepares the answer to a status code that no event changes.
func (m *mapped) decide(code int) (gateway.Invoker, []gateway.Fault) {
	a := &answer{status: code}
	if len(m.answers) == 0 { // more lenient than Amazon: the status alone is the answer
		return a, inRange(a.status, keyRequestTemplates)
	}
	key, ok := m.responses.choose(code)
	if !ok {
		return nil, []gateway.Fault{{
			Path:    []string{keyResponses},
			Problem: fmt.Sprintf("no response takes status code %d, which the request template chooses", code),
			Hint:    `add a response with the key "default"`,
		}}
	}
	chosen := m.answers[key]
	if chosen.status != 0 {
		a.status = chosen.status
	}
	if faults := inRange(a.status, keyResponses, key, keyStatusCode); len(faults) > 0 {
		return nil, faults
	}
	if chosen.template == nil {
		return a, nil
	}
	text, fixed := chosen.template.Static()
	if !fixed {
		return m, nil
	}
	a.body, a.contentType = []byte(text), chosen.contentType
	return a, nil
}

func inRange(status int, path ...string) []gateway.Fault {
	if status >= minStatus && status <= maxStatus {
		return nil
	}
	return []gateway.Fault{{
		Path:    path,
		Problem: fmt.Sprintf("an answer can't have status %d", status),
		Hint:    "200 to 599",
	}}
}

// responses are the integration responses that are not the default one, in the order in which they are tried: exact
// status codes, then patterns by their text, since a document's object has no order (contract §7.6 leaves it open).
type responses struct {
	exact    map[int]string
	patterns []pattern
	fallback string
}

type pattern struct {
	key    string
	regexp *javaregex.Regexp
}

func parseResponses(all map[string]*gateway.IntegrationResponse) (responses, map[string]*response, []gateway.Fault) {
	parsed, answers := responses{exact: map[int]string{}}, make(map[string]*response, len(all))
	var faults []gateway.Fault
	fault := func(problem, hint string, path ...string) {
		faults = append(faults, gateway.Fault{Path: append([]string{keyResponses}, path...), Problem: problem, Hint: hint})
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		response := all[key]
		if response == nil {
			fault("the response is empty", "statusCode, responseTemplates, or both", key)
			continue
		}
		answer, wrong := parseResponse(key, response)
		faults = append(faults, wrong...)
		answers[key] = answer
		if key == responseDefault || key == templateDefault {
			if parsed.fallback != "" {
				fault(`"default" and "$default" are the same response`, "keep one of them", key)
			}
			parsed.fallback = key
			continue
		}
		if code, err := strconv.Atoi(key); err == nil {
			parsed.exact[code] = key
			continue
		}
		text := strings.TrimSuffix(strings.TrimPrefix(key, "/"), "/")
		re, ok := compilePattern(text)
		if !ok {
			fault("the key is no pattern over a status code", `"default", "404" or "/4\d\d/"`, key)
			continue
		}
		parsed.patterns = append(parsed.patterns, pattern{key, re})
	}
	return parsed, answers, faults
}

func parseResponse(key string, in *gateway.IntegrationResponse) (*response, []gateway.Fault) {
	out := &response{status: in.StatusCode}
	var unused []gateway.Fault
	for name, given := range map[string]bool{
		"templateSelectionExpression": in.TemplateSelectionExpression != "", "contentHandling": in.ContentHandling != "",
	} {
		if given {
			unused = append(unused, gateway.Fault{Path: []string{keyResponses, key, name}, Problem: name + " is not used by MOCK", Hint: "remove it"})
		}
	}
	template, name, faults := parseTemplates(in.ResponseTemplates, keyResponses, key, keyResponseTemplates)
	if template != nil {
		out.template, out.contentType = template, name
		if name == templateDefault {
			out.contentType = typeJSON
		}
	}
	faults = append(faults, unused...)
	if in.StatusCode != 0 {
		faults = append(faults, inRange(in.StatusCode, keyResponses, key, keyStatusCode)...)
	}
	return out, faults
}

// compilePattern reads a pattern, which is one of Java's.
func compilePattern(text string) (*javaregex.Regexp, bool) {
	if text == "" || len(text) > maxPattern {
		return nil, false
	}
	re, err := javaregex.Compile(text)
	return re, err == nil
}

// choose returns the key of the response that takes code.
func (r responses) choose(code int) (string, bool) {
	if key, ok := r.exact[code]; ok {
		return key, true
	}
	text := strconv.Itoa(code)
	for _, p := range r.patterns {
		// Like Amazon's it has to take the whole status code. One that takes too long for three digits takes none.
		if ok, err := p.regexp.MatchString(text); ok && err == nil {
			return p.key, true
		}
	}
	return r.fallback, r.fallback != ""
}
