package edge

import (
	"context"
	"errors"
	"time"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
	"github.com/sallyport/sallyport/router/mapping"
)

// A client whose token ends may send a new one, {"action":"$refresh","token":"…"}, where its API has a $refresh route. The
// connection then lives as long as the new token, with its scopes. Amazon's service has nothing like it.

// refreshTimeout bounds the check of a token: its keys may have to be fetched. Only this client's own messages wait.
const refreshTimeout = 5 * time.Second

// refresher is an authorizer that can check a token by itself: the JWT one.
type refresher interface {
	Verify(ctx context.Context, token string) (*gateway.Authorization, error)
}

// renew goes on with a message to $refresh, whose route hears of it once the new token is in force.
func (s *Server) renew(m arrival, route *router.Route) {
	err := s.refresh(m.socket, m.program, m.in.payload)
	s.metrics.refreshed(m.program.API(), m.program.Stage(), err)
	if err != nil {
		s.refuse(m, route.Key(), err)
		return
	}
	s.send(m, route)
}

// tokenIn returns the token in a message, "" without one; of several members of that name the last counts, as everywhere.
func tokenIn(body []byte) string {
	source, err := mapping.ParseSource("route.request.body.token")
	if err != nil {
		return "" // can't be
	}
	return source.Value(&gateway.Event{Body: body})
}

// refresh checks the token in a message and puts its grant in force. The token must be of the same principal: a connection
// never changes hands.
func (s *Server) refresh(k *socket, p *router.Program, body []byte) error {
	a := p.Authorizer()
	if a == nil {
		return gateway.Errorf(gateway.CodeForbidden, "Forbidden")
	}
	authorizer, err := s.cfg.Authorizers(p, a)
	if err != nil {
		return gateway.Errorf(gateway.CodeInternal, "Internal server error").Because(err)
	}
	verifier, ok := authorizer.(refresher)
	if !ok {
		return gateway.Errorf(gateway.CodeForbidden, "Forbidden").Because(errors.New("this authorizer knows no tokens"))
	}
	ctx, cancel := context.WithTimeout(s.ctx, refreshTimeout)
	defer cancel()
	allowed, err := verifier.Verify(ctx, tokenIn(body))
	switch {
	case err != nil:
		return authorizerError(err)
	case !samePrincipal(allowed.Context, k.conn.Authorizer):
		return gateway.Errorf(gateway.CodeForbidden, "Forbidden").Because(errors.New("the token is of another principal"))
	}
	k.mu.Lock()
	k.grant = newGrant(allowed)
	k.mu.Unlock()
	s.wheel.arm(&k.timer, k.due(s.now()))
	return nil
}

// samePrincipal reports whether two authorizers' contexts speak of the same one of the same issuer. Tokens that name nobody
// are nobody's.
func samePrincipal(a, b []byte) bool {
	for _, name := range [...]string{"principalId", "iss"} {
		if gjson.GetBytes(a, name).String() != gjson.GetBytes(b, name).String() {
			return false
		}
	}
	return gjson.GetBytes(a, "principalId").String() != ""
}
