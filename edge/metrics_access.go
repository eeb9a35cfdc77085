package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sallyport/sallyport/gateway"
)

// accessMetrics count who comes in and what is let through.
type accessMetrics struct {
	handshakes metric.Int64Counter
	authorizer metric.Float64Histogram
	throttles  metric.Int64Counter
	refreshes  metric.Int64Counter
}

const (
	attrRefusedBy     = attribute.Key("sallyport.handshake.refused_by")
	attrAuthorizer    = attribute.Key("sallyport.authorizer.name")
	attrThrottleScope = attribute.Key("sallyport.throttle.scope")
)

// step is how far a handshake has got: where it is refused, the step that refused it.
type step string

// The steps in their order.
const (
	stepAddressRate step = "address_rate"
	stepCapacity    step = "capacity" // too many handshakes are under way, or the process stops
	stepAddress     step = "address"
	stepUpgrade     step = "upgrade" // RFC 6455, and the origin list
	stepThrottle    step = "throttle"
	stepIdentity    step = "identity"
	stepAuthorizer  step = "authorizer"
	stepScopes      step = "scopes"
	stepAPIKey      step = "api_key"
	stepParameters  step = "parameters"
	stepRecord      step = "record"
	stepConnect     step = "integration"
)

// throttleScope is whose bucket was empty.
type throttleScope string

const (
	scopeStage  throttleScope = "stage"
	scopeRoute  throttleScope = "route"
	scopeAPIKey throttleScope = "key"
)

func (m *metrics) openAccess(meter metric.Meter) error {
	var errs [4]error
	m.handshakes, errs[0] = meter.Int64Counter("sallyport.handshakes",
		metric.WithUnit("{handshake}"), metric.WithDescription("WebSocket handshakes by the status they were answered with."))
	m.authorizer, errs[1] = meter.Float64Histogram("sallyport.authorizer.duration",
		metric.WithUnit("s"), metric.WithDescription("From asking an authorizer about a handshake until its word."))
	m.throttles, errs[2] = meter.Int64Counter("sallyport.throttled",
		metric.WithUnit("{event}"), metric.WithDescription("Handshakes and messages that a throttle did not let through."))
	m.refreshes, errs[3] = meter.Int64Counter("sallyport.refreshes",
		metric.WithUnit("{refresh}"), metric.WithDescription("Tokens that clients sent to renew their connection's."))
	return errors.Join(errs[:]...)
}

// handshake counts the end of one; refusedBy is empty for a client that came in.
func (m *metrics) handshake(api gateway.APIID, stage gateway.StageName, status int, refusedBy step) {
	if m == nil {
		return
	}
	if status < http.StatusContinue || status > maxFinalStatus { // a backend's own status is passed on, but bounded
		status = http.StatusBadGateway
	}
	l := labels{api: api, stage: stage, status: status, family: familyHandshake, which: string(refusedBy)}
	m.handshakes.Add(context.Background(), 1, m.with(l).add...)
}

// authorized measures one question to an authorizer; code is empty when it let the client in.
func (m *metrics) authorized(api gateway.APIID, stage gateway.StageName, name string, took time.Duration, code gateway.Code) {
	if m != nil {
		l := labels{api: api, stage: stage, code: code, family: familyAuthorizer, which: name}
		m.authorizer.Record(context.Background(), took.Seconds(), m.with(l).record...)
	}
}

// throttled counts what an empty bucket stopped on its way to route.
func (m *metrics) throttled(api gateway.APIID, stage gateway.StageName, route gateway.RouteKey, scope throttleScope) {
	if m != nil {
		l := labels{api: api, stage: stage, route: route, family: familyThrottle, which: string(scope)}
		m.throttles.Add(context.Background(), 1, m.with(l).add...)
	}
}

// refreshed counts one token of a $refresh message; err is nil if it is in force now.
func (m *metrics) refreshed(api gateway.APIID, stage gateway.StageName, err error) {
	if m != nil {
		l := labels{api: api, stage: stage, code: gateway.ErrorCode(err)}
		m.refreshes.Add(context.Background(), 1, m.with(l).add...)
	}
}
