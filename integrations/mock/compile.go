package mock

import (
	"fmt"
	"strconv"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/transform"
)

const keyDefault = "$default"

// compile prepares the answers of in, or says everything that is wrong with it. Where no event changes the answer, it is
// decided here, once.
func compile(in *gateway.Integration, maxReply int) (gateway.Invoker, []gateway.Fault) {
	var faults []gateway.Fault
	own := *in
	if len(in.Responses) == 0 { // more lenient than Amazon: the status alone is the answer
		own.Responses = map[string]*gateway.IntegrationResponse{keyDefault: {}}
	}
	if problem := unreachable(in); problem != "" {
		faults = append(faults, fault(problem, `application/json: '{"statusCode": 200}'`))
	}
	parsed, wrong := transform.Parse(&own)
	faults = append(faults, wrong...)
	text, key, fixed := parsed.FixedRequest()
	code := 0
	if fixed {
		var err error
		if code, err = readStatus([]byte(text)); err != nil {
			faults = append(faults, fault(err.Error(), `{"statusCode": 200}`, key))
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	m := &mapped{transform: parsed, maxReply: maxReply}
	if !fixed {
		return m, nil
	}
	return m.decide(code, key)
}

// unreachable says why no event finds a request template; "" when one may. An integration that says itself what passes
// without a template knows what it does: then the message is the object with the status code.
func unreachable(in *gateway.Integration) string {
	_, json := in.RequestTemplates[transform.TypeJSON]
	_, standing := in.RequestTemplates[keyDefault]
	switch {
	case len(in.RequestTemplates) == 0:
		return "a MOCK needs a request template"
	case in.TemplateSelectionExpression == "" && in.PassthroughBehavior == "" && !json && !standing:
		return "no event finds one of these templates"
	}
	return ""
}

// decide prepares the answer to a status code that no event changes.
func (m *mapped) decide(code int, key string) (gateway.Invoker, []gateway.Fault) {
	a := answerTo(code)
	if !m.transform.Takes(a.Value) {
		return nil, []gateway.Fault{{
			Path:    []string{string(integrations.FieldResponses)},
			Problem: fmt.Sprintf("no response takes status code %d, which the request template chooses", code),
			Hint:    `add a response with the key "default"`,
		}}
	}
	if _, err := m.transform.Outcome(a, nil); err != nil {
		return nil, []gateway.Fault{fault(fmt.Sprintf("an answer can't have status %d", code), "200 to 599", key)}
	}
	if reply, fixed := m.transform.FixedResponse(a); fixed {
		return &answer{reply: *reply}, nil
	}
	return m, nil
}

func answerTo(code int) transform.Answer {
	return transform.Answer{Value: strconv.Itoa(code), Status: code}
}

func fault(problem, hint string, key ...string) gateway.Fault {
	return gateway.Fault{Path: append([]string{string(integrations.FieldRequestTemplates)}, key...), Problem: problem, Hint: hint}
}
