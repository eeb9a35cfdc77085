package transform

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/router/mapping"
	"github.com/sallyport/sallyport/router/vtl"
)

const headerContentType = "Content-Type"

// Answer is what a backend answered.
type Answer struct {
	// Value is what chooses the response: the status as text or, of a function, its error message, "" for a success
	// (contract/websocket-api.md §7.6, contract/rest-api.md §10.1).
	Value  string
	Status int
	Header gateway.Header
	Body   []byte
}

var (
	errNoResponse = errors.New("no key of responses takes it, and there is no default")
	errStatus     = errors.New("an answer can have 200 to 599")
)

// Response makes the result from a backend's answer, by the response that its Value chooses: of at most limit bytes, with
// headers unless it becomes a frame. Errors are integrations.Misconfigured: no response takes the answer, or its template
// fails.
func (t *Transform) Response(ev *gateway.Event, a Answer, overrides *vtl.Overrides, limit int) (*gateway.Reply, error) {
	reply, err := t.result(ev, a, overrides, limit)
	return reply, integrations.Misconfigured(ev.Kind, err)
}

func (t *Transform) result(ev *gateway.Event, a Answer, overrides *vtl.Overrides, limit int) (*gateway.Reply, error) {
	chosen, err := t.chosen(a)
	if err != nil {
		return nil, err
	}
	body, err := Convert(a.Body, chosen.handling)
	if err != nil {
		return nil, err
	}
	contentType := a.Header.Get(headerContentType)
	if key, template := chosen.template(ev.Body, a); template != nil {
		in := input(ev)
		in.Body, in.Overrides = body, overrides
		out, err := template.Render(nil, in)
		if err != nil {
			return nil, failed("the response template failed", err)
		}
		body, overrides, contentType = out.Output, out.Overrides, typeOf(key)
	}
	if len(body) > limit {
		return nil, gateway.Errorf(gateway.CodeIntegration, "the result is too long")
	}
	reply, err := chosen.reply(a, overrides)
	if err != nil {
		return nil, err
	}
	reply.Body = body
	if ev.Kind == gateway.EventMessage {
		reply.Binary = !utf8.Valid(body) // it could be no text frame (RFC 6455 §5.6)
		return reply, nil
	}
	reply.Header = headers(contentType, overrides)
	return reply, nil
}

// Outcome is Response where nobody reads the result: the status that it would have, without its body being rendered
// (contract/websocket-api.md §7.7). An answer that no response takes is still an error.
func (t *Transform) Outcome(a Answer, overrides *vtl.Overrides) (*gateway.Reply, error) {
	chosen, err := t.chosen(a)
	if err != nil {
		return nil, err
	}
	return chosen.reply(a, overrides)
}

// FixedResponse returns the result of an answer where no event changes it; ok is false where one may.
func (t *Transform) FixedResponse(a Answer) (reply *gateway.Reply, ok bool) {
	chosen, err := t.chosen(a)
	if err != nil || chosen.pick != nil || chosen.handling != "" {
		return nil, false
	}
	if reply, err = chosen.reply(a, nil); err != nil {
		return nil, false
	}
	contentType := a.Header.Get(headerContentType)
	reply.Body = a.Body
	if template := chosen.templates.byKey[chosen.templates.standing]; template != nil {
		text, fixed := template.Static()
		if !fixed {
			return nil, false
		}
		reply.Body, contentType = []byte(text), typeOf(chosen.templates.standing)
	}
	reply.Header = headers(contentType, nil)
	return reply, true
}

func (t *Transform) chosen(a Answer) (*response, error) {
	chosen := t.choose(a.Value)
	if chosen == nil { // the value stays out of the log: it may be a function's own text
		return nil, failed("no response takes the backend's answer", fmt.Errorf("status %d: %w", a.Status, errNoResponse))
	}
	return chosen, nil
}

// template returns the template for a backend's answer to a client's message, and its key; nil for none.
func (r *response) template(message []byte, a Answer) (string, *vtl.Template) {
	if r.pick == nil {
		return r.templates.standing, r.templates.byKey[r.templates.standing]
	}
	return r.templates.find(string(r.pick.Eval(nil, mapping.ResponseValues{Body: message, Status: a.Status, Header: a.Header})))
}

// reply has the status that r gives an answer, unless a template set another one (contract/mapping-templates.md §7.4).
func (r *response) reply(a Answer, overrides *vtl.Overrides) (*gateway.Reply, error) {
	status := a.Status
	if r.status != 0 {
		status = r.status
	}
	if own, ok := overrides.Status(); ok {
		status = own
	}
	if !validStatus(status) {
		return nil, failed("the result has no valid status", fmt.Errorf("status %d: %w", status, errStatus))
	}
	return &gateway.Reply{Status: status}, nil
}

// typeOf is the type of what a template renders: its key, where that is one.
func typeOf(key string) string {
	if mediaType(key) {
		return key
	}
	return TypeJSON
}

// headers are the content type and what templates set (contract/mapping-templates.md §7.1).
func headers(contentType string, overrides *vtl.Overrides) gateway.Header {
	header := gateway.Header{}
	if contentType != "" {
		header.Set(headerContentType, contentType)
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
