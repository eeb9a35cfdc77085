package request

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/policy"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/proxy"
)

// headerBackendRequest is where Amazon's services tell the id of a request.
const headerBackendRequest = "X-Amzn-Requestid"

// Config says whom an Authorizer asks. All of it is required.
type Config struct {
	// Invoker sends events to their Subject: the bus client.
	Invoker gateway.Invoker
	API     gateway.APIID
	Stage   gateway.StageName
	// Name is the authorizer's key in the definition.
	Name string
	// Subject is the authorizer's own (bus.Subjects.Authorizer).
	Subject string
	// Timeout is how long the authorizer may take.
	Timeout time.Duration
}

// Authorizer is a REQUEST authorizer. It may be used concurrently.
type Authorizer struct {
	invoker gateway.Invoker
	event   gateway.Event // what all its events have in common
	name    string
	arn     string
}

var _ gateway.Authorizer = (*Authorizer)(nil)

// New returns an Authorizer.
func New(c Config) (*Authorizer, error) {
	if c.Invoker == nil || c.API == "" || c.Stage == "" || c.Name == "" || c.Subject == "" || c.Timeout <= 0 {
		return nil, errors.New("authorizers/request: a field of Config is missing")
	}
	return &Authorizer{
		invoker: c.Invoker, name: c.Name, arn: gateway.InvokeARN(c.API, c.Stage, string(gateway.RouteConnect)),
		event: gateway.Event{
			// A message, since the payload is all that the other side gets and its reply is all that comes back.
			Kind: gateway.EventMessage,
			API:  c.API, Stage: c.Stage, Route: gateway.RouteConnect,
			Subject: c.Subject, Expect: gateway.ExpectReply, Timeout: c.Timeout,
		},
	}, nil
}

// Authorize asks the authorizer about r.Event.
//
// The error's code is CodeUnauthorized when the authorizer answered exactly "Unauthorized" (or with status 401),
// CodeForbidden when its policy does not allow $connect (or with status 403), and CodeInternal for anything else that is
// no consent: no answer in time, nobody who answers, a crash, an answer that breaks the rules
// (contract/websocket-api.md §4.2). A handshake with an ended ctx is CodeInternal too.
func (a *Authorizer) Authorize(ctx context.Context, r *gateway.AuthorizationRequest) (*gateway.Authorization, error) {
	payload, err := proxy.AuthorizerEvent(r.Event, a.arn)
	if err != nil {
		return nil, a.failed(err)
	}
	ev := a.event
	ev.Connection, ev.Request, ev.Context, ev.Body = r.Event.Connection, r.Event.Request, r.Event.Context, payload
	ctx, cancel := context.WithTimeout(ctx, ev.Timeout)
	defer cancel()
	report, start := &r.Report, time.Now()
	reply, err := a.invoker.Invoke(ctx, &ev)
	report.Asked, report.Latency = true, time.Since(start)
	if err != nil {
		switch gateway.ErrorCode(err) {
		case gateway.CodeUnauthorized:
			return nil, a.unauthorized(err)
		case gateway.CodeForbidden:
			return nil, a.forbidden(err)
		}
		return nil, a.failed(err)
	}
	report.Status, report.BackendRequest = reply.Status, reply.Header.Get(headerBackendRequest)
	return a.judge(reply, &report.Authorize)
}

// judge turns an answer into a consent or a refusal, and tells what came of the policy.
func (a *Authorizer) judge(reply *gateway.Reply, step *gateway.AuthorizationStep) (*gateway.Authorization, error) {
	switch status := fmt.Errorf("status %d", reply.Status); {
	case reply.Status == http.StatusUnauthorized:
		return nil, a.unauthorized(status)
	case reply.Status == http.StatusForbidden:
		return nil, a.forbidden(status)
	case reply.Status < http.StatusOK || reply.Status >= http.StatusMultipleChoices:
		return nil, a.failed(status)
	}
	answer, err := parseAnswer(reply.Body)
	switch {
	case errors.Is(err, errUnauthorized):
		return nil, a.unauthorized(err)
	case err != nil:
		return nil, a.failed(err)
	}
	start := time.Now()
	allowed, err := policy.Allows(answer.policy, string(accesskeys.ActionInvoke), a.arn)
	switch {
	case err != nil:
		err = a.failed(err)
	case !allowed:
		err = a.forbidden(errors.New("its policy does not allow " + string(accesskeys.ActionInvoke) + " on " + a.arn))
	}
	*step = gateway.AuthorizationStep{Taken: true, Latency: time.Since(start), Err: err}
	if err != nil {
		return nil, err
	}
	return &gateway.Authorization{Context: answer.context, UsageKey: answer.usageKey}, nil
}

func (a *Authorizer) unauthorized(cause error) error {
	return gateway.Errorf(gateway.CodeUnauthorized, "Unauthorized").Because(a.named(cause))
}

func (a *Authorizer) forbidden(cause error) error {
	return gateway.Errorf(gateway.CodeForbidden, "Forbidden").Because(a.named(cause))
}

func (a *Authorizer) failed(cause error) error {
	return gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(a.named(cause))
}

func (a *Authorizer) named(cause error) error {
	return fmt.Errorf("authorizer %s: %w", a.name, cause)
}
