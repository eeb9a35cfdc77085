package edge

import (
	"time"

	"github.com/sallyport/sallyport/accesslog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// How a client was let in or refused, as the access log tells it. Each variable of contract/websocket-api.md §12 stands for
// something that took place: authenticate for IAM's signature, authorizer for the word of a JWT or REQUEST authorizer,
// authorize for what judges the client that is known: a policy, an access key's permissions, scopes, an API key.

// admissionStep is a step that took place and ended with err.
func admissionStep(took time.Duration, err error) accesslog.Step {
	return accesslog.Step{Status: messageStatus(err), Latency: took, Err: err}
}

// authorized notes what an authorizer did, and that the handshake goes on or ends with err.
func (h *handshake) authorized(a *router.Authorizer, r *gateway.AuthorizationReport, took time.Duration, err error) {
	if step := r.Authenticate; step.Taken {
		h.admission.Authenticate = admissionStep(step.Latency, step.Err)
	}
	if step := r.Authorize; step.Taken {
		h.admission.Authorize = admissionStep(step.Latency, step.Err)
	}
	if a.Type() == gateway.AuthorizerType(gateway.AuthorizerIAM) {
		return // there is no authorizer but the two steps above
	}
	h.admission.Authorizer = accesslog.AuthorizerStep{
		Step: admissionStep(took, err), Integration: r.Asked, IntegrationLatency: r.Latency, IntegrationStatus: r.Status,
		Request: r.BackendRequest,
	}
}

// decided notes one more decision about the client, after those that let it in, and reports whether that did too.
func (h *handshake) decided(err error) bool {
	h.admission.Authorize = admissionStep(h.admission.Authorize.Latency, err)
	return err == nil
}
