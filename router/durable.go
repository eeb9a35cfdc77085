package router

import (
	"fmt"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// Durable is how an atLeastOnce route keeps its promise. It never changes.
type Durable struct {
	// Subject is that of the store.
	Subject string
	// Acknowledge sends the client a frame when its message is stored.
	Acknowledge bool
	// MaxAttempts is how often a message is tried, Backoff the wait before the second attempt.
	MaxAttempts int
	Backoff     time.Duration
}

// Durable returns how the route's messages are stored until they are served, nil where they are not.
func (r *Route) Durable() *Durable { return r.durable }

// HasDurable reports whether any route of the table's programs is atLeastOnce.
func (t *Table) HasDurable() bool {
	for _, p := range t.programs {
		for _, r := range p.routes {
			if r.durable != nil {
				return true
			}
		}
	}
	return false
}

// checkDelivery reports promises that a WebSocket route can't keep, and what has no meaning without one.
func (c *check) checkDelivery(key gateway.RouteKey, r *gateway.Route) {
	where := at("routes", string(key))
	switch r.Delivery {
	case gateway.DeliverAtLeastOnce:
		c.checkAtLeastOnce(where, key, r)
		return
	case "", gateway.DeliverAtMostOnce:
	default:
		c.fault(where.under("delivery"), fmt.Sprintf("unknown delivery %q", r.Delivery), "atMostOnce or atLeastOnce")
	}
	const hint = "add delivery: atLeastOnce, or remove it"
	if r.Acknowledge {
		c.fault(where.under("acknowledge"), "only a stored message can be acknowledged", hint)
	}
	if r.Retry != nil {
		c.fault(where.under("retry"), "only a stored message can be tried again", hint)
	}
}

func (c *check) checkAtLeastOnce(where place, key gateway.RouteKey, r *gateway.Route) {
	switch key {
	case gateway.RouteConnect:
		c.fault(where.under("delivery"), "a handshake waits for its answer now, so it can't be stored for later", "remove it")
	case gateway.RouteDisconnect:
		c.fault(where.under("delivery"), "the end of a connection is kept in the journal and told again by itself", "remove it")
	case gateway.RouteRefresh:
		c.fault(where.under("delivery"), "a token is judged now, so it can't be stored for later", "remove it")
	}
	if r.Acknowledge && r.RouteResponse {
		c.fault(where.under("acknowledge"), "a two-way route answers with the backend's result", "keep either acknowledge or routeResponse")
	}
	if r.Retry == nil {
		return
	}
	if n := r.Retry.MaxAttempts; n < 0 || n > gateway.MaxRetryAttempts {
		c.fault(where.under("retry", "maxAttempts"), fmt.Sprintf("%d is out of range", n), fmt.Sprintf("1 to %d", gateway.MaxRetryAttempts))
	}
	if n := r.Retry.BackoffSeconds; n < 0 || n > gateway.MaxRetryBackoffSeconds {
		c.fault(where.under("retry", "backoffSeconds"), fmt.Sprintf("%d is out of range", n), fmt.Sprintf("1 to %d", gateway.MaxRetryBackoffSeconds))
	}
}

// buildDurable takes a route that has passed the checks.
func (c *check) buildDurable(p *Program, key gateway.RouteKey, r *gateway.Route) *Durable {
	if r.Delivery != gateway.DeliverAtLeastOnce {
		return nil
	}
	d := &Durable{
		Acknowledge: r.Acknowledge,
		MaxAttempts: gateway.DefaultRetryAttempts, Backoff: gateway.DefaultRetryBackoffSeconds * time.Second,
	}
	if c.config.DurableSubject != nil {
		d.Subject = c.config.DurableSubject(p.api, p.stage, key)
	}
	if r.Retry != nil && r.Retry.MaxAttempts > 0 {
		d.MaxAttempts = r.Retry.MaxAttempts
	}
	if r.Retry != nil && r.Retry.BackoffSeconds > 0 {
		d.Backoff = time.Duration(r.Retry.BackoffSeconds) * time.Second
	}
	return d
}

// StoredFrame appends the frame by which the client of an atLeastOnce route learns that its message is stored. It is our own:
// Amazon's service has none.
func StoredFrame(dst []byte, message gateway.RequestID, c gateway.ConnectionID, r gateway.RequestID) []byte {
	dst = append(dst, `{"messageId":"`...)
	dst = append(dst, message...)
	dst = append(dst, `","connectionId":"`...)
	dst = append(dst, c...)
	dst = append(dst, `","requestId":"`...)
	dst = append(dst, r...)
	return append(dst, `"}`...)
}
