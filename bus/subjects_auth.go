package bus

import "github.com/sallyport/sallyport/gateway"

// tokenAuth stands where the protocol of a route's events would.
const tokenAuth = "auth"

// AuthorizerAddress is what the subject of an authorizer says.
type AuthorizerAddress struct {
	API   gateway.APIID
	Stage gateway.StageName
	// Name is the authorizer's key in the definition.
	Name string
}

// Authorizer returns the subject of the events of a REQUEST authorizer (DESIGN §3.8): {prefix}.{api}.{stage}.auth.{name}.
func (s Subjects) Authorizer(api gateway.APIID, stage gateway.StageName, name string) string {
	return s.prefix() + "." + encodeToken(string(api)) + "." + encodeToken(string(stage)) + "." + tokenAuth + "." +
		encodeToken(name)
}

// ParseAuthorizer is the inverse of Authorizer. The error is ErrSubject.
func (s Subjects) ParseAuthorizer(subject string) (AuthorizerAddress, error) {
	tokens, ok := s.cut(subject)
	if !ok || len(tokens) != 4 || tokens[2] != tokenAuth {
		return AuthorizerAddress{}, ErrSubject
	}
	api, okAPI := decodeToken(tokens[0])
	stage, okStage := decodeToken(tokens[1])
	name, okName := decodeToken(tokens[3])
	if !okAPI || !okStage || !okName {
		return AuthorizerAddress{}, ErrSubject
	}
	return AuthorizerAddress{API: gateway.APIID(api), Stage: gateway.StageName(stage), Name: name}, nil
}
