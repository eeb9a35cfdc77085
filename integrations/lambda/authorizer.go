package lambda

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/integrations"
	"github.com/sallyport/sallyport/integrations/backend"
)

// authorizer is an authorizer's function: it gets an event's body as its input and its output is the reply.
type authorizer struct {
	client   *backend.Client
	endpoint *url.URL
	route    integrations.Route
}

var _ integrations.AuthorizerKind = (*Kind)(nil)

// OpenAuthorizer resolves the endpoint of an authorizer's function like Open. The function gets the event's body itself,
// which is an authorizer's event already, instead of a proxy event around it. The error of a function that fails with
// exactly "Unauthorized" has CodeUnauthorized.
func (k *Kind) OpenAuthorizer(in *gateway.Integration, r integrations.Route) (gateway.Invoker, error) {
	opened, err := k.Open(in, r)
	if err != nil {
		return nil, err
	}
	f := opened.(*function) // what Open returns
	return &authorizer{client: f.client, endpoint: f.endpoint, route: r}, nil
}

// Invoke runs the function with the body of ev.
func (a *authorizer) Invoke(ctx context.Context, ev *gateway.Event) (*gateway.Reply, error) {
	ctx, cancel := integrations.Deadline(ctx, ev)
	defer cancel()
	request := &http.Request{Method: method, URL: a.endpoint, Host: a.endpoint.Host, Header: http.Header{
		"Content-Type":       {"application/json"},
		headerInvocationType: {requestResponse},
	}}
	backend.Identify(ctx, request.Header, a.route.API)
	answer, err := a.client.Do(ctx, request, ev.Body, a.route.ReplyLimit())
	if err != nil {
		return nil, err
	}
	if failed := failure(gateway.EventConnect, answer); failed != nil {
		if refused(answer) {
			return nil, gateway.Errorf(gateway.CodeUnauthorized, gateway.AuthorizerUnauthorized).Because(failed)
		}
		return nil, failed
	}
	reply := &gateway.Reply{Status: http.StatusOK, Body: answer.Body}
	if id := answer.Header.Get(headerRequestID); id != "" { // for the access log
		reply.Header = gateway.Header{headerRequestID: {id}}
	}
	return reply, nil
}

// headerRequestID is the invocation's id, by which its own logs are found.
const headerRequestID = "X-Amzn-Requestid"

// refused reports a function error whose message is exactly Unauthorized.
func refused(answer *backend.Answer) bool {
	var told struct {
		Message string `json:"errorMessage"`
	}
	return answer.Header.Get(headerFunctionError) != "" && json.Unmarshal(answer.Body, &told) == nil && told.Message == gateway.AuthorizerUnauthorized
}
