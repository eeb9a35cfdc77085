package accesslog

import (
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// maxErrorText bounds the text of an error in a line: an authorizer may say anything. Amazon cuts its execution logs there
// (contract/websocket-api.md §12).
const maxErrorText = 1 << 10

// Admission is how a client was let in or refused: the authenticate, authorizer and authorize variables. It belongs to
// CONNECT events; for any other it is zero.
type Admission struct {
	// Authenticate is the check of a signature, Authorizer the word of a JWT or REQUEST authorizer, Authorize what decided
	// whether the client may come in: a policy, an access key's permissions, scopes, an API key.
	Authenticate, Authorize Step
	Authorizer              AuthorizerStep
}

// Step is a part of an admission.
type Step struct {
	// Status stands for how it ended, as in an answer to the client; 0 says that it was not taken.
	Status  int
	Latency time.Duration
	// Err is why the client was refused. Its text is for the owner of the API, private cause included, and holds no secret.
	Err error
}

// AuthorizerStep is what an authorizer did.
type AuthorizerStep struct {
	Step
	// Integration says whether its backend was asked, IntegrationLatency how long that took, IntegrationStatus what it
	// answered with, 0 if it did not answer.
	Integration        bool
	IntegrationLatency time.Duration
	IntegrationStatus  int
	// Request is the id under which the backend knows the question; "" where it told none.
	Request string
}

// append writes the variable of path, if it is one of the admission's. The members of an authorizer's context are not, but
// none of them stands for one of these: otherwise a claim called status would say how the authorizer ended.
func (a *Admission) append(dst []byte, path string) (_ []byte, ok bool) {
	head, member, _ := strings.Cut(path, ".")
	switch head {
	case "authenticate":
		return a.Authenticate.append(dst, member)
	case "authorize":
		return a.Authorize.append(dst, member)
	case "authorizer":
		return a.Authorizer.append(dst, member)
	}
	return dst, false
}

func (s *Step) append(dst []byte, member string) ([]byte, bool) {
	switch member {
	case "status":
		return number(dst, s.Status), true
	case "latency":
		return latency(dst, s.Status != 0, s.Latency), true
	case "error":
		return text(dst, privateText(s.Err)), true
	}
	return dst, false
}

func (s *AuthorizerStep) append(dst []byte, member string) ([]byte, bool) {
	switch member {
	case "integrationStatus":
		return number(dst, s.IntegrationStatus), true
	case "integrationLatency":
		return latency(dst, s.Integration, s.IntegrationLatency), true
	case "requestId":
		return text(dst, s.Request), true
	}
	return s.Step.append(dst, member)
}

// latency writes whole milliseconds, for what took place.
func latency(dst []byte, taken bool, d time.Duration) []byte {
	if !taken {
		return append(dst, missing...)
	}
	return strconv.AppendInt(dst, d.Milliseconds(), 10)
}

// privateText is the reason behind err, or what anybody may read where it has none.
func privateText(err error) string {
	if err == nil {
		return ""
	}
	why := ""
	for why == "" {
		e, ok := err.(*gateway.Error) //nolint:errorlint // one that others wrap has its place in their text
		switch {
		case !ok:
			why = err.Error()
		case e.Cause == nil:
			why = e.Message
		default:
			err = e.Cause
		}
	}
	if len(why) > maxErrorText {
		why = strings.ToValidUTF8(why[:maxErrorText], "")
	}
	return why
}
