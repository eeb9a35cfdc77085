// Package jwt authorizes $connect by a JSON Web Token (DESIGN §3.8). Amazon's WebSocket APIs have no such authorizer; its
// rules are those of Amazon's HTTP APIs (contract/http-api.md §12).
//
// Its neighbours: the edge calls it as a gateway.Authorizer, and Verify for a $refresh; authorizers/keysets gives it keys.
//
// One path through it: Authorize finds the token in the first identity source that has one (token.go), checks its form and
// algorithm before anything is fetched, has its signature checked with the key that it names, then its claims (claims.go),
// and returns them as the flat authorizer context, with its scopes and its end.
package jwt
