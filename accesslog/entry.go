package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/sallyport/sallyport/gateway"
)

// Entry is an event that has ended.
type Entry struct {
	// Context is the event's (schemas/event); most variables are its members.
	Context []byte
	// Status is what the client saw, or would have: 0 is not known.
	Status int
	// IntegrationStatus is what the backend said; 0 when it was not asked or said nothing.
	IntegrationStatus int
	// Integration says whether an integration was called, Latency how long the answer took.
	Integration bool
	Latency     time.Duration
	// Admission is how a client was let in or refused, on CONNECT.
	Admission Admission
	// Err is why the event failed; nil if it did not.
	Err error
	// Validation is what a model found wrong with a message (error.validationErrorString).
	Validation string
}

// missing is what a variable without a value is written as.
const missing = "-"

// Append appends the line of e with its line break. Values are escaped as in a JSON string, so that what a client sends can
// neither end the line nor a quoted value.
func (f *Format) Append(dst []byte, e *Entry) []byte {
	for i := range f.parts {
		p := &f.parts[i]
		if p.path == "" {
			dst = append(dst, p.literal...)
			continue
		}
		dst = e.append(dst, p.path)
	}
	return append(dst, '\n')
}

// append writes one variable: what this package knows of the outcome, else the context's member.
func (e *Entry) append(dst []byte, path string) []byte {
	switch path {
	case "status":
		return number(dst, e.Status)
	case "integrationLatency", "integration.latency":
		return latency(dst, e.Integration, e.Latency)
	case "integration.status", "integrationStatus":
		return number(dst, e.IntegrationStatus)
	case "integration.integrationStatus":
		if e.Integration && e.IntegrationStatus > 0 { // the invocation itself worked
			return number(dst, 200)
		}
		return append(dst, missing...)
	case "error.message", "integration.error", "integrationErrorMessage":
		if path != "error.message" && !e.Integration {
			return append(dst, missing...)
		}
		return text(dst, publicText(e.Err))
	case "error.messageString":
		if e.Err == nil {
			return append(dst, missing...)
		}
		dst = append(dst, '"')
		dst = text(dst, publicText(e.Err))
		return append(dst, '"')
	case "error.responseType":
		return text(dst, responseType(e.Err))
	case "error.validationErrorString":
		return text(dst, e.Validation)
	}
	if dst, ok := e.Admission.append(dst, path); ok {
		return dst
	}
	v := gjson.GetBytes(e.Context, path)
	switch v.Type {
	case gjson.Null:
		return append(dst, missing...)
	case gjson.String:
		return text(dst, v.Str)
	case gjson.JSON:
		return text(dst, v.Raw)
	}
	return append(dst, v.Raw...)
}

func number(dst []byte, n int) []byte {
	if n == 0 {
		return append(dst, missing...)
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// publicText is what anybody may read of err.
func publicText(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := err.(*gateway.Error); ok { //nolint:errorlint // a wrapped one has words that are not for everybody
		return e.Message
	}
	return "Internal server error"
}

// responseType names a failure as Amazon's gateway responses do (contract/rest-api.md, gateway responses).
func responseType(err error) string {
	switch gateway.ErrorCode(err) {
	case "":
		return ""
	case gateway.CodeForbidden:
		return "ACCESS_DENIED"
	case gateway.CodeUnauthorized:
		return "UNAUTHORIZED"
	case gateway.CodeThrottled:
		return "THROTTLED"
	case gateway.CodeBadRequest:
		return "BAD_REQUEST_BODY"
	case gateway.CodeTooLarge:
		return "REQUEST_TOO_LARGE"
	case gateway.CodeTimeout:
		return "INTEGRATION_TIMEOUT"
	case gateway.CodeUnavailable, gateway.CodeIntegration:
		return "INTEGRATION_FAILURE"
	case gateway.CodeUnsupportedMedia:
		return "UNSUPPORTED_MEDIA_TYPE"
	case gateway.CodeNotFound:
		return "RESOURCE_NOT_FOUND"
	}
	return "DEFAULT_5XX"
}

// text writes a value, or - for an empty one.
func text(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, missing...)
	}
	const hexDigits = "0123456789abcdef"
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r) // broken bytes become the replacement character
			i += size
		}
	}
	return dst
}
