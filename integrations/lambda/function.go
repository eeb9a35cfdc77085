package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
	"github.com/sallyport/sallyport/schemas/proxy"
)

const (
	method = http.MethodPost

	headerInvocationType = "X-Amz-Invocation-Type"
	headerFunctionError  = "X-Amz-Function-Error"
	requestResponse      = "RequestResponse"

	// answerGrowth is how much longer than its body a result may be: base64 grows by a third, JSON escapes of ordinary
	// text by less than a half.
	answerGrowth = 2
	// answerRoom is for the result's other members, above all its headers.
	answerRoom = 64 << 10
	// maxErrorText bounds what of a function's error goes into the log.
	maxErrorText = 512
)

// function is one route's function.
type function struct {
	client   *backend.Client
	endpoint *url.URL
	version  string
	route    integrations.Route
}

// Invoke runs the function with the proxy event of ev.
func (f *function) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	ctx, cancel := integrations.Deadline(ctx, ev)
	defer cancel()
	payload, err := proxy.Event(ev, f.version)
	if err != nil {
		return nil, err
	}
	request := &http.Request{Method: method, URL: f.endpoint, Host: f.endpoint.Host, Header: http.Header{
		"Content-Type":       {"application/json"},
		headerInvocationType: {requestResponse},
	}}
	backend.Identify(ctx, request.Header, f.route.API)
	limit := backend.DiscardAnswer
	if f.route.Answers(ev.Kind) {
		limit = answerGrowth*f.route.ReplyLimit() + answerRoom
	}
	answer, err := f.client.Do(ctx, request, payload, limit)
	if err != nil {
		return nil, err
	}
	if failed := failure(ev.Kind, answer); failed != nil {
		return nil, failed
	}
	if limit == backend.DiscardAnswer {
		// The result is discarded whatever it is: null and malformed ones too (contract/websocket-api.md §5, §6.5).
		return &gateway.Reply{Status: http.StatusOK}, nil
	}
	return f.result(ev, answer.Body)
}

func (f *function) result(ev *gateway.Event, payload []byte) (*gateway.Reply, error) {
	reply, err := proxy.Result(ev, f.version, payload)
	if err != nil {
		return nil, err
	}
	if len(reply.Body) > f.route.ReplyLimit() {
		return nil, gateway.Errorf(gateway.CodeIntegration, "the function's answer is too long")
	}
	return reply, nil
}

// failure tells a function's error and the endpoint's refusals from a result.
//
// At $connect every refusal of the endpoint is a 500 (contract/websocket-api.md §7.2), which is CodeInternal's status;
// a function error there is a 502. HTTP APIs answer 503 when Lambda is throttled or away and 500 otherwise
// (contract/http-api.md §5.1), and pass Lambda's own 413 on.
func failure(kind gateway.EventKind, answer *backend.Answer) error {
	if answer.Header.Get(headerFunctionError) != "" {
		return gateway.Errorf(gateway.CodeIntegration, "the function failed").Because(functionError(answer))
	}
	if answer.Status >= http.StatusOK && answer.Status < http.StatusMultipleChoices {
		return nil
	}
	cause := fmt.Errorf("the invoke endpoint answered %d", answer.Status)
	if kind == gateway.EventConnect {
		return gateway.Errorf(gateway.CodeInternal, "the function can't be invoked").Because(cause)
	}
	switch answer.Status {
	case http.StatusRequestEntityTooLarge:
		return gateway.Errorf(gateway.CodeTooLarge, "the event is too large for the function").Because(cause)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return gateway.Errorf(gateway.CodeUnavailable, "the function can't be invoked now").Because(cause)
	}
	return gateway.Errorf(gateway.CodeIntegration, "the function can't be invoked").Because(cause)
}

// functionError is the function's own account of what went wrong, for the log.
func functionError(answer *backend.Answer) error {
	var told struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(answer.Body, &told) != nil || told.Type == "" && told.Message == "" {
		return fmt.Errorf("%s function error", answer.Header.Get(headerFunctionError))
	}
	text := told.Type + ": " + told.Message
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return fmt.Errorf("function error %q", text)
}
