package mock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/transform"
)

// maxCode is the last status code; those below 200 choose a response as well as others.
const maxCode = 599

// mapped renders its templates for every event.
type mapped struct {
	transform *transform.Transform
	maxReply  int
}

// Invoke renders the request template, whose status code chooses the response, and that one's template. A template that
// fails is a mapping's error (integrations.Misconfigured; contract/mapping-templates.md §3.17).
func (m *mapped) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, integrations.Ended(err)
	}
	request, err := m.transform.Request(ev)
	if err != nil {
		return nil, err
	}
	code, err := readStatus(request.Body)
	if err != nil {
		return nil, integrations.Misconfigured(ev.Kind, gateway.Errorf(gateway.CodeIntegration, "the request template is no answer").Because(err))
	}
	return m.transform.Response(ev, answerTo(code), request.Overrides, m.maxReply)
}

// What is wrong with the output of a request template.
var (
	errNoObject = errors.New("the template is no JSON object")
	errNoStatus = errors.New("the template has no statusCode")
	errStatus   = errors.New("statusCode is no whole number from 100 to 599")
)

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
	if err != nil || code < http.StatusContinue || code > maxCode {
		return 0, errStatus
	}
	return code, nil
}
