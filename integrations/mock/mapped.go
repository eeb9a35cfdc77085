package mock

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router/vtl"
)

// mapped renders its templates for every event.
type mapped struct {
	request   *vtl.Template
	responses responses
	answers   map[string]*response // by key, as in responses
	maxReply  int
}

// response is one integration response with its template.
type response struct {
	status      int           // 0: the code that chose it
	template    *vtl.Template // nil: no body
	contentType string
}

// Invoke renders the request template, whose status code chooses the response, and that one's template. A template that
// fails is CodeIntegration: the client sees what it sees of a broken backend (contract/mapping-templates.md §3.17).
func (m *mapped) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, integrations.Ended(err)
	}
	in := input(ev)
	in.Body = ev.Body
	rendered, err := m.request.Render(nil, in)
	if err != nil {
		return nil, failed("the request template failed", err)
	}
	code, err := readStatus(rendered.Output)
	if err != nil {
		return nil, failed("the request template is no answer", err)
	}
	answer := &response{}
	if len(m.answers) > 0 { // without responses the status alone is the answer
		key, ok := m.responses.choose(code)
		if !ok {
			return nil, failed("no response takes the request template's status code", fmt.Errorf("statusCode %d", code))
		}
		answer = m.answers[key]
	}
	reply := &gateway.Reply{Status: code}
	if answer.status != 0 {
		reply.Status = answer.status
	}
	overrides := rendered.Overrides
	if answer.template != nil {
		in.Body, in.Overrides = nil, overrides // there is no backend, so no body that it sent
		out, err := answer.template.Render(nil, in)
		if err != nil {
			return nil, failed("the response template failed", err)
		}
		reply.Body, overrides = out.Output, out.Overrides
	}
	if status, ok := overrides.Status(); ok {
		reply.Status = status
	}
	if reply.Status < minStatus || reply.Status > maxStatus {
		return nil, failed("an answer can't have this status", fmt.Errorf("status %d", reply.Status))
	}
	if len(reply.Body) > m.maxReply {
		return nil, gateway.Errorf(gateway.CodeIntegration, "the response template's output is too long")
	}
	if ev.Kind != gateway.EventMessage { // a frame has no headers
		reply.Header = headers(answer, overrides)
	}
	return reply, nil
}

// headers are the content type of the template and what overrides set (contract/mapping-templates.md §7.1).
func headers(answer *response, overrides *vtl.Overrides) gateway.Header {
	header := gateway.Header{}
	if answer.contentType != "" {
		header.Set("Content-Type", answer.contentType)
	}
	for _, o := range overrides.ResponseHeader() {
		header.Del(o.Name)
		header[o.Name] = o.Values
	}
	if len(header) == 0 {
		return nil
	}
	return header
}

func failed(message string, cause error) error {
	return gateway.Errorf(gateway.CodeIntegration, "%s", message).Because(cause)
}

// input is what templates see of an event: its context, parameters and stage variables.
func input(ev *gateway.Event) vtl.Input {
	member := func(name string) vtl.Object {
		return vtl.JSON([]byte(gjson.GetBytes(ev.Context, name).Raw))
	}
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

// readStatus reads the statusCode of what a request template rendered.
func readStatus(text []byte) (int, error) {
	var rendered struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &rendered) != nil {
		return 0, errNoObject
	}
	if rendered.StatusCode == nil {
		return 0, errNoStatus
	}
	code, err := strconv.Atoi(string(rendered.StatusCode))
	if err != nil || code < http.StatusContinue || code > maxStatus {
		return 0, errStatus
	}
	return code, nil
}
