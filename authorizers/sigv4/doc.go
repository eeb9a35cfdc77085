// Package sigv4 verifies requests that were signed with AWS Signature Version 4: the header form that the AWS SDKs and
// command line send, and the presigned form of links and of browsers' wss:// URLs (contract/control-plane.md §3).
//
// It knows no HTTP server and no store: whoever owns a listener (edge, control) or authorizes a handshake
// (authorizers/iam) gives it the request as it came on the wire, and package accesskeys gives it the secrets.
//
// A request's way: Verify reads the Authorization header or the X-Amz-* parameters (parse.go), checks scope and clock
// (verify.go), asks Keys for the secret, builds the canonical request (canonical.go), and compares the signature that
// follows from it in constant time. What fails becomes an *Error with the type and the text that Amazon's clients know
// (errors.go).
package sigv4
