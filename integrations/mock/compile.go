package mock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/gateway"
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

// compile decides the answer of in, or says everything that is wrong with it.
func compile(in *gateway.Integration) (*answer, []gateway.Fault) {
	code, faults := statusCode(in.RequestTemplates)
	responses, wrong := parseResponses(in.Responses)
	faults = append(faults, wrong...)
	if len(faults) > 0 {
		return nil, faults
	}
	a := &answer{status: code}
	if len(in.Responses) == 0 { // more lenient than Amazon: the status alone is the answer
		return a, inRange(a.status, keyRequestTemplates)
	}
	key, ok := responses.choose(code)
	if !ok {
		return nil, []gateway.Fault{{
			Path:    []string{keyResponses},
			Problem: fmt.Sprintf("no response takes status code %d, which the request template chooses", code),
			Hint:    `add a response with the key "default"`,
		}}
	}
	chosen := in.Responses[key]
	if chosen.StatusCode != 0 {
		a.status = chosen.StatusCode
	}
	if name, found := pick(chosen.ResponseTemplates); found {
		a.body = slices.Clip([]byte(chosen.ResponseTemplates[name]))
		a.contentType = name
		if name == templateDefault {
			a.contentType = typeJSON
		}
	}
	return a, inRange(a.status, keyResponses, key, keyStatusCode)
}

// statusCode reads the number that the request template renders to.
func statusCode(templates map[string]string) (int, []gateway.Fault) {
	faults := checkTemplates(templates, keyRequestTemplates)
	if len(templates) == 0 {
		faults = append(faults, gateway.Fault{
			Path:    []string{keyRequestTemplates},
			Problem: "a MOCK needs a request template",
			Hint:    `application/json: '{"statusCode": 200}'`,
		})
	}
	key, found := pick(templates)
	if len(faults) > 0 || !found {
		return 0, faults
	}
	var rendered struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	text := bytes.TrimSpace([]byte(templates[key]))
	fault := gateway.Fault{Path: []string{keyRequestTemplates, key}, Hint: `{"statusCode": 200}`}
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &rendered) != nil {
		fault.Problem = "the template is no JSON object"
		return 0, []gateway.Fault{fault}
	}
	if rendered.StatusCode == nil {
		fault.Problem = "the template has no statusCode"
		return 0, []gateway.Fault{fault}
	}
	code, err := strconv.Atoi(string(rendered.StatusCode))
	if err != nil || code < http.StatusContinue || code > maxStatus {
		fault.Problem = "statusCode is no whole number from 100 to 599"
		return 0, []gateway.Fault{fault}
	}
	return code, nil
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
	regexp *regexp.Regexp
}

func parseResponses(all map[string]*gateway.IntegrationResponse) (responses, []gateway.Fault) {
	parsed := responses{exact: map[int]string{}}
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
		faults = append(faults, checkTemplates(response.ResponseTemplates, keyResponses, key, keyResponseTemplates)...)
		if response.StatusCode != 0 {
			faults = append(faults, inRange(response.StatusCode, keyResponses, key, keyStatusCode)...)
		}
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
	return parsed, faults
}

// compilePattern reads a pattern. Like Amazon's it has to take the whole status code.
func compilePattern(text string) (*regexp.Regexp, bool) {
	if text == "" || len(text) > maxPattern {
		return nil, false
	}
	re, err := regexp.Compile(`^(?:` + text + `)$`)
	return re, err == nil
}

// choose returns the key of the response that takes code.
func (r responses) choose(code int) (string, bool) {
	if key, ok := r.exact[code]; ok {
		return key, true
	}
	text := strconv.Itoa(code)
	for _, p := range r.patterns {
		if p.regexp.MatchString(text) {
			return p.key, true
		}
	}
	return r.fallback, r.fallback != ""
}

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

func checkTemplates(templates map[string]string, path ...string) []gateway.Fault {
	var faults []gateway.Fault
	fault := func(problem, hint string, key ...string) {
		faults = append(faults, gateway.Fault{Path: append(slices.Clone(path), key...), Problem: problem, Hint: hint})
	}
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		if _, _, err := mime.ParseMediaType(key); key != templateDefault && (err != nil || !strings.Contains(key, "/")) {
			fault("the key is no media type", `application/json or "$default"`, key)
		}
		if found := variable(templates[key]); found != "" {
			fault("templates with variables are not supported: "+found, "a fixed text", key)
		}
	}
	if _, found := pick(templates); len(templates) > 0 && !found {
		fault("it is open which of the templates is meant", `add one for application/json or "$default"`)
	}
	return faults
}

// dynamic is what a template engine would not copy (contract/mapping-templates.md): a reference such as $x, $!x or
// ${x}, a directive, a comment, an unparsed block. A price such as $5 and a colour such as #fff are plain text.
var dynamic = regexp.MustCompile(`\$!?\{?[A-Za-z_][\w.]*|` +
	`#\{?(?:set|if|elseif|else|end|foreach|break|stop|evaluate|define|macro|include|parse)\b|##|#\*|#\[\[`)

// variable returns the first part of template that is not fixed, or "".
func variable(template string) string { return dynamic.FindString(template) }
