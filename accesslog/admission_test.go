package accesslog

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// The variables of how a client was let in tell what took place, never what a token's claims of the same names say.
func TestAdmissionVariables(t *testing.T) {
	context := `{"requestId":"r","authorize":{"status":"a claim"},"authorizer":{"principalId":"ann","status":"a claim","error":"a claim",` +
		`"latency":1,"integrationStatus":"a claim","integrationLatency":1,"requestId":"a claim"}}`
	const all = "$context.authenticate.status $context.authenticate.latency $context.authenticate.error | " +
		"$context.authorizer.status $context.authorizer.latency $context.authorizer.error " +
		"$context.authorizer.integrationStatus $context.authorizer.integrationLatency $context.authorizer.requestId | " +
		"$context.authorize.status $context.authorize.latency $context.authorize.error | $context.authorizer.principalId $context.requestId"
	f, err := Parse(all)
	if err != nil {
		t.Fatal(err)
	}
	because := gateway.Errorf(gateway.CodeForbidden, "Forbidden").Because(errors.New("the policy says \"no\""))
	for _, c := range []struct {
		name string
		with Admission
		want string
	}{
		{"nobody asked", Admission{}, "- - - | - - - - - - | - - - | ann r\n"},
		{"a signature", Admission{Authenticate: Step{Status: 403, Latency: 2 * time.Millisecond, Err: because}},
			`403 2 the policy says \"no\" | - - - - - - | - - - | ann r` + "\n"},
		{"a policy", Admission{
			Authorizer: AuthorizerStep{
				Step: Step{Status: 403, Latency: 8 * time.Millisecond, Err: because}, Integration: true, IntegrationLatency: 7 * time.Millisecond,
				IntegrationStatus: 200, Request: "q",
			},
			Authorize: Step{Status: 403, Err: gateway.Errorf(gateway.CodeForbidden, "Forbidden")},
		}, `- - - | 403 8 the policy says \"no\" 200 7 q | 403 0 Forbidden | ann r` + "\n"},
		{"no answer", Admission{Authorizer: AuthorizerStep{
			Step:        Step{Status: 500, Latency: time.Second, Err: gateway.Errorf(gateway.CodeInternal, "x").Because(because)},
			Integration: true, IntegrationLatency: time.Second,
		}}, `- - - | 500 1000 the policy says \"no\" - 1000 - | - - - | ann r` + "\n"},
	} {
		if got := string(f.Append(nil, &Entry{Context: []byte(context), Admission: c.with})); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// What an authorizer says may be of any length and holds any bytes.
func TestAdmissionErrorsAreBounded(t *testing.T) {
	f, err := Parse("$context.authorizer.error $context.requestId")
	if err != nil {
		t.Fatal(err)
	}
	line := f.Append(nil, &Entry{Context: []byte(`{}`), Admission: Admission{
		Authorizer: AuthorizerStep{Step: Step{Status: 500, Err: errors.New(strings.Repeat("é", maxErrorText))}},
	}})
	if want := strings.Repeat("é", maxErrorText/2) + " -\n"; string(line) != want {
		t.Errorf("got %d bytes: %.40q…", len(line), line)
	}
}
