package app

import (
	"fmt"

	"github.com/sallyport/sallyport/authorizers/iam"
	"github.com/sallyport/sallyport/authorizers/request"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/router"
)

// authorizers returns what makes the authorizers of this build for an edge: the one list of their types. invoker is the
// edge's end of the bus.
func (p *process) authorizers(invoker gateway.Invoker) func(*router.Program, *router.Authorizer) (gateway.Authorizer, error) {
	return func(program *router.Program, a *router.Authorizer) (gateway.Authorizer, error) {
		switch a.Type() {
		case gateway.AuthorizerRequest:
			return request.New(request.Config{
				Invoker: invoker, API: program.API(), Stage: program.Stage(), Name: a.Name(), Subject: a.Subject(), Timeout: a.Timeout(),
			})
		case gateway.AuthorizerTypeIAM:
			return iam.New(iam.Config{Keys: p.keys})
		case gateway.AuthorizerJWT:
			return p.jwtAuthorizer(a)
		}
		return nil, fmt.Errorf("this build has no authorizers of type %s", a.Type())
	}
}
