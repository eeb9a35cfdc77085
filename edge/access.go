package edge

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/authorizers/sigv4"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/schemas/event"
	"github.com/sallyport/sallyport/throttle"
)

// Who may come in, and what who is in may send (DESIGN §3.8): throttle → authorize → scopes → API key → parameters for a
// handshake, throttle → scopes → models for a message.

// headerAPIKey is where clients send their API key (contract/websocket-api.md §10.3).
const headerAPIKey = "x-api-key"

// grant is what the client of a handshake was given: it holds as long as the connection, or until a new token.
type grant struct {
	scopes    []string
	expiresAt time.Time // zero: never
}

// newGrant returns nil where there is nothing to remember, as for most connections.
func newGrant(a *gateway.Authorization) *grant {
	if len(a.Scopes) == 0 && a.ExpiresAt.IsZero() {
		return nil
	}
	return &grant{a.Scopes, a.ExpiresAt}
}

// authorize decides whether the client of a handshake may come in, and completes what is known of it.
func (s *Server) authorize(h *handshake) error {
	p := h.program
	rules := p.ConnectRules()
	a := p.Authorizer()
	var ev *gateway.Event // dear to make, and most APIs need none
	if a != nil || rules.HasParameters() {
		ev = s.authorizationEvent(h)
	}
	allowed := &gateway.Authorization{}
	if a != nil {
		var err error
		if allowed, err = s.askAuthorizer(h, a, ev); err != nil {
			return err
		}
	}
	h.conn.Authorizer = allowed.Context
	if allowed.Caller != (gateway.Caller{}) {
		h.conn.Caller = &allowed.Caller
	}
	h.grant = newGrant(allowed)
	h.step = stepScopes
	if needed := rules.Scopes(); len(needed) > 0 {
		if err := checkScopes(needed, allowed.Scopes); !h.decided(err) {
			return err
		}
	}
	h.step = stepAPIKey
	if rules.APIKeyRequired() {
		if err := s.checkKey(h, allowed); !h.decided(err) {
			return err
		}
	}
	h.step = stepParameters
	if err := rules.CheckParameters(ev); err != nil {
		return err
	}
	s.keep(h)
	return nil
}

// authorizationEvent is the $connect event as authorizers and parameters see it: without what authorizing adds, and with the
// headers of this hop, which of all events authorizers' alone have (contract/websocket-api.md §6.1, §10.1).
func (s *Server) authorizationEvent(h *handshake) *gateway.Event {
	p := h.program
	return &gateway.Event{
		Kind: gateway.EventConnect, API: h.conn.API, Stage: h.conn.Stage, Route: gateway.RouteConnect, Expect: gateway.ExpectReply,
		Connection: h.conn.ID, Request: h.request, Header: h.authorizerHeader(),
		Context: s.lifeContext(p, h.conn, event.MessageInfo{
			Kind: gateway.EventConnect, Request: h.request, Time: h.arrived, Query: &event.QueryInfo{Raw: h.eventQuery()},
		}, gateway.RouteConnect),
	}
}

// askAuthorizer asks an authorizer about a handshake.
func (s *Server) askAuthorizer(h *handshake, a *router.Authorizer, ev *gateway.Event) (*gateway.Authorization, error) {
	h.step = stepIdentity
	if _, err := a.Identity(ev); err != nil {
		h.admission.Authorizer.Step = admissionStep(0, err)
		return nil, err
	}
	h.step = stepAuthorizer
	authorizer, err := s.cfg.Authorizers(h.program, a)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(err)
	}
	ctx, cancel := context.WithTimeout(within(s.ctx, h.span), a.Timeout()+connectGrace)
	defer cancel()
	path, query := sigv4.Target(h.head.target) // h.path may be encoded otherwise, and signatures are over the client's bytes
	asked := s.now()
	question := &gateway.AuthorizationRequest{
		Event: ev, Method: h.head.method, Host: h.host, Path: path, Query: query, Header: h.head.header,
	}
	allowed, err := authorizer.Authorize(ctx, question)
	if s.stopping() {
		return nil, errStopped
	}
	took := s.now().Sub(asked)
	switch {
	case err != nil:
		err = authorizerError(err)
		if gateway.ErrorCode(err) == gateway.CodeInternal { // a refusal is logged at debug: anybody can be refused, as often as he likes
			s.log.Warn("an authorizer failed", "api", h.conn.API, "stage", h.conn.Stage, "authorizer", a.Name(), "error", err)
		}
	case !allowed.ExpiresAt.IsZero() && !s.now().Before(allowed.ExpiresAt):
		err = gateway.Errorf(gateway.CodeUnauthorized, "Unauthorized").Because(errors.New("the authorizer's consent has ended already"))
	}
	s.metrics.authorized(h.conn.API, h.conn.Stage, a.Name(), took, gateway.ErrorCode(err))
	h.authorized(a, &question.Report, took, err)
	if err != nil {
		return nil, err
	}
	return allowed, nil
}

// authorizerError lets an authorizer's two words through; whatever else happened is a 500 (contract/websocket-api.md §4.2).
func authorizerError(err error) error {
	switch gateway.ErrorCode(err) {
	case gateway.CodeUnauthorized, gateway.CodeForbidden:
		return err
	}
	return gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(err)
}

// checkScopes refuses whom none of the needed scopes was granted.
func checkScopes(needed, granted []string) error {
	if slices.ContainsFunc(needed, func(s string) bool { return slices.Contains(granted, s) }) {
		return nil
	}
	return gateway.Errorf(gateway.CodeForbidden, "Forbidden").Because(errors.New("none of the scopes is granted"))
}

// checkKey looks for the client's API key, for a route that asks for one. A key that is not asked for is not looked at.
func (s *Server) checkKey(h *handshake, allowed *gateway.Authorization) error {
	value := h.head.header.Get(headerAPIKey)
	if h.program.APIKeyFromAuthorizer() {
		value = allowed.UsageKey
	}
	key, ok := h.program.APIKey(value)
	if !ok {
		return gateway.Errorf(gateway.CodeForbidden, "Forbidden").Because(errors.New("no API key, or an unknown one"))
	}
	bucket := throttle.Key{API: h.conn.API, Stage: h.conn.Stage, APIKey: key.Name}
	if !s.buckets.Allow(bucket, key.Throttle, s.now()) {
		s.metrics.throttled(bucket.API, bucket.Stage, gateway.RouteConnect, scopeAPIKey)
		return errThrottled().Because(fmt.Errorf("API key %q", key.Name))
	}
	if h.conn.Caller == nil {
		h.conn.Caller = new(gateway.Caller)
	}
	h.conn.Caller.APIKey, h.conn.Caller.APIKeyID = key.Value, key.Name
	return nil
}

// keep remembers the parts of the handshake that later events carry too. What the client showed itself by in the query is
// not among them: it would be stored, and go with every event.
func (s *Server) keep(h *handshake) {
	headers, query := h.program.Keeps(gateway.HandshakeHeaders), h.program.Keeps(gateway.HandshakeQuery)
	if !headers && !query {
		return
	}
	h.conn.Handshake = &gateway.Handshake{}
	if headers {
		h.conn.Handshake.Header = h.connectHeader()
	}
	if query {
		h.conn.Handshake.Query = h.eventQuery()
		if a := h.program.Authorizer(); a != nil {
			h.conn.Handshake.Query = withoutParameters(h.conn.Handshake.Query, a.IdentityParameters())
		}
	}
}

// withoutParameters is a raw query without the parameters of those names. What does not need to change stays as it came.
func withoutParameters(query string, names []string) string {
	if len(names) == 0 {
		return query
	}
	var kept []string
	for member := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(member, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if !slices.Contains(names, name) {
			kept = append(kept, member)
		}
	}
	return strings.Join(kept, "&")
}

// admitMessage decides whether a message may go to its route. It costs nothing where the API says nothing of it.
func (s *Server) admitMessage(m arrival, route *router.Route) error {
	if m.program.Throttle() != nil || route.Throttle() != nil {
		if err := s.throttle(m.program, route.Key(), route.Throttle(), m.start); err != nil {
			return err
		}
	}
	if needed := route.Scopes(); len(needed) > 0 {
		if err := checkScopes(needed, m.socket.scopes()); err != nil {
			return err
		}
	}
	if !route.HasModels() {
		return nil
	}
	return s.validate(m, route)
}

// validate holds a message to its route's models: a large one when its turn comes.
func (s *Server) validate(m arrival, route *router.Route) error {
	if m.beside {
		s.validations <- struct{}{} // those under way end by themselves
		defer func() { <-s.validations }()
	}
	err := route.Validate(m.in.payload)
	if gateway.ErrorCode(err) == gateway.CodeInternal {
		s.log.Error("a model failed", "api", m.socket.conn.API, "stage", m.socket.conn.Stage, "route", route.Key(), "error", err)
	}
	return err
}

// scopes are those that the client has now.
func (k *socket) scopes() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.grant == nil {
		return nil
	}
	return k.grant.scopes
}

// expireLocked is when the connection's token ends; zero for never.
func (k *socket) expireLocked() time.Time {
	if k.grant == nil {
		return time.Time{}
	}
	return k.grant.expiresAt
}
