// Package iam authorizes $connect by signature: the client signs its handshake with an access key, in headers or, as
// browsers must, in a presigned wss:// URL (contract/websocket-api.md §10.2).
//
// The edge asks it where a route says IAM; package sigv4 verifies, package accesskeys knows the keys. A handshake's way:
// Authorize gives the request line and the headers to a sigv4.Verifier, looks whether the key may invoke the API, and
// answers with what the event's identity says of the caller.
package iam

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
)

// Config is what an Authorizer needs. Keys is required.
type Config struct {
	Keys sigv4.Keys
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Authorizer is the gateway.Authorizer of IAM. It may be used concurrently, and for any API.
type Authorizer struct {
	verifier *sigv4.Verifier
	now      func() time.Time
}

var _ gateway.Authorizer = (*Authorizer)(nil)

// New returns an Authorizer, or an error that names the missing field.
func New(c Config) (*Authorizer, error) {
	if c.Keys == nil {
		return nil, errors.New("iam: Config.Keys is missing")
	}
	v, err := sigv4.New(sigv4.Config{Keys: c.Keys, Services: []string{sigv4.ServiceExecuteAPI}, Now: c.Now})
	if err != nil {
		return nil, err
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	return &Authorizer{v, now}, nil
}

// Authorize lets in who signed with a key that allows execute-api:Invoke on the API. All others get CodeForbidden, with
// the reason as its cause (contract/websocket-api.md §4.2); CodeInternal means that the keys can't be asked.
func (a *Authorizer) Authorize(ctx context.Context, r *gateway.AuthorizationRequest) (*gateway.Authorization, error) {
	start := a.now()
	key, err := a.verifier.Verify(ctx, &sigv4.Request{
		Method: r.Method, Host: r.Host, Path: r.Path, Query: r.Query, Header: r.Header,
	})
	if err != nil {
		err = refuse(err)
	}
	verified := a.now()
	r.Report.Authenticate = gateway.AuthorizationStep{Taken: true, Latency: verified.Sub(start), Err: err}
	if err != nil {
		return nil, err
	}
	if !key.Allows(accesskeys.ActionInvoke, r.Event.API) {
		arn := gateway.InvokeARN(r.Event.API, r.Event.Stage, string(r.Event.Route))
		err = refuse(sigv4.AccessDenied(key, accesskeys.ActionInvoke, arn))
	}
	r.Report.Authorize = gateway.AuthorizationStep{Taken: true, Latency: a.now().Sub(verified), Err: err}
	if err != nil {
		return nil, err
	}
	return &gateway.Authorization{Caller: gateway.Caller{
		AccountID: gateway.DefaultAccount, AccessKey: key.ID, Caller: key.ID, User: key.ID, UserARN: key.ARN(),
	}}, nil
}

// refuse hides the reason from the client: it is for the log. What is no refusal is our own fault.
func refuse(err error) error {
	var refused *sigv4.Error
	if errors.As(err, &refused) {
		return gateway.Errorf(gateway.CodeForbidden, "Forbidden").Because(err)
	}
	return gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(err)
}
