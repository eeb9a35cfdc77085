package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/accesskeys"
	"github.com/sallyport/sallyport/gateway"
)

// The types of Error: values of the x-amzn-ErrorType header (contract/control-plane.md §3.15).
const (
	TypeMissingToken        = "MissingAuthenticationTokenException"
	TypeIncompleteSignature = "IncompleteSignatureException"
	TypeInvalidSignature    = "InvalidSignatureException"
	TypeUnrecognizedClient  = "UnrecognizedClientException"
	TypeAccessDenied        = "AccessDeniedException"
)

// The keys of Error: the member of the body that holds the message. Amazon's IAM writes its own with a capital
// (contract/websocket-api.md §9.2).
const (
	keyMessage       = "message"
	keyMessageDenied = "Message"
)

// Error is a refusal as the client is to see it: status 403, Type in the x-amzn-ErrorType header, and a body with the one
// member Key. Its code, as gateway.ErrorCode finds it, is CodeForbidden.
type Error struct {
	// Type is one of the constants above.
	Type string
	// Message is for the client. That of a wrong signature repeats what was signed, which is the client's own request: it
	// holds no secret of ours, but may hold one of the client's, so that logs take Error or Summary instead.
	Message string
	// Key is the name of the body's member: message, or Message.
	Key string
}

// Error returns the type and the Summary.
func (e *Error) Error() string { return e.Type + ": " + e.Summary() }

// Summary is the first line of the message: of the request it repeats the credential, the algorithm and the dates at most. What
// is not printable in them is escaped, as a reader of logs may be a terminal.
func (e *Error) Summary() string {
	line, _, _ := strings.Cut(e.Message, "\n")
	quoted := strconv.Quote(line)
	return quoted[1 : len(quoted)-1]
}

// Unwrap makes every refusal CodeForbidden for those who don't know this package.
func (e *Error) Unwrap() error { return gateway.Errorf(gateway.CodeForbidden, "Forbidden") }

// Body is the JSON body of the answer, without HTML escapes and without a final newline.
func (e *Error) Body() []byte {
	key := e.Key
	if key == "" {
		key = keyMessage
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]string{key: e.Message}) // strings always encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// AccessDenied is the refusal of a caller whose signature is right but whose key does not allow action on the resource,
// an ARN.
func AccessDenied(key accesskeys.Key, action accesskeys.Action, resource string) *Error {
	return &Error{TypeAccessDenied, fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", key.ARN(), action, resource), keyMessageDenied}
}

func incomplete(format string, args ...any) *Error {
	return &Error{TypeIncompleteSignature, fmt.Sprintf(format, args...), keyMessage}
}

func invalid(format string, args ...any) *Error {
	return &Error{TypeInvalidSignature, fmt.Sprintf(format, args...), keyMessage}
}

func missingToken() *Error {
	return &Error{TypeMissingToken, "Missing Authentication Token", keyMessage}
}

// unrecognized is the answer for an unknown key and for any session token: there is nobody here who issues them.
func unrecognized() *Error {
	return &Error{TypeUnrecognizedClient, "The security token included in the request is invalid.", keyMessage}
}

// mismatch shows the client what was verified, so that it can see where its own idea differs.
func mismatch(canonical, toSign string) *Error {
	return invalid("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "+
		"and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'%s'\n\n"+
		"The String-to-Sign should have been\n'%s'\n", canonical, toSign)
}

// expired and early give the two times as Amazon does; ago is the text of the span between them.
func expired(date string, now time.Time, span time.Duration, ago string) *Error {
	return invalid("Signature expired: %s is now earlier than %s (%s - %s)", date, basic(now.Add(-span)), basic(now), ago)
}

func early(date string, now time.Time) *Error {
	return invalid("Signature not yet current: %s is still later than %s (%s + %s)", date, basic(now.Add(maxSkew)), basic(now), skewText)
}

// digest stands for an Authorization header that is not understood: it may hold another scheme's secret.
func digest(header string) string {
	sum := sha256.Sum256([]byte(header))
	return base64.StdEncoding.EncodeToString(sum[:])
}
