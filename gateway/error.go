package gateway

import (
	"errors"
	"fmt"
)

// Code is the kind of a failure. Each boundary (frame, HTTP response, NATS header, callback) has one table from Code
// to what the other side sees.
type Code string

// The codes. They travel in the Sallyport-Error header, so they are part of the contract with NATS backends.
const (
	// CodeForbidden: no route takes the message, the stage or API is unknown, or access is refused.
	CodeForbidden Code = "forbidden"
	// CodeNotFound: no route takes the HTTP request.
	CodeNotFound Code = "not_found"
	// CodeBadRequest: the client's input breaks a rule.
	CodeBadRequest Code = "bad_request"
	// CodeTooLarge: a message or body is over its limit.
	CodeTooLarge Code = "too_large"
	// CodeGone: the connection does not exist, or no longer.
	CodeGone Code = "gone"
	// CodeSlowClient: the client's send queue is full.
	CodeSlowClient Code = "slow_client"
	// CodeTimeout: the integration did not answer in time.
	CodeTimeout Code = "timeout"
	// CodeUnavailable: nobody serves the route, or the backend can't be reached.
	CodeUnavailable Code = "unavailable"
	// CodeIntegration: the backend failed, or answered with something that is no valid result.
	CodeIntegration Code = "integration_failed"
	// CodeUnauthorized: the client did not show who it is.
	CodeUnauthorized Code = "unauthorized"
	// CodeThrottled: more events than a throttle lets pass.
	CodeThrottled Code = "throttled"
	// CodeUnsupportedMedia: no request template takes the message and it may not pass without (contract/websocket-api.md §8.2).
	CodeUnsupportedMedia Code = "unsupported_media"
	// CodeInternal: our own fault, or an error of no known kind.
	CodeInternal Code = "internal"
)

// Known reports whether c is one of the codes above. Codes that arrive from outside are checked with it.
func (c Code) Known() bool {
	switch c {
	case CodeForbidden, CodeNotFound, CodeBadRequest, CodeTooLarge, CodeGone, CodeSlowClient, CodeTimeout,
		CodeUnavailable, CodeIntegration, CodeUnauthorized, CodeThrottled, CodeUnsupportedMedia, CodeInternal:
		return true
	}
	return false
}

// Error is a failure with a code for the program, a message that may be shown to anybody, and a private cause that is
// only logged.
type Error struct {
	Code Code
	// Message may be shown to a client. It never contains the cause.
	Message string
	// Cause is for the log; it may be nil.
	Cause error
}

// Errorf returns an *Error with a formatted public message and no cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Because returns a copy of e with the private cause err.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Cause = err
	return &c
}

// Error returns the text for the log, cause included. Boundaries show Message instead.
func (e *Error) Error() string {
	if e.Cause != nil {
		return string(e.Code) + ": " + e.Message + ": " + e.Cause.Error()
	}
	return string(e.Code) + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrorCode returns the Code of the first *Error in err's chain, CodeInternal for any other error, and "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
